"""What tables and the page cost with 10,000 finished runs of all families in a sqlite MLflow."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from results.collect import collect
from results.report.at_hand import AtHand, read_runs
from results.report.pages import site
from results.report.table_view import views
from tests.smoke.many_runs import many, write_store

RUNS = 10_000
TABLES_SECONDS, REPORT_SECONDS = 10.0, 30.0
PAGE_MEGABYTES = 2.0
"""What is wanted of a quiet machine: CPU-seconds, and the size of the largest page."""

NOISE = 2.0
"""How much slower the machine that runs the tests may be."""


@pytest.fixture(scope="module")
def home_of_many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("many")
    write_store(home, many(RUNS))
    return home


def cost(began: float) -> float:
    return time.process_time() - began


def test_tables_of_10000_runs(benchmark: BenchmarkFixture, home_of_many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRISE_HOME", str(home_of_many))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    costs = []

    def draw() -> int:
        began = time.process_time()
        frame = collect(curves=False)
        shown = list(views(AtHand(frame, {}, (), ())))
        costs.append(cost(began))
        assert frame["run_key"].nunique() == RUNS
        return sum(view.runs for view in shown if view.main)

    assert benchmark.pedantic(draw, rounds=1) > RUNS / 4  # the others are of figures alone
    benchmark.extra_info["cpu_seconds"] = costs
    assert min(costs) < NOISE * TABLES_SECONDS


def test_the_page_of_10000_runs(
    benchmark: BenchmarkFixture, home_of_many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRISE_HOME", str(home_of_many))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    costs = []

    def write() -> dict[str, str | bytes]:
        began = time.process_time()
        files = dict(site(read_runs(None, None, lambda text: None), lambda text: None))
        costs.append(cost(began))
        return files

    files = benchmark.pedantic(write, rounds=1)
    benchmark.extra_info["cpu_seconds"] = costs
    benchmark.extra_info["largest_page_mb"] = max(map(len, files.values())) / 1e6
    assert max(map(len, files.values())) < 1e6 * PAGE_MEGABYTES
    assert min(costs) < NOISE * REPORT_SECONDS
