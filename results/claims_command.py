"""The command `reprise claims`: the published numbers of every family, filtered, with their sources."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Hashable
from typing import Annotated

import pandas as pd
import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table as Grid
from rich.text import Text

from benchmarks.base import Json, RepriseError, unknown
from results.published import COLUMNS, families, load_all
from results.render.terminal import terminal
from results.sources import bibliography, cited

FILTERS = ("table", "task", "method", "source", "metric", "certainty")
CELL = ("family", "dataset", "task", "method", "metric")
"""What makes two claims speak of one cell."""

NEVER_JUDGED = ("derived", "unverified")
"""The certainties that are shown and never judged."""

Cells = dict[Hashable, pd.DataFrame]

Filter = Annotated[str | None, typer.Option(help="Exactly this, or else every one that contains it.")]


def claims(
    family: Annotated[str | None, typer.Option(help="Only this family's.")] = None,
    table: Filter = None,
    task: Filter = None,
    method: Filter = None,
    source: Filter = None,
    metric: Filter = None,
    certainty: Annotated[str | None, typer.Option(help="read, quoted, derived or unverified.")] = None,
    several: Annotated[bool, typer.Option("--several", help="Only cells with several sources.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON: every field, and what each claim cites.")
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV in the form of results/published/.")] = False,
    bibtex: Annotated[bool, typer.Option("--bibtex", help="Print the bibliography of these claims.")] = False,
) -> None:
    """Browse what is published: every number with its spread, seeds, certainty and source."""
    if as_json + as_csv + bibtex > 1:
        raise RepriseError("--json, --csv and --bibtex exclude each other; give one of them")
    asked = dict(zip(FILTERS, (table, task, method, source, metric, certainty), strict=True))
    every = load_all()
    shown = chosen(every, family, asked)
    if several:
        shown = shown[shown.duplicated(list(CELL), keep=False)]
        if shown.empty:
            raise RepriseError("none of these cells has several sources; leave --several out")
    if as_json:
        typer.echo(json.dumps(as_records(shown), indent=1, ensure_ascii=False))
    elif as_csv:
        typer.echo(csv_text(shown), nl=False)
    elif bibtex:
        typer.echo(bibliography(shown), nl=False)
    else:
        _print(shown, every)


def chosen(claims: pd.DataFrame, family: str | None, asked: dict[str, str | None]) -> pd.DataFrame:
    """The claims that fit every filter. Raises RepriseError naming the nearest value where a filter fits nothing."""
    if family is not None:
        if family not in families():
            raise unknown("family", family, families(), "--family")
        claims = claims[claims["family"] == family]
    for column, wanted in asked.items():
        if wanted is None:
            continue
        texts = claims[column].str.casefold()
        fits = texts == wanted.casefold()
        if not fits.any():
            fits = texts.str.contains(wanted.casefold(), regex=False)
        if not fits.any():
            raise unknown(column, wanted, set(claims[column]), f"--{column}")
        claims = claims[fits]
    return claims


def as_records(claims: pd.DataFrame) -> list[dict[str, Json]]:
    """The claims as JSON objects. What is missing is null; `judged` says whether verdicts may use it, `cites` holds keys of
    `--bibtex`.
    """
    found = []
    for row in claims.to_dict("records"):
        record = {name: None if value == "" or pd.isna(value) else value for name, value in row.items()}
        record["judged"] = record["certainty"] not in NEVER_JUDGED
        record["cites"] = cited(row["table"], row["source"])
        found.append({str(name): value for name, value in record.items()})
    return found


def csv_text(claims: pd.DataFrame) -> str:
    """The claims in the columns of their files, so that they can be read again; numbers in their shortest form."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in claims[list(COLUMNS)].itertuples(index=False):
        writer.writerow(["" if pd.isna(value) else value for value in row])
    return file.getvalue()


def _print(shown: pd.DataFrame, every: pd.DataFrame) -> None:
    console = terminal()
    cells: Cells = dict(iter(every.groupby(list(CELL), sort=False)))
    for (_, table), rows in shown.groupby(["family", "table"], sort=False):
        sources = list(dict.fromkeys(rows["source"]))
        console.print(Text(f"{table} ({', '.join(filter(None, dict.fromkeys(rows['dataset'])))})", style="bold"))
        console.print(_grid(rows, sources, cells))
        for number, source in enumerate(sources, start=1):
            console.print(Text(f"  [{number}] {source}", style="dim"))
        console.print()
    never = int(shown["certainty"].isin(NEVER_JUDGED).sum())
    console.print(
        f"{len(shown)} claims in {shown['table'].nunique()} tables; "
        f"{never} of them {' or '.join(NEVER_JUDGED)}: shown, never judged."
    )


def _grid(rows: pd.DataFrame, sources: list[str], cells: Cells) -> Grid:
    grid = Grid(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for head in ("task", "method"):
        grid.add_column(head, overflow="fold")
    grid.add_column("metric", no_wrap=True)
    for head in ("value", "seeds"):
        grid.add_column(head, justify="right", no_wrap=True)
    for head in ("statistic", "certainty", "source", "elsewhere"):
        grid.add_column(head, overflow="fold")
    for row in rows.to_dict("records"):
        spread = "" if pd.isna(row["spread"]) else f" ± {row['spread']:g} ({row['spread_kind']})"
        seeds = "" if pd.isna(row["n_seeds"]) else str(row["n_seeds"])
        others = cells[tuple(row[name] for name in CELL)]
        others = others[(others["table"] != row["table"]) | (others["line"] != row["line"])]
        grid.add_row(
            *(Text(row[name]) for name in ("task", "method", "metric")),
            Text(f"{row['value']:g}{spread}"),
            seeds,
            row["statistic"],
            row["certainty"],
            Text(f"[{sources.index(row['source']) + 1}]"),
            _elsewhere(others),
        )
    return grid


def _elsewhere(others: pd.DataFrame) -> str:
    """What other claims say of the same cell: `2 more, 44 to 47.4`."""
    if others.empty:
        return ""
    low, high = others["value"].min(), others["value"].max()
    return f"{len(others)} more, {low:g}" + ("" if low == high else f" to {high:g}")
