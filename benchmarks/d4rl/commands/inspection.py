"""`reprise data list`, `describe` and `verify`: what is there, what is in it, and whether it is still what it was."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.base import Json, RepriseError
from benchmarks.d4rl import datasets, histogram
from benchmarks.d4rl.commands.options import AsJson, Rows, Seed
from benchmarks.d4rl.describe import shown, summary
from benchmarks.d4rl.known_sets import KnownSet, known_set, known_sets
from benchmarks.d4rl.recipes import available
from benchmarks.d4rl.scores import references
from benchmarks.d4rl.tasks import TASKS
from benchmarks.d4rl.tasks import task as find_task

COLUMNS = 80


def list_sets(as_json: AsJson = False) -> None:
    """Tasks, and the sets on this machine: built here, recorded, or imported from D4RL."""
    found: dict[str, list[KnownSet]] = {name: [] for name in TASKS}
    for existing in known_sets():
        found[existing.task].append(existing)
    if as_json:
        typer.echo(json.dumps([_entry(name, sets) for name, sets in found.items()], indent=1))
        return
    table = Table("task", "Minari set (not D4RL's data)", "buildable", "sets on this machine")
    for name, sets in found.items():
        here = "\n".join(each.name if "/" in each.name else f"{each.name} ({each.source})" for each in sets) or "-"
        table.add_row(name, TASKS[name].minari_id or "-", "yes" if available(TASKS[name]) else "no", here)
    _print(table)


def _print(table: Table) -> None:
    """Long cells are folded, never cut."""
    for column in table.columns:
        column.overflow = "fold"
    Console().print(table)


def _entry(name: str, sets: list[KnownSet]) -> dict[str, Json]:
    task = TASKS[name]
    by_source = {
        source: [each.name for each in sets if each.source == source] for source in ("local", "recorded", "d4rl")
    }
    return {
        "task": task.name,
        "d4rl": task.d4rl_name,
        "minari": task.minari_id,
        "buildable": available(task),
        "local": by_source["local"],
        "recorded": by_source["recorded"],
        "imported": by_source["d4rl"],
    }


def describe(
    name: Annotated[str, typer.Argument(help="Task or set, such as hopper-medium, door-human or hopper-medium-v2.")],
    rows: Rows = datasets.DEFAULT_ROWS,
    seed: Seed = 0,
    as_json: AsJson = False,
    figure: Annotated[Path | None, typer.Option(help="Also draw the return histogram: .png, .svg or .pdf.")] = None,
) -> None:
    """Rows, episodes, returns, normalised means and the return histogram of a set."""
    if figure is not None:
        histogram.check_figure(figure)
    chosen = known_set(name, rows, seed)
    manifest = chosen.manifest()
    facts, returns = summary(manifest), manifest["returns"]
    if as_json:
        typer.echo(json.dumps(facts, indent=1))
    else:
        table = Table("", chosen.name, show_header=True)
        for key, value in facts.items():
            table.add_row(key.replace("_", " "), shown(value))
        _print(table)
        typer.echo(f"\nepisodes by return ({len(returns):,} in all)")
        for line in histogram.lines(returns, COLUMNS, basic=not _blocks()):
            typer.echo(line)
    if figure is not None:
        drawn = histogram.figure(chosen.name, returns, references(find_task(chosen.task).environment))
        histogram.save(drawn, figure)
        typer.echo(f"drawn: {figure}", err=True)


def _blocks() -> bool:
    """Whether standard output can show block characters."""
    return "utf" in (sys.stdout.encoding or "").lower()


def verify(
    name: Annotated[str | None, typer.Argument(help="Task or set; default: every set on this machine.")] = None,
    rows: Rows = datasets.DEFAULT_ROWS,
    seed: Seed = 0,
) -> None:
    """Read sets in full and compare every array with its manifest; all are looked at before the damaged ones are named."""
    sets = [known_set(name, rows, seed)] if name else known_sets()
    if not sets:
        raise RepriseError("there are no local sets; build one: reprise data build hopper-medium")
    problems = _problems(sets)
    for existing, problem in zip(sets, problems, strict=True):
        if problem is None:
            typer.echo(f"{existing.name}: all arrays agree with the manifest")
    damaged = [f"{each.name}: {problem}" for each, problem in zip(sets, problems, strict=True) if problem]
    if damaged:
        raise RepriseError("\n".join([f"{len(damaged)} of {len(sets)} sets are not what they were", *damaged]))


def _problems(sets: list[KnownSet]) -> list[str | None]:
    """What is wrong with each set, None where nothing is; with a bar on standard error."""
    found: list[str | None] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=len(sets))
        for existing in sets:
            progress.update(bar, description=existing.name)
            try:
                existing.verify()
                found.append(None)
            except RepriseError as error:
                found.append(str(error))
            progress.advance(bar)
    return found
