"""The command `reprise table`."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.base import home
from benchmarks.whole_file import write_whole
from results import published
from results.collect import collect
from results.method_spec import MethodTableSpec
from results.method_table import method_table
from results.options import Keys, Out, Records, Where
from results.paper_table import paper_table
from results.render import RENDERERS, render
from results.render.terminal import print_table
from results.run_figures import RunFigures
from results.run_keys import chosen_keys
from results.selection import Choice, Condition, select
from results.table import Table
from results.table_files import load_spec
from results.table_spec import TableSpec


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
    sweep: Annotated[str | None, typer.Option(help="Only the runs that this sweep last asked for.")] = None,
    keys: Keys = None,
    where: Where = None,
    all_tasks: Annotated[bool, typer.Option("--all-tasks", help="Also show tasks without runs of ours.")] = False,
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


def draw_table(
    name: str,
    *,
    tier: str | None = None,
    statistic: str | None = None,
    records: Path | None = None,
    where: tuple[Condition, ...] = (),
    keys: Collection[str] | None = None,
    all_tasks: bool = False,
) -> tuple[Table, str]:
    """A paper's table from the runs at hand, and the tier it shows. `keys` narrows them to the runs of one sweep.

    Raises RepriseError where the runs cannot be read or do not make one table.
    """
    spec = load_spec(name)
    choice = Choice(spec.statistic(statistic), tier, where, keys)
    frame = collect(records=records, curves=False)
    selection, claims = select(spec.scope, frame, choice), published.load(spec.family)
    if isinstance(spec, MethodTableSpec):
        figures = RunFigures(frame, selection, spec.metrics)
        return method_table(spec, selection, figures, claims, all_tasks=all_tasks), selection.tier
    assert isinstance(spec, TableSpec)
    return paper_table(spec, selection, claims, all_tasks=all_tasks), selection.tier


def write_table(drawn: Table, folder: Path, forms: Collection[str] = tuple(RENDERERS)) -> list[Path]:
    """Write a table in several formats, each file whole or not at all; return the paths."""
    paths = []
    for form in forms:
        path = folder.absolute() / f"{drawn.name}.{RENDERERS[form][0]}"
        write_whole(path, render(drawn, form))
        paths.append(path)
    return paths
