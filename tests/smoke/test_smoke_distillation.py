"""What distillation adds to a training step at RetinaNet-R18, 160 x 160, with its limit, and two iterations of every method."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.base import Run, registered_methods
from benchmarks.coco.benchmark import BENCHMARK
from benchmarks.coco.distillation.contract import FAMILY
from benchmarks.coco.pairs import task
from benchmarks.speed.distillation import overheads
from methods.dmkd import DMKD
from sweeps.registry import discover

OVERHEAD = 1.35
PAIR = task("synth/GFL-R18w8->GFL-R18w8")
TINY = {"iterations": 2, "train_images": 16, "val_images": 4, "teacher_iterations": 2, "min_probe_ap": 0.0}

discover()


def test_dmkd_costs_little_more_than_its_teacher(benchmark: BenchmarkFixture) -> None:
    found: list[dict[str, dict[str, float]]] = []
    benchmark.pedantic(lambda: found.append(overheads({"dmkd": (DMKD, "dmkd_r1")}, images=4, rounds=4)), rounds=1)
    benchmark.extra_info.update({name: row["ratio"] for name, row in found[0].items()})
    assert found[0]["dmkd"]["ratio"] <= OVERHEAD


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.mark.parametrize("name", sorted(registered_methods(FAMILY)))
def test_two_iterations(
    benchmark: BenchmarkFixture, name: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRISE_HOME", str(home))
    method = registered_methods(FAMILY)[name]
    settings, training = BENCHMARK.resolve(PAIR, method, "small" if "small" in method.presets else None, TINY, name)
    data = BENCHMARK.dataset(PAIR, training)
    assert data.hash is not None
    run = Run(FAMILY, PAIR.name, 1, data.name, data.hash, name, method.version, settings, training, 0)
    for artifact in BENCHMARK.artifacts([run]):
        artifact.ensure()
    results = benchmark.pedantic(BENCHMARK.train, args=([run], tmp_path, lambda progress: None), rounds=1)
    assert results[0].status == "finished"
    assert results[0].extra["manifest"]["iterations"] == 2
