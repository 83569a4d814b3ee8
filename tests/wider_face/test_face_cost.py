"""Cost as a task: exact integers of the budget, a latency that is a time, and a key that knows the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.base import RepriseError, Run, registered_methods
from benchmarks.wider_face import cost
from benchmarks.wider_face.benchmark import BENCHMARK
from benchmarks.wider_face.contract import FAMILY
from benchmarks.wider_face.sets import COST, find_task
from sweeps.registry import discover

discover()


def planned(method: str, **changes: object) -> Run:
    kind, task = registered_methods(FAMILY)[method], find_task(COST)
    settings, training = BENCHMARK.resolve(task, kind, "paper", dict(changes), "here")
    data = BENCHMARK.dataset(task, training)
    assert data.hash is not None
    return Run(FAMILY, COST, 1, data.name, data.hash, method, kind.version, settings, training, 0)


def test_the_smallest_published_size_costs_what_the_specification_derives(tmp_path: Path) -> None:
    run = planned("efficientface", backbone="b0", init="none", init_file=None)
    result = BENCHMARK.train([run], tmp_path, lambda progress: None)[0]
    assert result.summary["gmacs_640"]["last"] == pytest.approx(4.881, abs=5e-4)
    assert result.summary["parameters"]["last"] == pytest.approx(3.850e6, abs=500)
    seconds = result.extra["seconds"]
    assert len(seconds) == cost.ROUNDS
    assert result.summary["latency_ms"]["last"] == pytest.approx(1000 * sorted(seconds)[1])
    assert min(seconds) > 0


def test_another_machine_is_another_run(monkeypatch: pytest.MonkeyPatch) -> None:
    here = planned("mogface")
    assert here.training["machine"] == cost.machine()
    monkeypatch.setattr(cost, "machine", lambda: "another")
    assert planned("mogface").key != here.key


def test_the_machine_is_not_for_people_to_say() -> None:
    with pytest.raises(RepriseError, match="here: 'machine' is filled in by the suite"):
        planned("mogface", machine="mine")
