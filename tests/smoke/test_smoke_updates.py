"""One update of every registered method, and one evaluation of a stack; throughput in `extra_info`."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.d4rl.evaluation import Evaluator
from benchmarks.d4rl.method import StackedMethod, stacked_methods
from benchmarks.d4rl.networks import TanhGaussianActor, generators
from benchmarks.d4rl.rehearsal import Rehearsal
from sweeps.registry import discover

discover()
METHODS = stacked_methods()
SEEDS = [0, 1, 2, 3, 4]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_one_update(benchmark: BenchmarkFixture, method: type[StackedMethod]) -> None:
    preset = "small" if "small" in method.presets else None
    rehearsal = Rehearsal(method, preset, SEEDS, batch_size=64, rows=2_000, steps=10_000)
    scalars = benchmark.pedantic(rehearsal.run, args=(1,), rounds=30, warmup_rounds=5)
    assert all(torch.isfinite(value).all() for value in scalars.values())
    benchmark.extra_info["stack"] = len(SEEDS)
    benchmark.extra_info["seed_steps_per_second"] = len(SEEDS) / benchmark.stats["median"]


def test_one_evaluation(benchmark: BenchmarkFixture) -> None:
    actor = TanhGaussianActor(11, 3, [64, 64], generators(SEEDS), -20.0, 2.0)
    evaluator = Evaluator("hopper", "hopper-medium", SEEDS, episodes=10)
    mean, std = np.zeros(11), np.ones(11)

    def evaluate() -> int:
        with torch.no_grad():
            returns, broken = evaluator.evaluate(actor.deterministic, mean, std, 0)
        assert returns.shape == (5, 10)
        assert not broken.any()
        return int(evaluator.envs.steps.sum())

    steps = benchmark.pedantic(evaluate, rounds=5, warmup_rounds=1)
    assert steps >= 50
    benchmark.extra_info["environment_steps_per_second"] = steps / benchmark.stats["median"]
