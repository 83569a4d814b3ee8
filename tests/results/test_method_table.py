"""A table of methods: several figures of the same runs, gains over the plain student, published beside ours, marks, notes."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.base import RepriseError, Run, RunResult
from benchmarks.coco.sets import KINDS
from benchmarks.record_files import Found, write_records
from results import published
from results.cli import draw_table
from results.collect import tidy
from results.method_spec import MethodTableSpec
from results.method_table import method_table
from results.render import RENDERERS, render
from results.render.terminal import render_text
from results.run_figures import RunFigures
from results.selection import Choice, select
from results.table import Cell, HeaderCell, Mark, Table
from results.table_files import load_spec

CLAIMS = published.load("distillation")
RETINANET = "RetinaNet-X101-64x4d-1x->RetinaNet-R50-2x"
SYNTH = "synth/GFL-R34w32->GFL-R18w16"
FIGURES = {"AP50": 20.0, "AP75": 1.5, "APs": -15.0, "APm": 3.0, "APl": 12.0}


def run(
    variant: str,
    seed: int,
    score: float,
    *,
    task: str = RETINANET,
    status: str = "finished",
    dataset_hash: str = "c" * 64,
    without: Sequence[str] = (),
    teacher: float = 41.0,
    training: dict[str, Any] | None = None,
    **labels: str,
) -> RunResult:
    """A run of a distilled student as the harness leaves it; the figures named in `without` are absent."""
    method = variant.removesuffix("-ratio-0").replace("inherit-only", "plain")
    figures = {"AP": score, **{name: score + shift for name, shift in FIGURES.items()}}
    figures |= {"parameters": 37_741_046.0, "gmacs": 215.49, "teacher_AP": teacher}
    return RunResult(
        run=Run(
            family="distillation",
            task=task,
            task_version=1,
            dataset="synthcoco" if task.startswith("synth/") else "coco",
            dataset_hash=dataset_hash,
            method=method,
            method_version=1,
            settings={"inherit": "yes" if variant == "inherit-only" else "no", "ratio": 1 - variant.endswith("-0")},
            training={"iterations": 100, **(training or {})},
            seed=seed,
            labels={
                "tier": "mini" if task.startswith("synth/") else "paper",
                "preset": "small",
                "variant": variant,
                "reconstruction": "true" if method in ("dmkd", "dfmsd") else "false",
                "environment": "mmdet 3.3.0, torch 2.13.0",
                "data_kind": KINDS["synthcoco" if task.startswith("synth/") else "coco"],
                "protocol": "100 iterations of 8 images",
                "precision": "fp32",
                **labels,
            },
        ),
        status=status,
        curve=[],
        summary={name: {"last": value} for name, value in figures.items() if name not in without},
    )


SCORES = {
    "plain": (37.2, 37.6, 37.1),
    "inherit-only": (37.3, 37.2, 37.6),
    "fgd": (40.2, 40.9, 40.3),
    "dmkd": (40.9, 41.5, 40.7),
}


def runs(task: str = RETINANET, scores: dict[str, Sequence[float]] | None = None, **changes: Any) -> list[RunResult]:
    given = SCORES if scores is None else scores
    return [
        run(variant, seed, score, task=task, **changes)
        for variant, values in given.items()
        for seed, score in enumerate(values)
    ]


def draw(results: list[RunResult], name: str = "distillation-retinanet", all_tasks: bool = False) -> Table:
    spec = load_spec(name)
    assert isinstance(spec, MethodTableSpec)
    frame = tidy(Found(f"place {index}", each) for index, each in enumerate(results))
    selection = select(spec.scope, frame, Choice("last"))
    figures = RunFigures(frame, selection, spec.metrics)
    return method_table(spec, selection, figures, CLAIMS, all_tasks=all_tasks)


def rows(table: Table, task: str = RETINANET) -> dict[str, dict[tuple[str, str], Cell]]:
    """Row key -> (column, ours or published) -> cell."""
    group = next(group for group in table.groups if group.header.key == task)
    return {
        row.header.key: {
            (columns.header.key, column.key): cell
            for (columns, column), cell in zip(table.leaves, row.cells, strict=True)
        }
        for row in group.rows
    }


def head(table: Table, key: str, task: str = RETINANET) -> HeaderCell:
    group = next(group for group in table.groups if group.header.key == task)
    return next(row.header for row in group.rows if row.header.key == key)


def texts(table: Table, marks: Sequence[str]) -> list[str]:
    return [note.text for note in table.footnotes if note.mark in marks]


def notes(table: Table) -> dict[str, str]:
    return {note.subject: note.text for note in table.notes}


GAIN = ("AP-over-plain", "ours")
PUBLISHED_GAIN = ("AP-over-plain", "published")

# -- ours


def test_every_figure_of_a_row_is_the_mean_of_the_same_runs() -> None:
    row = rows(draw(runs()))["fgd"]
    for metric in ("AP", *FIGURES):
        values = [score + FIGURES.get(metric, 0.0) for score in SCORES["fgd"]]
        assert row[metric, "ours"].value == pytest.approx(statistics.fmean(values), abs=1e-9)
        assert row[metric, "ours"].spread == pytest.approx(statistics.stdev(values), abs=1e-9)
        assert row[metric, "ours"].n == 3


def test_parameters_are_millions_and_neither_they_nor_macs_have_a_spread_or_a_mark() -> None:
    table = draw(runs())
    for variant in SCORES:
        row = rows(table)[variant]
        assert row["parameters", "ours"] == Cell(37.741046, n=3)
        assert row["gmacs", "ours"] == Cell(215.49, n=3)
    assert "37.74" in render(table, "markdown")
    assert "215.49" in render(table, "terminal")


def test_the_teacher_comes_first_then_the_plain_student_then_the_methods_in_the_files_order() -> None:
    keys = list(rows(draw(runs())))
    assert keys[:3] == ["teacher", "plain", "inherit-only"]
    spec = load_spec("distillation-retinanet")
    assert isinstance(spec, MethodTableSpec)
    order = [row.id or row.label for row in spec.rows]
    assert keys == sorted(keys, key=order.index)


def test_the_teachers_figure_is_the_one_its_students_carry() -> None:
    teacher = rows(draw(runs(teacher=41.3)))["teacher"]
    assert teacher["AP", "ours"].value == pytest.approx(41.3, abs=1e-12)
    assert teacher["AP", "published"].value == 41.0
    assert teacher["AP50", "ours"] == Cell()


def test_students_of_different_teachers_are_told_apart() -> None:
    mixed = runs(scores={"plain": SCORES["plain"]}) + runs(scores={"dmkd": SCORES["dmkd"]}, teacher=39.0)
    table = draw(mixed)
    cell = rows(table)["teacher"]["AP", "ours"]
    assert (cell.value, cell.remark) == (None, "differs")
    assert texts(table, cell.footnotes) == ["The runs do not agree: 41.0 (plain student); 39.0 (DMKD)."]


def test_runs_without_the_teachers_figure_leave_it_open() -> None:
    teacher = rows(draw(runs(without=["teacher_AP"])))["teacher"]
    assert teacher["AP", "ours"] == Cell()
    assert teacher["AP", "published"].value == 41.0


def test_a_figure_that_no_run_has_is_a_dash_and_one_that_some_lack_says_how_many() -> None:
    table = draw(runs(without=["APs"]))
    assert all(row["APs", "ours"] == Cell() for row in rows(table).values())
    results = runs(scores={"plain": SCORES["plain"]})
    results += [run("fgd", seed, score, without=["APs"] * (seed == 1)) for seed, score in enumerate(SCORES["fgd"])]
    cell = rows(draw(results))["fgd"]["APs", "ours"]
    assert (cell.n, cell.remark) == (2, "2 of 3 runs")
    assert cell.value == pytest.approx((40.2 + 40.3) / 2 - 15.0, abs=1e-9)


def test_a_figure_that_is_no_number_is_refused_with_its_run() -> None:
    broken = run("fgd", 0, 40.0)
    broken.summary["APs"]["last"] = float("nan")
    with pytest.raises(RepriseError, match=r"place 1: run [0-9a-f]{12} \(fgd on Retina.*seed 0\) has the APs nan"):
        draw([run("plain", 0, 37.0), broken])


def test_a_row_short_of_seeds_or_with_a_diverged_one_says_so_at_its_head() -> None:
    results = runs(scores={"plain": SCORES["plain"], "fgd": SCORES["fgd"][:2]})
    results += [run("dmkd", seed, 1.0, status="diverged" if seed == 2 else "finished") for seed in range(3)]
    table = draw(results)
    assert texts(table, head(table, "plain").footnotes) == []
    assert texts(table, head(table, "fgd").footnotes) == ["2 of 3 seeds."]
    assert texts(table, head(table, "dmkd").footnotes) == ["Seed 2 diverged; the figures count in the means."]


def test_reconstructions_are_called_so_at_their_row_and_in_the_notes() -> None:
    table = draw(runs())
    assert head(table, "dmkd").text == "DMKD (reconstruction)"
    assert head(table, "fgd").text == "FGD"
    assert notes(table)["Reconstruction"].startswith("DMKD: no public code exists")


def test_runs_on_different_data_are_refused() -> None:
    other = runs(scores={"fgd": SCORES["fgd"]}, dataset_hash="d" * 64)
    with pytest.raises(RepriseError, match="do not belong together, they differ in dataset_hash"):
        draw(runs(scores={"plain": SCORES["plain"]}) + other)


# -- gains


def test_a_gain_is_paired_by_seed_and_has_its_interval() -> None:
    row = rows(draw(runs()))["fgd"]
    assert row[GAIN].value == pytest.approx(statistics.fmean([40.2 - 37.2, 40.9 - 37.6, 40.3 - 37.1]), abs=1e-9)
    assert row[GAIN].interval == pytest.approx(
        (2.787, 3.546), abs=1e-3
    )  # t of 2 degrees, 4.3027, times 0.1528 / sqrt 3
    assert (row[GAIN].n, row[GAIN].remark) == (3, "")


def test_a_gain_whose_interval_contains_0_is_within_noise() -> None:
    table = draw(runs())
    assert rows(table)["inherit-only"][GAIN].remark == "within noise"
    assert rows(table)["dmkd"][GAIN].remark == ""
    assert "0.1 (-1.1 to 1.2, within noise)" in render(table, "markdown")


def test_neither_the_teacher_nor_the_plain_student_has_a_gain() -> None:
    found = rows(draw(runs()))
    for key in ("teacher", "plain"):
        assert found[key][GAIN] == found[key][PUBLISHED_GAIN] == Cell()


@pytest.mark.parametrize("seeds", [1, 2])
def test_fewer_than_three_seeds_have_a_gain_without_interval(seeds: int) -> None:
    table = draw(runs(scores={name: values[:seeds] for name, values in SCORES.items()}))
    cell = rows(table)["dmkd"][GAIN]
    assert (cell.n, cell.interval, cell.remark) == (seeds, None, "")
    assert texts(table, cell.footnotes) == ["Fewer than 3 seeds: no interval, and nothing is said of noise."]


def test_a_pair_without_its_plain_student_has_no_gain_and_says_why() -> None:
    table = draw(runs(scores={"fgd": SCORES["fgd"]}))
    cell = rows(table)["fgd"][GAIN]
    assert cell.value is None
    assert texts(table, cell.footnotes) == ["No gain: there is no run of the plain student here."]
    assert f'\N{EN DASH}</span><sup><a href="#note-{cell.footnotes[0]}">' in render(table, "html")


def test_seeds_that_the_plain_student_lacks_are_not_in_the_gain() -> None:
    plain = [run("plain", seed, 37.0 + seed) for seed in (1, 2)]
    table = draw(plain + [run("fgd", seed, 40.0 + 2 * seed) for seed in (0, 1, 2)] + [run("dmkd", 5, 41.0)])
    cell = rows(table)["fgd"][GAIN]
    assert (cell.value, cell.n, cell.remark) == (pytest.approx(4.5), 2, "2 of 3 seeds")
    other = rows(table)["dmkd"][GAIN]
    assert texts(table, other.footnotes) == ["No gain: no seed in common with the plain student."]


# -- published


def test_published_figures_stand_beside_ours_and_only_where_there_are_any() -> None:
    table = draw(runs())
    published_columns = [group.header.key for group in table.columns if len(group.columns) == 2]
    assert published_columns == ["AP", "APs", "APm", "APl", "AP-over-plain"]
    assert "Comparison" not in notes(table)
    row = rows(table)["fgd"]
    assert row["AP", "published"].value == 40.7
    assert row["APs", "published"].value == 22.9


def test_a_published_gain_is_over_the_student_of_the_same_table() -> None:
    found = rows(draw(runs()))
    gains = {key: found[key][PUBLISHED_GAIN].value for key in ("fgd", "MasKD", "mgd", "pkd", "cwd", "dmkd")}
    assert gains == {"fgd": 3.3, "MasKD": 3.6, "mgd": 3.6, "pkd": 3.4, "cwd": 3.4, "dmkd": 4.1}
    assert found["AMD"]["AP", "published"].value == 41.3
    assert found["AMD"][PUBLISHED_GAIN] == Cell()


def test_claims_that_are_not_read_say_so_and_derived_ones_are_never_judged() -> None:
    table = draw(runs())
    found = rows(table)
    assert texts(table, found["fgd"]["AP", "published"].footnotes) == []
    (quoted,) = texts(table, found["fgd"]["APs", "published"].footnotes)
    assert quoted.startswith("Quoted: third-party transcription of the MGD paper")
    (derived,) = texts(table, found["dmkd"]["AP", "published"].footnotes)
    assert derived.startswith("Derived, never judged: DMKD paper, abstract: gain 4.1")
    assert derived.endswith("; published for RetinaNet-unspecified->RetinaNet-R50-2x.")
    (elsewhere,) = texts(table, found["AMD"]["AP", "published"].footnotes)
    assert elsewhere == "Published for RetinaNet-unspecified->RetinaNet-R50-2x."


def test_unverified_claims_are_never_judged() -> None:
    task = "RepPoints-X101-32x4d-DCN-2x->RepPoints-R50-2x"
    table = draw(runs(task), "distillation-reppoints")
    cell = rows(table, task)["FBKD"]["AP", "published"]
    assert cell.value == 40.6
    assert texts(table, cell.footnotes) == ["Unverified, never judged: recalled, not checked against the paper."]


def test_methods_without_runs_show_what_is_published_and_optional_ones_are_left_out() -> None:
    found = rows(draw(runs()))
    assert found["cwd"]["AP", "ours"] == Cell()
    assert found["cwd"]["AP", "published"].value == 40.8
    assert "l2" not in found  # nothing of ours, nothing published
    assert "dmkd-ratio-0" not in found
    assert "dmkd-ratio-0" in rows(draw([*runs(), run("dmkd-ratio-0", 0, 40.0)]))


def test_nothing_published_stands_beside_drawn_data() -> None:
    table = draw(runs(SYNTH, teacher=36.0), "distillation-synth")
    assert "Comparison" not in notes(table)
    assert "published" not in table.caption
    assert PUBLISHED_GAIN not in rows(table, SYNTH)["dmkd"]


def test_a_table_that_shows_nothing_published_does_not_speak_of_it() -> None:
    table = draw(runs(SYNTH, {"plain": (22.0,), "inherit-only": (22.5,)}), "distillation-synth")
    assert "published" not in table.caption
    assert "Published" not in notes(table)
    assert table.groups[0].header.footnotes == ()
    assert {column.text for _, column in table.leaves} == {""}


def test_pairs_without_runs_are_shown_where_all_are_asked_for() -> None:
    assert [group.header.key for group in draw(runs(SYNTH), "distillation-synth").groups] == [SYNTH]
    swin, fcos = "MaskRCNN-SwinS-ms3x->RetinaNet-R50-2x", "FCOS-X101-64x4d-ms2x->RetinaNet-R50-1x"
    table = draw(runs(swin, teacher=48.2), "distillation-heterogeneous", all_tasks=True)
    assert [group.header.key for group in table.groups] == [swin, fcos]
    assert rows(table, fcos)["pkd"][PUBLISHED_GAIN].value == 3.8


# -- marks


def test_best_and_second_are_marked_per_column_among_methods_only() -> None:
    scores = {**SCORES, "plain": (45.0, 45.0, 45.0)}
    table = draw(runs(scores=scores, teacher=50.0))
    for column in (("AP", "ours"), ("APl", "ours"), GAIN):
        marks = {key: row[column].mark for key, row in rows(table).items() if row[column].mark}
        assert marks == {"dmkd": Mark.BEST, "fgd": Mark.SECOND}
    theirs = {key: row["AP", "published"].mark for key, row in rows(table).items() if row["AP", "published"].mark}
    assert theirs == {"dmkd": Mark.BEST, "AMD": Mark.SECOND}
    assert "in each column, among the methods of a group" in render(table, "markdown")


def test_each_pair_has_marks_of_its_own() -> None:
    other = "synth/ATSS-R34w32->GFL-R18w16"
    results = runs(SYNTH, {"plain": (20.0,), "fgd": (25.0,), "mgd": (24.0,)})
    results += runs(other, {"plain": (20.0,), "fgd": (21.0,), "mgd": (22.0,)})
    table = draw(results, "distillation-synth")
    assert rows(table, SYNTH)["fgd"]["AP", "ours"].mark is Mark.BEST
    assert rows(table, other)["mgd"]["AP", "ours"].mark is Mark.BEST


# -- formats


@pytest.mark.parametrize("form", RENDERERS)
def test_every_format_shows_pairs_teachers_gains_and_their_intervals(form: str) -> None:
    text = render(draw(runs()), form)
    assert "RetinaNet-X101-64x4d-1x" in text
    assert "teacher" in text
    assert "within noise" in text
    if form not in ("csv", "json"):
        for number in ("40.5", "3.2", "2.8 to 3.5", "37.74", "MasKD"):
            assert number in text


def test_csv_holds_the_ends_of_intervals_with_every_digit() -> None:
    lines = list(csv.DictReader(io.StringIO(render(draw(runs()), "csv"))))
    line = next(each for each in lines if each["row"] == "fgd" and each["column_group"] == "AP-over-plain")
    assert float(line["low"]) < float(line["value"]) < float(line["high"])
    assert float(line["high"]) - float(line["value"]) == pytest.approx(4.302653 * 0.152753 / 3**0.5, abs=1e-5)
    assert next(each for each in lines if each["row"] == "fgd")["low"] == ""


def test_the_terminal_folds_the_columns_and_repeats_no_empty_line() -> None:
    text = render_text(draw(runs()), width=100)
    assert all(len(line) <= 100 for line in text.splitlines())
    panels = text.split("method (ours)")[1:]
    assert len(panels) >= 2
    assert not [line for line in text.splitlines() if line.strip() == "published"]


def test_exported_records_draw_the_table_of_their_runs(tmp_path: Path) -> None:
    path = tmp_path / "mini.jsonl"
    write_records(path, runs(SYNTH, teacher=36.0))
    drawn, tier = draw_table("distillation-synth", records=path)
    assert tier == "mini"
    assert render(drawn, "csv") == render(draw(runs(SYNTH, teacher=36.0), "distillation-synth"), "csv")


# -- other families


def test_a_table_of_faces_fits_the_same_layout(tmp_path: Path) -> None:
    """Rows of methods, one group, figures with names of their own among the claims, no gain and no teacher."""
    path = tmp_path / "faces.yaml"
    path.write_text(
        f"""
layout: methods
id: faces
title: Faces
family: distillation
metric: AP
metric_label: AP (0 to 100)
stub: detector
claims: {{dataset: COCO val2017, data_kind: coco, tables: {{last: [MGD paper main table]}}}}
groups:
  - {{task: {SYNTH}, label: WIDER FACE val, claims: [{RETINANET}]}}
rows:
  - {{id: fgd, label: Small}}
  - {{id: mgd, label: Large, claim: MGD}}
columns:
  - {{metric: APs, label: Easy, claim: APl, higher_is_better: true}}
  - {{metric: gmacs, label: GMACs, higher_is_better: false, spread: false}}
"""
    )
    table = draw(runs(SYNTH, {"fgd": (20.0,), "mgd": (24.0,)}), str(path))
    found = rows(table, SYNTH)
    assert table.stub.text == "detector"
    assert table.groups[0].header.text == "WIDER FACE val"
    assert found["mgd"]["APs", "ours"].value == pytest.approx(9.0)
    assert found["mgd"]["APs", "published"].value == 55.7
    assert "Gain" not in notes(table)
