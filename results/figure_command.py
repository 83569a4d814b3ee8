"""The command `reprise figure`: our learning curves over a paper's, as a figure and a table of verdicts."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from benchmarks.base import home
from benchmarks.whole_file import write_whole
from results import published_curves
from results.collect import collect
from results.curve_table import curve_table, subtitle
from results.curves import panels
from results.figure_spec import load_figure
from results.options import Keys, Out, Records, Where
from results.render import RENDERERS, render
from results.render.small_multiples import draw
from results.render.terminal import print_table
from results.run_keys import chosen_keys
from results.selection import Choice, Condition, select

TABLES = ("markdown", "csv", "json")
"""The formats of the verdicts beside a figure."""


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
        list[str] | None, typer.Option(help="Only the runs this sweep last asked for; repeatable.")
    ] = None,
    keys: Keys = None,
    where: Where = None,
) -> None:
    """Draw a paper's learning curves with ours over them, and say per task whether they agree."""
    spec = load_figure(name)
    claims = published_curves.load(spec.claims.file)
    frame = collect(records=records)
    conditions = tuple(Condition.parse(text) for text in where or ())
    choice = Choice("last", tier or spec.tier, conditions, chosen_keys(sweep or (), keys))
    selection = select(spec.scope, frame, choice)
    shown = panels(spec, selection, frame, claims)
    table = curve_table(spec, selection, shown)
    folder = (out or home() / "results" / f"{spec.id}-{selection.tier}").absolute()
    drawing = folder / f"{spec.id}.{form.value}"
    write_whole(drawing, draw(spec, shown, subtitle(spec, selection), form.value))
    paths = [drawing]
    for each in TABLES:
        text = render(table, each)
        if each == "markdown" and form is not Format.pdf:
            text = f"![{spec.title}]({drawing.name})\n\n{text}"
        paths.append(folder / f"{spec.id}.{RENDERERS[each][0]}")
        write_whole(paths[-1], text)
    print_table(table)
    typer.echo()
    for path in paths:
        typer.echo(f"wrote {path}")
