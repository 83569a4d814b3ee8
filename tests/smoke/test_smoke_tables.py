"""From YAML to run matrix, and from records to a rendered table: how fast the two ends of the pipeline are."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.base import DatasetRef, Point, RunResult
from benchmarks.record_files import write_records
from results.cli import draw_table
from results.render import render
from sweeps.matrix import Campaign
from sweeps.registry import discover
from sweeps.schema import load_sweep

SEEDS = range(5)


def campaign(name: str) -> Campaign:
    discover()
    return Campaign(*load_sweep(name))


def test_matrix_expansion(benchmark: BenchmarkFixture) -> None:
    """The whole of Table 1: 12 tasks, 6 methods, 5 seeds."""
    asked = campaign("ilq-table-1")
    matrix = benchmark.pedantic(asked.matrix, rounds=5, warmup_rounds=1)
    assert len(matrix.cells) == 360
    benchmark.extra_info["runs_per_second"] = len(matrix.cells) / benchmark.stats["median"]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record of every run of the demo, with made-up scores and ten points of a curve."""
    path = tmp_path_factory.mktemp("records") / "demo.jsonl"
    results = []
    for cell in campaign("demo").matrix().cells:
        vars(cell.resolved)["dataset"] = DatasetRef("local/smoke", "0" * 64)
        run, score = cell.run, 40.0 + cell.seed
        curve = [Point("normalized_score", 1000 * step, score) for step in range(1, 11)]
        results.append(RunResult(run, "finished", curve, {"normalized_score": {"last": score, "best": score}}))
    write_records(path, results)
    return path


def test_table_rendering(benchmark: BenchmarkFixture, records: Path) -> None:
    def draw() -> str:
        table, _ = draw_table("ilq-table-1", records=records)
        return render(table, "html") + render(table, "latex") + render(table, "markdown")

    text = benchmark.pedantic(draw, rounds=5, warmup_rounds=1)
    assert "41.0 ± 1.0" in text
    benchmark.extra_info["tables_per_second"] = 1.0 / benchmark.stats["median"]
