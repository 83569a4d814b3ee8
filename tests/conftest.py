"""One torch thread per process, a home of its own for every test session, and smoke benchmarks last."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-fingerprints", action="store_true", help="store the present numbers of every method")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: "smoke" in Path(str(item.fspath)).parts)


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees or touches the user's `.reprise`; a test that sets REPRISE_HOME itself overrides this."""
    monkeypatch.setenv("REPRISE_HOME", str(tmp_path_factory.mktemp("home")))
    for name in (
        "MLFLOW_TRACKING_URI",
        "REPRISE_PLUGINS",
        "REPRISE_COCO",
        "REPRISE_WIDER",
        "REPRISE_WIDER_LABELS",
        "REPRISE_CHECKPOINTS",
        "REPRISE_D4RL",
        "REPRISE_BEHAVIOR",
        "MINARI_DATASETS_PATH",
        "REPRISE_CUDA_GRAPH",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("REPRISE_SHARED", Path(__file__).parents[2] / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"needs real data in {folder}, which this machine does not have")
    return folder
