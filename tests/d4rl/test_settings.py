"""Resolution of a run's settings: later words win, and nothing wrong passes."""

from __future__ import annotations

import pytest

from benchmarks.base import RepriseError, Run, registered_benchmarks, registered_methods
from sweeps.registry import discover

discover()
BENCHMARK = registered_benchmarks()["offline_rl"]
TASK = BENCHMARK.tasks()["hopper-medium"]


def resolve(method: str, preset: str | None = None, **overrides):
    return BENCHMARK.resolve(TASK, registered_methods("offline_rl")[method], preset, overrides, "here.yaml:3")


def test_overrides_win_over_the_preset_and_the_preset_over_defaults():
    settings, training = resolve("ilq", "paper")
    assert (settings["delta"], training["train_steps"]) == (-2, 1_000_000)
    settings, training = resolve("ilq", "paper", delta=1, train_steps=7)
    assert (settings["delta"], training["train_steps"]) == (1, 7)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"detla": 1}, "here.yaml:3: unknown setting of ilq 'detla'; did you mean 'delta'"),
        ({"eta": "high"}, r"here.yaml:3: eta: .*number.*got 'high'"),
        ({"train_steps": 0}, "here.yaml:3: train_steps is 0"),
        ({"imagination": False, "limit": False}, "here.yaml:3: imagination=off and limit=off"),
        ({"reward_transform": "shift"}, "'shift' takes 1 finite numbers"),
        ({"dataset": "cloud"}, r"here.yaml:3: dataset: .*'local', 'recorded', 'minari' or 'd4rl'"),
    ],
)
def test_a_wrong_setting_stops_with_its_place(overrides, message):
    with pytest.raises(RepriseError, match=message):
        resolve("ilq", "small", **overrides)


def test_frozen_models_refuse_a_selection_of_rows():
    settings, training = resolve("ilq", "small", trajectory_fraction=0.5)
    run = Run("offline_rl", TASK.name, 1, "set", "0" * 64, "ilq", 1, settings, training, 0)
    with pytest.raises(RepriseError, match="trajectory_fraction selects rows"):
        BENCHMARK.artifacts([run])
