"""A table in its modes: ours, published, both, and the difference with verdicts."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmarks.base import RepriseError, RunResult
from benchmarks.record_files import Found
from results import cli, published
from results.cli import draw_table
from results.collect import tidy
from results.modes import Mode
from results.render import RENDERERS, render
from results.render.terminal import render_text
from results.table import Cell, Table
from results.table_files import table_names

Maker = Callable[..., RunResult]

UNPUBLISHED = ("distillation-synth", "synth-faces")
"""Tables on drawn pictures, for which nothing is published."""


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Table]:
    """Draws a table from results at hand; without any, reading runs at all is a fault."""

    def draw(name: str, mode: Mode, results: list[RunResult] | None = None, **options: object) -> Table:
        def collected(**_: object) -> pd.DataFrame:
            assert results is not None, "runs were read"
            return tidy(Found(f"place {index}", each) for index, each in enumerate(results))

        monkeypatch.setattr(cli, "collect", collected)
        return draw_table(name, mode=mode, **options)[0]  # type: ignore[arg-type]

    return draw


def cells(table: Table, row: str) -> dict[tuple[str, str], Cell]:
    line = next(each for each in table.rows() if each.header.key == row)
    return {(group.header.key, leaf.key): cell for (group, leaf), cell in zip(table.leaves, line.cells, strict=True)}


def on_d4rl(
    result: Maker, variant: str, scores: list[float], task: str = "hopper-medium", **labels: str
) -> list[RunResult]:
    """Runs that may be held against a printed number."""
    told = {"tier": "paper", "data_kind": "d4rl", "environment": "Hopper-v2, gym 0.21", "dataset": "D4RL v2", **labels}
    return [result(task, variant, seed, score, **told) for seed, score in enumerate(scores)]


# -- published


@pytest.mark.parametrize("name", [name for name in table_names() if name not in UNPUBLISHED])
def test_published_values_need_no_run(name: str, show: Callable[..., Table]) -> None:
    table = show(name, Mode.published)
    assert {leaf.key for _, leaf in table.leaves} == {"published"}
    assert table.name == f"{name}-published"
    values = [cell.value for row in table.rows() for cell in row.cells if cell.value is not None]
    assert len(values) >= 6
    assert "seed" not in table.caption


@pytest.mark.parametrize("name", UNPUBLISHED)
def test_a_table_for_which_nothing_is_published_says_so(name: str, show: Callable[..., Table]) -> None:
    with pytest.raises(RepriseError, match=f"table {name}: nothing is published for it"):
        show(name, Mode.published)


def test_every_published_number_of_a_table_is_that_of_its_claim(show: Callable[..., Table]) -> None:
    table, claims = show("ilq-table-1", Mode.published), published.load()
    rows = claims[(claims["table"] == "ILQ paper Table 1") & (claims["metric"] == "normalized_score")]
    expected = {
        (task.removesuffix("-v2"), method): value for task, method, value in rows[["task", "method", "value"]].values
    }
    heads = {column.header.text: column.header.key for column in table.columns}
    for (task, method), value in expected.items():
        assert cells(table, task)[heads[method], "published"].value == value, (task, method)


def test_options_that_choose_runs_are_refused_where_no_run_is_shown(show: Callable[..., Table]) -> None:
    with pytest.raises(RepriseError, match="--mode published shows no run"):
        show("ilq-table-1", Mode.published, tier="mini")


def test_without_runs_the_other_modes_name_the_one_that_needs_none(show: Callable[..., Table]) -> None:
    for mode in (Mode.both, Mode.ours, Mode.difference):
        with pytest.raises(RepriseError, match="`--mode published` shows what is published"):
            show("ilq-table-2", mode, [])


def test_groups_have_totals_of_their_own_as_the_paper_prints_them(show: Callable[..., Table]) -> None:
    table = show("ilq-table-2", Mode.published)
    totals = {group.header.text: group.rows[-1] for group in table.groups}
    assert [row.total for row in totals.values()] == [True, True]
    assert cells(table, "Maze2D total")["ilq", "published"].value == 860.8
    assert cells(table, "Adroit total")["ilq", "published"].value == 162.9
    text = render(table, "latex")
    assert text.count(r"\cmidrule{1-") == 2


def test_a_sweep_over_a_setting_stands_as_the_paper_prints_it(show: Callable[..., Table]) -> None:
    table = show("ilq-table-7", Mode.published)
    assert [row.header.text for row in table.rows()] == ["35", "40", "45", "50"]
    assert [column.header.text for column in table.columns][:2] == ["halfcheetah-medium", "hopper-medium"]
    assert cells(table, "ilq[dynamics_epochs=50]")["walker2d-medium-replay", "published"].value == 97.9


def test_the_default_of_a_sweep_counts_under_its_settings_and_no_other_run_does(
    result: Maker, show: Callable[..., Table]
) -> None:
    right = result(variant="ilq", score=60.0, settings={"dynamics_epochs": 40})
    wrong = result(variant="ilq", score=10.0, seed=1, settings={"dynamics_epochs": 8})
    table = show("ilq-table-7", Mode.both, [right, wrong], statistic="last")
    cell = cells(table, "ilq[dynamics_epochs=40]")["hopper-medium", "ours"]
    assert (cell.value, cell.n) == (60.0, 1)


# -- ours


def test_ours_alone_has_no_trace_of_what_is_published(demo: list[RunResult], show: Callable[..., Table]) -> None:
    table = show("ilq-table-1", Mode.ours, demo)
    both = show("ilq-table-1", Mode.both, demo)
    assert {leaf.key for _, leaf in table.leaves} == {"ours"}
    for key, cell in cells(table, "hopper-medium").items():
        assert cell == cells(both, "hopper-medium")[key]
    assert not table.footnotes
    assert not {"Published", "Comparison"} & {note.subject for note in table.notes}
    assert "published" not in table.caption
    assert "3 seeds (0\N{EN DASH}2)" in table.caption


# -- difference


def test_a_difference_stands_with_its_verdict_where_runs_may_be_judged(
    result: Maker, show: Callable[..., Table]
) -> None:
    results = [*on_d4rl(result, "ilq", [92.0, 92.5, 92.1]), *on_d4rl(result, "bc", [20.0, 20.5, 19.5])]
    table = show("ilq-table-1", Mode.difference, results)
    found = cells(table, "hopper-medium")
    near, far = found["ilq", "difference"], found["bc", "difference"]
    assert near.value == pytest.approx((92.0 + 92.5 + 92.1) / 3 - 92.1)
    assert far.value == pytest.approx(20.0 - 53.4)
    assert (far.remark, found["iql", "difference"].remark) == ("not reproduced", "not run")
    assert near.interval is not None
    assert near.value is not None
    assert near.interval[0] < near.value < near.interval[1]


def test_what_may_not_be_compared_has_no_number_and_a_reason(demo: list[RunResult], show: Callable[..., Table]) -> None:
    table = show("ilq-table-1", Mode.difference, demo)
    cell = cells(table, "hopper-medium")["ilq", "difference"]
    assert (cell.value, cell.words) == (None, "not comparable")
    texts = {note.mark: note.text for note in table.footnotes}
    assert [texts[mark] for mark in cell.footnotes] == ["Tier demo, rebuilt data, environment v5, not v2."]


@pytest.mark.parametrize("form", RENDERERS)
def test_every_format_shows_differences_with_their_words(
    form: str, demo: list[RunResult], show: Callable[..., Table]
) -> None:
    text = render(show("ilq-table-1", Mode.difference, demo), form)
    assert text.count("not comparable") >= 12
    if form not in ("csv", "json"):
        assert "Tier demo, rebuilt data" in text


def test_only_footnotes_that_something_refers_to_are_left(demo: list[RunResult], show: Callable[..., Table]) -> None:
    for mode in (Mode.ours, Mode.published, Mode.difference):
        table = show("ilq-table-1", mode, demo)
        used = {mark for row in table.rows() for part in (row.header, *row.cells) for mark in part.footnotes}
        used |= {mark for group in table.columns for mark in group.header.footnotes}
        assert used == {note.mark for note in table.footnotes}
        assert [note.mark for note in table.footnotes] == list("abcdefgh")[: len(table.footnotes)]


def test_the_finding_on_the_last_evaluation_stands_at_the_column(
    demo: list[RunResult], show: Callable[..., Table]
) -> None:
    table = show("ilq-table-1", Mode.both, demo)
    head = next(column.header for column in table.columns if column.header.key == "ilq")
    texts = {note.mark: note.text for note in table.footnotes}
    assert "sum to 911.7, not 920.4" in texts[head.footnotes[0]]


# -- the command, and LaTeX


def test_the_command_takes_a_mode() -> None:
    import typer

    application = typer.Typer()
    application.command()(cli.table)
    words = ["ilq-table-9", "--mode", "published", "--format", "csv"]
    done = CliRunner().invoke(application, words)
    assert done.exit_code == 0, done.output
    assert "hopper-medium,ILQ" not in done.stdout
    assert ",ilq,train_seconds_per_100_steps,published,2.21" in done.stdout


def test_heads_say_which_numbers_are_better(show: Callable[..., Table]) -> None:
    costs, scores = show("ilq-table-9", Mode.published), show("mogface-ablation", Mode.published)
    assert "seconds ↓" in render_text(costs)
    assert "Hard ↑" in render(scores, "markdown")
    assert r"Hard \ensuremath{\uparrow}" in render(scores, "latex")
    assert '<span title="higher is better">↑</span>' in render(scores, "html")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex (Debian: texlive-latex-recommended)")
def test_every_table_and_mode_compiles_with_a_stock_latex(
    tmp_path: Path, demo: list[RunResult], show: Callable[..., Table]
) -> None:
    tables = [show(name, Mode.published) for name in table_names() if name not in UNPUBLISHED]
    tables += [show("ilq-table-1", mode, demo) for mode in (Mode.both, Mode.ours, Mode.difference)]
    packages = r"\usepackage[T1]{fontenc}\usepackage[utf8]{inputenc}\usepackage{textcomp,booktabs,graphicx}"
    pages = "\n\\clearpage\n".join(render(table, "latex") for table in tables)
    (tmp_path / "t.tex").write_text(rf"\documentclass{{article}}{packages}\begin{{document}}{pages}\end{{document}}")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull \\hbox" not in (tmp_path / "t.log").read_text(encoding="latin-1")
