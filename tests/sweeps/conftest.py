"""The toy family, a home with a ready MLflow database, and one local Ray for all tests of the launcher."""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks.base import home
from sweeps import cli
from sweeps.cluster import cluster
from sweeps.registry import discover, load_plugin
from sweeps.tracking import Tracking

PLUGIN = Path(__file__).with_name("toy_plugin.py").resolve()


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The toy family, registered the way a user's plug-in is."""
    monkeypatch.setenv("REPRISE_PLUGINS", str(PLUGIN))
    discover()
    return load_plugin(PLUGIN)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with its tables: creating them takes seconds, copying them none."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    before = os.environ.get("REPRISE_HOME")
    os.environ["REPRISE_HOME"] = str(path.parent)
    Tracking("template")
    os.environ["REPRISE_HOME"] = before or ""
    return path


@pytest.fixture
def store(empty_store: Path) -> Path:
    """This test's MLflow database, in its own home."""
    home().mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(empty_store, home() / "mlflow.db"))


@pytest.fixture(scope="session")
def ray() -> Iterator[None]:
    """A local Ray that every launch of these tests uses."""
    with cluster():
        yield


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a sweep file and gives its path."""

    def written(text: str, name: str = "toy.yaml") -> Path:
        path = tmp_path / name
        path.write_text(textwrap.dedent(text))
        return path

    return written


@dataclass(frozen=True)
class Said:
    """What a command printed and its exit status."""

    status: int
    out: str
    err: str


@pytest.fixture
def reprise(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Runs a command of `reprise` in this process."""

    def called(*words: object) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main([str(word) for word in words])
        said = capsys.readouterr()
        return Said(int(ended.value.code or 0), said.out, said.err)

    return called
