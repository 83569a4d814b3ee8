"""The stratified bootstrap at the size of a report: 50,000 replicates of 18 tasks with 10 seeds."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from results.statistics import AGGREGATES, REPLICATES, Interval, Scores, bootstrap, bootstrap_improvement

pytestmark = pytest.mark.benchmark(timer=time.process_time)
"""What others do on the machine does not count."""

LIMIT = 2.0
"""CPU-seconds; an idle core needs a tenth of it."""


def scores(seed: int) -> Scores:
    rng = np.random.default_rng(seed)
    return Scores.of({f"task {task}": rng.normal(0.7, 0.2, 10) for task in range(18)})


def check(benchmark: BenchmarkFixture, interval: Callable[[], Interval | None]) -> None:
    found = benchmark.pedantic(interval, rounds=3, warmup_rounds=1)
    assert found is not None
    assert found.low < found.high
    assert benchmark.stats["min"] < LIMIT
    benchmark.extra_info["replicates_per_second"] = REPLICATES / benchmark.stats["median"]


@pytest.mark.parametrize("name", AGGREGATES)
def test_bootstrap(benchmark: BenchmarkFixture, name: str) -> None:
    matrix = scores(0)
    check(benchmark, lambda: bootstrap(matrix, AGGREGATES[name], REPLICATES))


def test_bootstrap_of_a_pair(benchmark: BenchmarkFixture) -> None:
    x, y = scores(0), scores(1)
    check(benchmark, lambda: bootstrap_improvement(x, y, REPLICATES))
