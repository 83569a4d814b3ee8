"""How fast data sets are collected and loaded."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.d4rl import minari_store
from benchmarks.d4rl.behaviour import Uniform
from benchmarks.d4rl.collect import Episode, collect
from benchmarks.d4rl.datasets import load

ROWS = 1_000_000
LENGTHS = {"hopper-medium": 400, "hopper-expert": 1000}


@pytest.fixture(scope="module")
def minari_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stock Minari sets of a million rows in Hopper's shapes; the numbers are noise."""
    root, rng = tmp_path_factory.mktemp("minari"), np.random.default_rng(0)
    for name, length in LENGTHS.items():
        identity = f"mujoco/hopper/{name.split('-')[1]}-v0"
        states = rng.standard_normal((length + 1, 11), dtype=np.float32)
        actions, rewards = (
            rng.uniform(-1, 1, (length, 3)).astype(np.float32),
            rng.standard_normal(length, dtype=np.float32),
        )
        episodes = [Episode(k, states + np.float32(k), actions, rewards, True, False) for k in range(ROWS // length)]
        (root / identity).mkdir(parents=True)
        minari_store.write_set(root / identity, identity, "hopper", episodes, {})
    return root


@pytest.mark.parametrize("name", LENGTHS)
@pytest.mark.parametrize("copy", ["first time", "from the second time on"])
def test_loading_a_million_transitions(
    name: str,
    copy: str,
    minari_root: Path,
    benchmark: BenchmarkFixture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(minari_root))
    homes = iter(range(100))

    def fresh_home() -> None:
        monkeypatch.setenv("REPRISE_HOME", str(tmp_path / f"home{next(homes)}"))

    if copy == "first time":
        data = benchmark.pedantic(load, (name, "minari"), setup=fresh_home, rounds=2)
    else:
        load(name, "minari")
        data = benchmark.pedantic(load, (name, "minari"), rounds=5, warmup_rounds=1)
    assert len(data) == ROWS
    benchmark.extra_info["rows_per_second"] = round(ROWS / benchmark.stats.stats.median)


def test_collecting_transitions(benchmark: BenchmarkFixture) -> None:
    rows = 5_000
    benchmark.pedantic(lambda: collect("hopper", Uniform(3), "smoke", 0, rows=rows), rounds=3)
    benchmark.extra_info["rows_per_second"] = round(rows / benchmark.stats.stats.median)
    benchmark.extra_info["cpus"] = len(os.sched_getaffinity(0))
