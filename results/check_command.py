"""The command `reprise check`: verdicts on published numbers, of a table or counted over all, and an exit status for machines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.base import RepriseError
from results import published
from results.collect import collect
from results.judging.judge import judge
from results.judging.summary import as_json, summary
from results.judging.verdict_table import direction_table, verdict_table
from results.options import Keys, Records, Where
from results.render.terminal import print_table
from results.report.at_hand import read_runs
from results.report.standing import everything, standing_table, standings_of
from results.run_keys import chosen_keys
from results.selection import Choice, Condition
from results.table_files import load_spec

CONTRADICTED = 1


def check(
    name: Annotated[
        str | None, typer.Argument(help="A table of `reprise list`, or its YAML file; without one, the counts of all.")
    ] = None,
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
    """Say of every published number of a table whether our runs reproduce it; without a table, count all verdicts.

    Exit status: 0 where nothing is "not reproduced" and nothing "disagrees", 1 where something is or does, 2 for bad input.
    """
    if name is None:
        if tier or statistic or keys or where or margin is not None or any_environment:
            raise RepriseError("check: without a table only --records, --sweep and --json mean anything; name a table")
        _check_all(records, sweep, form)
        return
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


def _check_all(records: Path | None, sweep: str | None, form: bool) -> None:
    at_hand = read_runs(records, chosen_keys([] if sweep is None else [sweep], None), _say)
    counts = standings_of(at_hand)
    if form:
        families = [
            {"family": each.family, "verdicts": each.verdicts, "directions": each.directions} for each in counts
        ]
        typer.echo(json.dumps({"sources": list(at_hand.sources), "families": families}, indent=1))
    else:
        print_table(standing_table(counts, at_hand.sources))
    if everything(counts).contradicts:
        raise typer.Exit(CONTRADICTED)


def _say(text: str) -> None:
    typer.echo(text, err=True)
