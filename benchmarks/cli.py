"""`reprise data`: the group of commands, and the one that builds local sets."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from benchmarks.base import RepriseError
from benchmarks.d4rl import build_sets, datasets
from benchmarks.d4rl.commands.fetching import fetch
from benchmarks.d4rl.commands.imports import imports
from benchmarks.d4rl.commands.inspection import describe, list_sets, verify
from benchmarks.d4rl.commands.options import Rows, Seed
from benchmarks.d4rl.own_set import LocalSet
from benchmarks.d4rl.recipes import available
from benchmarks.d4rl.tasks import TASKS
from benchmarks.d4rl.tasks import task as find_task

data = typer.Typer(no_args_is_help=True, help="Build, import, fetch, list, describe and verify data sets.")


@data.command()
def build(
    names: Annotated[list[str] | None, typer.Argument(help="Tasks, such as hopper-medium.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every task whose behaviour policies exist.")] = False,
    rows: Rows = datasets.DEFAULT_ROWS,
    seed: Seed = 0,
) -> None:
    """Collect local sets from the committed behaviour policies; those that exist are left as they are."""
    tasks = [task for task in TASKS.values() if available(task)] if every else list(map(find_task, names or []))
    if not tasks:
        raise RepriseError("name at least one task, or use --all; 'reprise data list' shows them")
    wanted = [LocalSet(task, rows, seed) for task in tasks]
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console) as progress:
        total = progress.add_task("all sets", total=None)
        bars: dict[LocalSet, TaskID] = {}

        def hear(each: LocalSet, done: int) -> None:
            if each not in bars:
                bars[each] = progress.add_task(each.task.name, total=rows)
            progress.update(bars[each], completed=min(done, rows), visible=done < rows)

        for built in build_sets.build(wanted, hear):
            progress.update(total, total=built.of, advance=1)
            console.print(f"{built.set.name}: {'built' if built.new else 'exists'}, {built.set.folder}", soft_wrap=True)


data.add_typer(imports, name="import")
data.command()(fetch)
data.command("list")(list_sets)
data.command()(describe)
data.command()(verify)
