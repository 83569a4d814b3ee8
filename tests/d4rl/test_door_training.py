"""The task door-human through the harness: trained on a recorded set, evaluated on the door."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from baselines.bc import BC
from baselines.cql import CQL
from baselines.iql import IQL
from benchmarks.base import Method, Run
from benchmarks.d4rl.benchmark import BENCHMARK
from benchmarks.d4rl.import_adroit import import_file
from benchmarks.d4rl.scores import normalized_score
from benchmarks.d4rl.tasks import task
from methods.ilq import ILQ
from sweeps.matrix import Campaign
from sweeps.registry import discover
from sweeps.schema import load_sweep

Demos = list[dict[str, Any]]
QUICK = {"train_steps": 20, "eval_every": 10, "eval_episodes": 1, "dataset": "recorded"}
QUICK_MODELS = {"dynamics_epochs": 1, "behavior_train_steps": 10}


@pytest.fixture(autouse=True)
def _imported(door_demos: Demos, write_demos: Callable[[Path, str, Demos], Path], tmp_path: Path) -> None:
    import_file(write_demos(tmp_path / "demos", "npz", door_demos))


def run_of(method: type[Method], **overrides: Any) -> Run:
    door = task("door-human")
    settings, training = BENCHMARK.resolve(door, method, "small", {**QUICK, **overrides}, "test")
    reference = BENCHMARK.dataset(door, training)
    assert reference.hash is not None
    return Run(
        "offline_rl", door.name, 1, reference.name, reference.hash, method.name, method.version, settings, training, 0
    )


@pytest.mark.parametrize("method", [BC, IQL, CQL, ILQ], ids=lambda method: method.name)
def test_a_method_trains_on_the_recordings_and_is_evaluated_on_the_door(method: type[Method], tmp_path: Path) -> None:
    run = run_of(method, **(QUICK_MODELS if method is ILQ else {}))
    for artifact in BENCHMARK.artifacts([run]):
        artifact.ensure()
    (result,) = BENCHMARK.train([run], tmp_path / "trial", lambda progress: None)
    assert result.status == "finished"
    scores = {point.step: point.value for point in result.curve if point.metric == "normalized_score"}
    returns = {point.step: point.value for point in result.curve if point.metric == "return"}
    assert scores.keys() == returns.keys() == {10, 20}
    for step, value in returns.items():
        assert -150.0 < value < 0.0  # 200 steps before a closed door
        assert scores[step] == pytest.approx(normalized_score("door", value))
    assert result.extra["data"]["rows"] == 22


def test_labels_name_the_data_and_the_reward(tmp_path: Path) -> None:
    run = run_of(BC)
    described = BENCHMARK.describe(task("door-human"), BC, run.settings, run.training)
    assert described["data_kind"] == "recorded"
    assert described["environment"].startswith("reprise/AdroitHandDoor-D4RL-v1")


def test_the_sweep_of_the_suite_trains_on_the_recordings() -> None:
    discover()
    matrix = Campaign(*load_sweep("door-human")).matrix()
    (reference,) = matrix.datasets()
    assert (reference.name, len(matrix.cells)) == ("recorded/door-human-v0", 18)
    assert reference.hash == BENCHMARK.dataset(task("door-human"), run_of(BC).training).hash
