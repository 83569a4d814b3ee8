"""The command `reprise check`: a verdict on every published number of a table, and an exit status for machines."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from results import published
from results.collect import collect
from results.judging.judge import judge
from results.judging.summary import as_json, summary
from results.judging.verdict_table import direction_table, verdict_table
from results.options import Keys, Records, Where
from results.render.terminal import print_table
from results.run_keys import chosen_keys
from results.selection import Choice, Condition
from results.table_files import load_spec

CONTRADICTED = 1


def check(
    name: Annotated[str, typer.Argument(help="A table of `reprise list`, or the path of a table's YAML file.")],
    tier: Annotated[str | None, typer.Option(help="Which tier's runs; needed where several are at hand.")] = None,
    statistic: Annotated[str | None, typer.Option(help="last or final10; by default the one the paper prints.")] = None,
    records: Records = None,
    sweep: Annotated[str | None, typer.Option(help="Only the runs that this sweep last asked for.")] = None,
    keys: Keys = None,
    where: Where = None,
    margin: Annotated[
        float | None, typer.Option(min=0, help="Equivalence margin in place of each metric's own; part of the report.")
    ] = None,
    any_environment: Annotated[
        bool,
        typer.Option("--allow-env-mismatch", help="Hold scores of other environment versions against the paper's."),
    ] = False,
    form: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say of every published number of a table whether our runs reproduce it.

    Exit status: 0 where nothing is "not reproduced" and nothing "disagrees", 1 where something is or does, 2 for bad input.
    """
    spec = load_spec(name)
    conditions = tuple(Condition.parse(text) for text in where or ())
    chosen = chosen_keys([] if sweep is None else [sweep], keys)
    choice = Choice(spec.statistic(statistic), tier, conditions, chosen)
    frame, claims = collect(records=records, curves=False), published.load(spec.family)
    found = judge(spec, frame, claims, choice, margin=margin, any_environment=any_environment)
    if form:
        typer.echo(json.dumps(as_json(found), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        print_table(verdict_table(spec, found))
        directions = direction_table(spec, found)
        if directions is not None:
            typer.echo()
            print_table(directions)
        typer.echo()
        for line in summary(found):
            typer.echo(line)
    if found.contradicts:
        raise typer.Exit(CONTRADICTED)
