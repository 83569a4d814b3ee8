"""The command `reprise figure`: a figure from our runs and what is published, with the numbers in it as files beside it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from benchmarks.base import home
from benchmarks.store_uri import experiment_name
from benchmarks.whole_file import write_whole
from results.collect import collect
from results.figure_kinds import drawn
from results.figure_spec import load_figure
from results.mlflow_documents import log_document
from results.options import Keys, Out, Records, Where
from results.plots.runs import Request
from results.render import RENDERERS, render
from results.render.figures.style import encode
from results.render.terminal import print_table
from results.run_keys import chosen_keys
from results.selection import Condition
from results.table import Table

TABLES = ("markdown", "csv", "json")
"""The formats of the numbers beside a figure."""

PRINTED = 60
"""Rows: longer tables are written and not printed."""


class Format(StrEnum):
    """The formats of a figure."""

    png = "png"
    svg = "svg"
    pdf = "pdf"


def figure(
    name: Annotated[str, typer.Argument(help="A figure of `reprise list`, or the path of a figure's YAML file.")],
    tier: Annotated[str | None, typer.Option(help="Which tier's runs, where not the figure's own.")] = None,
    form: Annotated[Format, typer.Option("--format", help="The format of the figure.")] = Format.png,
    records: Records = None,
    out: Out = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(help="Only the runs this sweep last asked for, whose experiment gets the files; repeatable."),
    ] = None,
    keys: Keys = None,
    where: Where = None,
) -> None:
    """Draw a figure of the suite, or one of your own, and write the numbers in it beside it (Markdown, CSV, JSON).

    Precision-recall curves are drawn from predictions, not from runs: `reprise evaluate wider-face --curves FILE.png`.
    """
    spec = load_figure(name)
    conditions = tuple(Condition.parse(text) for text in where or ())
    chosen = chosen_keys(sweep or (), keys)
    request = Request(collect(records=records), tier, conditions, None if chosen is None else frozenset(chosen))
    made = drawn(spec, request)
    folder = (out or home() / "results" / (f"{spec.id}-{made.tier}" if made.tier else spec.id)).absolute()
    drawing = folder / f"{spec.id}.{form.value}"
    write_whole(drawing, encode(made.figure, form.value))
    paths = [drawing]
    for each in TABLES:
        text = render(made.table, each)
        if each == "markdown" and form is not Format.pdf:
            text = f"![{spec.title}]({drawing.name})\n\n{text}"
        paths.append(folder / f"{spec.id}.{RENDERERS[each][0]}")
        write_whole(paths[-1], text)
    _print(made.table)
    for path in paths:
        typer.echo(f"wrote {path}")
    if records is None:
        for each_sweep in sweep or ():
            log_document(spec.family, each_sweep, f"figure {spec.id}", render(made.table, "markdown"), paths)
            typer.echo(f"and into MLflow, experiment {experiment_name(spec.family, each_sweep)}")


def _print(table: Table) -> None:
    rows = sum(1 for _ in table.rows())
    if rows <= PRINTED:
        print_table(table)
    else:
        typer.echo(f"{table.title}\n{table.caption}\nIts {rows:,} rows of numbers are in the files.")
    typer.echo()
