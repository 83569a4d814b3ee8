"""The command `reprise table`."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from benchmarks.base import RepriseError, home
from benchmarks.store_uri import experiment_name
from benchmarks.whole_file import write_whole
from results import published
from results.collect import collect, tidy
from results.judging.judge import judge
from results.method_spec import MethodTableSpec
from results.method_table import method_table
from results.mlflow_documents import log_document
from results.modes import Mode, difference, ours_alone, published_alone
from results.options import Keys, Out, Records, Where
from results.paper_table import paper_table
from results.render import RENDERERS, render
from results.render.markdown import render_markdown
from results.render.terminal import print_table
from results.run_figures import RunFigures
from results.run_keys import chosen_keys
from results.selection import Choice, Condition, NothingRun, Selection, select
from results.table import Table
from results.table_files import load_spec
from results.table_spec import PaperSpec, TableSpec
from results.transposed import transposed


class Format(StrEnum):
    """The formats of `reprise table`."""

    markdown = "markdown"
    latex = "latex"
    html = "html"
    csv = "csv"
    json = "json"
    terminal = "terminal"


def table(
    name: Annotated[str, typer.Argument(help="A table of `reprise list`, or the path of a table's YAML file.")],
    tier: Annotated[str | None, typer.Option(help="Which tier's runs; needed where several are at hand.")] = None,
    statistic: Annotated[str | None, typer.Option(help="last or final10; by default the one the paper prints.")] = None,
    form: Annotated[Format | None, typer.Option("--format", help="Print this format alone and write no file.")] = None,
    records: Records = None,
    out: Out = None,
    sweep: Annotated[
        str | None,
        typer.Option(help="Only the runs that this sweep last asked for; its MLflow experiment gets the files."),
    ] = None,
    keys: Keys = None,
    where: Where = None,
    all_tasks: Annotated[bool, typer.Option("--all-tasks", help="Also show tasks without runs of ours.")] = False,
    mode: Annotated[
        Mode, typer.Option(help="Both, either alone, or ours minus published with a verdict; `published` needs no run.")
    ] = Mode.both,
) -> None:
    """Draw a paper's table: ours beside the published numbers, in every format."""
    chosen = chosen_keys([] if sweep is None else [sweep], keys)
    conditions = tuple(Condition.parse(text) for text in where or ())
    drawn, tier = draw_table(
        name,
        tier=tier,
        statistic=statistic,
        records=records,
        where=conditions,
        keys=chosen,
        all_tasks=all_tasks,
        mode=mode,
    )
    if form is Format.terminal:
        print_table(drawn)
    elif form is not None:
        typer.echo(render(drawn, form.value), nl=False)
    if form is not None and out is None:
        return
    folder = out or home() / "results" / "-".join(filter(None, [drawn.name, tier, statistic]))
    paths = write_table(drawn, folder, [form.value] if form else RENDERERS)
    if form is None:
        print_table(drawn)
        typer.echo()
        for path in paths:
            typer.echo(f"wrote {path}")
        if sweep is not None and records is None:
            family = load_spec(name).family
            log_document(family, sweep, f"table {drawn.name}", render_markdown(drawn), paths)
            typer.echo(f"and into MLflow, experiment {experiment_name(family, sweep)}")


def draw_table(
    name: str,
    *,
    tier: str | None = None,
    statistic: str | None = None,
    records: Path | None = None,
    where: tuple[Condition, ...] = (),
    keys: Collection[str] | None = None,
    all_tasks: bool = False,
    mode: Mode = Mode.both,
) -> tuple[Table, str]:
    """A paper's table from the runs at hand, and the tier it shows. `keys` narrows them to the runs of one sweep.

    Without runs only `mode` published shows anything, and it reads none. Raises RepriseError where the runs cannot be read or do
    not make one table, where the specification names a claim that does not exist, and where a mode has nothing to show.
    """
    spec = load_spec(name)
    choice = Choice(spec.statistic(statistic), tier, where, keys)
    claims = published.load(spec.family)
    if mode is Mode.published:
        return _arranged(spec, _published(spec, claims, choice)), ""
    frame = collect(records=records, curves=False)
    selection = _selected(spec, frame, choice)
    table = _drawn(spec, frame, selection, claims, all_tasks=all_tasks)
    if mode is Mode.ours:
        table = ours_alone(table, spec, selection)
    elif mode is Mode.difference:
        table = difference(table, spec, selection, judge(spec, frame, claims, choice), all_rows=all_tasks)
        _refuse_empty(table, spec, "none of its runs stands beside a published number")
    return _arranged(spec, table), selection.tier


def _arranged(spec: PaperSpec, table: Table) -> Table:
    return transposed(table) if isinstance(spec, TableSpec) and spec.transposed else table


def _published(spec: PaperSpec, claims: pd.DataFrame, choice: Choice) -> Table:
    if choice.tier is not None or choice.where or choice.keys is not None:
        raise RepriseError(
            f"table {spec.id}: --mode published shows no run; leave out what chooses runs (--tier, --sweep, --keys, --where)"
        )
    frame = tidy([], curves=False)
    table = _drawn(spec, frame, Selection(frame, "", choice.statistic), claims, all_tasks=True, others=True)
    table = published_alone(table, spec, choice.statistic)
    _refuse_empty(table, spec, f"nothing is published for it under statistic {choice.statistic}")
    return table


def _selected(spec: PaperSpec, frame: pd.DataFrame, choice: Choice) -> Selection:
    """The runs of a table; without any, the message says how to see what is published."""
    try:
        return select(spec.scope, frame, choice)
    except NothingRun as error:
        raise RepriseError(f"{error}, and `--mode published` shows what is published") from error


def _drawn(
    spec: PaperSpec,
    frame: pd.DataFrame,
    selection: Selection,
    claims: pd.DataFrame,
    *,
    all_tasks: bool,
    others: bool = False,
) -> Table:
    if isinstance(spec, MethodTableSpec):
        return method_table(spec, selection, RunFigures(frame, selection, spec.metrics), claims, all_tasks=all_tasks)
    assert isinstance(spec, TableSpec)
    return paper_table(spec, selection, claims, all_tasks=all_tasks, others=others)


def _refuse_empty(table: Table, spec: PaperSpec, reason: str) -> None:
    if not table.columns or not table.groups:
        raise RepriseError(f"table {spec.id}: {reason}")


def write_table(drawn: Table, folder: Path, forms: Collection[str] = tuple(RENDERERS)) -> list[Path]:
    """Write a table in several formats, each file whole or not at all; return the paths."""
    paths = []
    for form in forms:
        path = folder.absolute() / f"{drawn.name}.{RENDERERS[form][0]}"
        write_whole(path, render(drawn, form))
        paths.append(path)
    return paths
