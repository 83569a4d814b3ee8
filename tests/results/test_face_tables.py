"""Tables of face detectors: a group per test protocol, costs beside published ones, multiples of a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from benchmarks.base import NO_DATA, Run, RunResult
from benchmarks.record_files import Found
from results import published
from results.collect import tidy
from results.method_spec import MethodTableSpec
from results.method_table import method_table
from results.run_figures import RunFigures
from results.selection import Choice, select
from results.table import Cell, Mark, Table
from results.table_files import load_spec

CLAIMS = published.load("face_detection")


def run(variant: str, seed: int, task: str, summary: dict[str, float], data: str = "wider-face") -> RunResult:
    labels = {
        "tier": "paper",
        "preset": "paper",
        "variant": variant,
        "reconstruction": "true" if variant == "efficientface" else "false",
        "environment": "mmdet 3.3.0, torch 2.13.0",
        "data_kind": NO_DATA if data == NO_DATA else "WIDER FACE",
        "protocol": "the published schedule",
        "precision": "fp32",
        "model": f"{variant} of full width",
    }
    method = variant.partition("-")[0]
    identity = Run("face_detection", task, 1, data, "a" * 64, method, 1, {"preset": variant}, {}, seed, labels)
    return RunResult(identity, "finished", [], {name: {"last": value} for name, value in summary.items()})


def scored(variant: str, hard: Sequence[float], protocol: str = "orig", **more: float) -> list[RunResult]:
    """Runs on WIDER FACE, tested by `orig` and by another protocol."""
    found = []
    for seed, value in enumerate(hard):
        figures = {f"AP_hard:{name}": value - 10 * (name != "orig") for name in {"orig", protocol}}
        figures |= {name.replace("hard", "easy"): figure + 5 for name, figure in figures.items()}
        found.append(run(variant, seed, "wider-face", {**figures, "parameters": 31.3e6, "gmacs_640": 52.9, **more}))
    return found


def drawn(name: str, results: list[RunResult], **choice: Any) -> Table:
    spec = load_spec(name)
    assert isinstance(spec, MethodTableSpec)
    frame = tidy(Found(f"place {index}", each) for index, each in enumerate(results))
    selection = select(spec.scope, frame, Choice("last"))
    return method_table(spec, selection, RunFigures(frame, selection, spec.metrics), CLAIMS, **choice)


def cells(table: Table, group: str, row: str) -> dict[tuple[str, str], Cell]:
    """(column, ours or published) -> cell."""
    heads = [(column.header.key, each.key) for column in table.columns for each in column.columns]
    found = next(each for each in table.groups if each.header.key == group)
    line = next(each for each in found.rows if each.header.key == row)
    return dict(zip(heads, line.cells, strict=True))


def groups(table: Table) -> list[str]:
    return [group.header.key for group in table.groups]


def test_protocols_stand_in_groups_of_their_own_and_are_ranked_apart() -> None:
    table = drawn("wider-face", [*scored("mogface", [80, 82, 84], "ms"), *scored("efficientface", [85, 86, 87])])
    assert groups(table) == ["wider-face:orig", "wider-face:ms", "wider-face:unknown"]
    assert cells(table, "wider-face:orig", "mogface")["AP_hard", "ours"].value == pytest.approx(82)
    assert cells(table, "wider-face:ms", "mogface")["AP_hard", "ours"].value == pytest.approx(72)
    assert cells(table, "wider-face:orig", "efficientface")["AP_hard", "ours"].mark is Mark.BEST
    rows = [row.header.key for group in table.groups if group.header.key == "wider-face:ms" for row in group.rows]
    assert "efficientface" not in rows, "tested by original size alone, it has no figure to show under ms"


def test_a_published_figure_stands_with_its_own_protocol() -> None:
    table = drawn("wider-face", scored("mogface-hcam", [86, 87, 88]))
    beside = cells(table, "wider-face:orig", "mogface-hcam")
    assert beside["AP_hard", "published"].value == 87.4
    assert beside["gmacs_640", "published"].value == 102.53
    stated = cells(table, "wider-face:unknown", "efficientface")
    assert stated["AP_hard", "published"].value == 90.1
    assert stated["AP_hard", "ours"] == Cell()


def test_a_row_without_a_figure_of_the_protocol_is_left_out_though_its_cost_is_published() -> None:
    table = drawn("wider-face", scored("mogface-hcam", [86, 87, 88]))
    rows = [row.header.key for group in table.groups if group.header.key == "wider-face:orig" for row in group.rows]
    assert "mogface-hcam" in rows
    assert "mogface-e" not in rows, "it is published for several scales only"


def test_all_protocols_are_shown_on_demand() -> None:
    table = drawn("wider-face", scored("mogface", [80]), all_tasks=True)
    assert len(groups(table)) == 7


def costs(efficientface: float = 52.885944084) -> list[RunResult]:
    figures = {"mogface": (85_268_938.0, 808.0516288), "efficientface": (31_342_643.0, efficientface)}
    return [
        run(name, 0, "model-cost", {"parameters": size, "gmacs_640": macs, "latency_ms": 100.0}, NO_DATA)
        for name, (size, macs) in figures.items()
    ]


def test_the_models_are_named_by_their_size() -> None:
    (note,) = [note for note in drawn("face-cost", costs()).notes if note.subject == "Models"]
    assert note.text == (
        "mogface of full width (MogFace (ResNet-101)); efficientface of full width (EfficientFace (EfficientNet-B5))."
    )


def test_costs_are_multiples_of_efficientface_as_built_and_as_published() -> None:
    table = drawn("face-cost", costs())
    found = cells(table, "model-cost", "mogface")
    assert found["gmacs_640-times-efficientface", "ours"].value == pytest.approx(15.28, abs=0.005)
    assert found["gmacs_640-times-efficientface", "published"].value == pytest.approx(15.37, abs=0.005)
    assert found["parameters", "ours"].value == pytest.approx(85.268938)
    assert found["parameters", "published"].value == 85.26
    itself = cells(table, "model-cost", "efficientface")
    assert itself["gmacs_640-times-efficientface", "ours"].value == 1.0
    assert itself["gmacs_640-times-efficientface", "published"] == Cell(), "once itself is no claim"


def test_a_table_that_needs_no_data_says_nothing_of_data_or_of_an_evaluation() -> None:
    table = drawn("face-cost", costs())
    assert "evaluation" not in table.caption
    assert {note.subject for note in table.notes}.isdisjoint({"Data", "Comparison", "Tier"})
