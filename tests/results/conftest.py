"""Runs as the harness leaves them, and an MLflow store written as tracking writes it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.base import Point, Run, RunResult, Tag

if TYPE_CHECKING:
    from mlflow import MlflowClient

LABELS = {"td3_bc": "TD3+BC", "warm-start": "warm start only"}
VERSIONS = "gymnasium 1.4.0, mujoco 3.17.0"


def make_result(
    task: str = "hopper-medium",
    variant: str = "iql",
    seed: int = 0,
    score: float = 40.0,
    *,
    status: str = "finished",
    settings: dict[str, Any] | None = None,
    training: dict[str, Any] | None = None,
    method_version: int = 1,
    dataset_hash: str | None = None,
    summary: dict[str, dict[str, float]] | None = None,
    provenance: dict[str, Any] | None = None,
    **labels: str,
) -> RunResult:
    """A finished run of a column; `labels` replace or add to the usual ones."""
    method = "bc" if variant == "warm-start" else variant
    run = Run(
        family="offline_rl",
        task=task,
        task_version=1,
        dataset=f"local/{task}-v5-n100000-s0-v0",
        dataset_hash=dataset_hash or (task.encode().hex() + "0" * 64)[:64],
        method=method,
        method_version=method_version,
        settings={"learning_rate": 0.003, "warm": variant == "warm-start", **(settings or {})},
        training={"train_steps": 10_000, "batch_size": 64, **(training or {})},
        seed=seed,
        labels={
            "tier": "demo",
            "sweep": "demo",
            "preset": "small-demo",
            "variant": variant,
            "label": LABELS.get(variant, variant.upper()),
            "paper": "a paper",
            "reconstruction": "true" if method == "ilq" else "false",
            "environment": f"{task.split('-')[0].capitalize()}-v5, {VERSIONS}",
            "data_kind": "rebuilt",
            "protocol": "20 episodes every 1,000 of 10,000 steps",
            "precision": "fp32",
            **labels,
        },
    )
    return RunResult(
        run=run,
        status=status,
        curve=[
            Point("normalized_score", 5_000, score / 2),
            Point("normalized_score", 10_000, score),
            Point("critic_loss", 10_000, 0.25),
        ],
        summary=summary or {"normalized_score": {"last": score, "final10": score - 1.0, "best": score + 2.0}},
        extra={"returns": [[100.0, 200.0]]},
        provenance=provenance or {"commit": "abc123", "dirty": False, "wall_s": 12.5, "packages": {"torch": "2.13.0"}},
    )


class Store:
    """A real sqlite MLflow store."""

    def __init__(self, folder: Path, database: Path) -> None:
        from mlflow import MlflowClient

        self.path, self.uri = database, f"sqlite:///{database}"
        self.client: MlflowClient = MlflowClient(tracking_uri=self.uri)
        self.artifacts = folder / "mlruns"
        self.experiments: dict[str, str] = {}

    def experiment(self, family: str) -> str:
        if family not in self.experiments:
            location = (self.artifacts / family).as_uri()
            self.experiments[family] = self.client.create_experiment(family, artifact_location=location)
        return self.experiments[family]

    def write(self, result: RunResult, *, state: str = "FINISHED", record: bool = True, **tags: str) -> str:
        """A member run: tags, labels, provenance, parameters, curve, summary and record; `tags` replace some."""
        from mlflow.entities import Metric, Param

        run = result.run
        known = {
            Tag.RUN_KEY: run.key,
            Tag.STATUS: result.status,
            Tag.FAMILY: run.family,
            Tag.TASK: run.task,
            Tag.METHOD: run.method,
            Tag.SEED: str(run.seed),
            **{Tag.LABEL + name: value for name, value in run.labels.items()},
            **{Tag.PROVENANCE + name: str(value) for name, value in result.provenance.items()},
            **tags,
        }
        created = self.client.create_run(self.experiment(run.family), tags=known)
        name = created.info.run_id
        metrics = [Metric(point.metric, point.value, 0, point.step) for point in result.curve]
        for metric, statistics in result.summary.items():
            metrics += [Metric(f"{metric}.{statistic}", value, 0, 0) for statistic, value in statistics.items()]
        parameters = [Param(f"settings.{key}", str(value)) for key, value in run.settings.items()]
        parameters += [Param(f"training.{key}", str(value)) for key, value in run.training.items()]
        self.client.log_batch(name, metrics=metrics, params=parameters)
        if record:
            self.client.log_text(name, json.dumps(result.to_json()), Tag.RECORD)
        if state != "RUNNING":
            self.client.set_terminated(name, state)
        return str(name)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's tables, made once: that takes seconds."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("mlflow") / "empty.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def store(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An MLflow store with no runs, and a home whose store it is."""
    home = tmp_path / "home"
    home.mkdir()
    database = home / "mlflow.db"
    shutil.copyfile(empty_database, database)
    monkeypatch.setenv("REPRISE_HOME", str(home))
    return Store(home, database)


@pytest.fixture
def result() -> Callable[..., RunResult]:
    """`make_result`."""
    return make_result


@pytest.fixture
def demo() -> list[RunResult]:
    """Two tasks, every column of ILQ's Table 1, three seeds, with scores that a hand can check."""
    base = {"bc": 38.0, "td3_bc": 40.0, "cql": 36.0, "iql": 36.5, "mcq": 35.0, "ilq": 43.0, "warm-start": 45.0}
    return [
        make_result(task, variant, seed, score + shift + 2.0 * seed)
        for task, shift in (("hopper-medium", 0.0), ("hopper-medium-expert", -3.0))
        for variant, score in base.items()
        for seed in range(3)
    ]
