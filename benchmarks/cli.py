"""`reprise data`: build, list, describe, verify and fetch data sets."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from benchmarks.base import Json, RepriseError
from benchmarks.d4rl import datasets, minari_store, rebuild
from benchmarks.d4rl.tasks import TASKS, LocomotionTask
from benchmarks.d4rl.tasks import task as find_task

data = typer.Typer(no_args_is_help=True, help="Build, list, describe, verify and fetch data sets.")

Rows = Annotated[int, typer.Option(help="Rows per behaviour policy (1000000 for parity with D4RL).", min=1)]
Seed = Annotated[int, typer.Option(help="Seed of the collection.", min=0)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@data.command()
def build(
    names: Annotated[list[str] | None, typer.Argument(help="Tasks, such as hopper-medium.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every task whose behaviour policies exist.")] = False,
    rows: Rows = datasets.DEFAULT_ROWS,
    seed: Seed = 0,
) -> None:
    """Collect local sets from the committed behaviour policies; those that exist are left as they are."""
    tasks = [task for task in TASKS.values() if rebuild.available(task)] if every else list(map(find_task, names or []))
    if not tasks:
        raise RepriseError("name at least one task, or use --all; 'reprise data list' shows them")
    wanted = [rebuild.LocalSet(task, rows, seed) for task in tasks]
    sets = list(dict.fromkeys(each for whole in wanted for each in (*whole.parts, whole)))
    for each in sets:
        rebuild.artifact(each)  # refuses what cannot be built before anything is
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console) as progress:
        for each in sets:
            made = rebuild.artifact(each, _bar(progress, each.task.name, rows))
            new = not made.ready()
            made.ensure()
            console.print(f"{each.name}: {'built' if new else 'exists'}, {made.folder}", soft_wrap=True)


def _bar(progress: Progress, label: str, rows: int) -> Callable[[int], None]:
    bar = progress.add_task(label, total=rows)
    return lambda done: progress.update(bar, completed=min(done, rows))


@data.command("list")
def list_sets(as_json: AsJson = False) -> None:
    """Tasks, and the local sets that exist."""
    found: dict[str, list[str]] = {}
    for existing in datasets.local_sets():
        found.setdefault(existing.task.name, []).append(existing.name)
    if as_json:
        print(json.dumps([_entry(task, found.get(task.name, [])) for task in TASKS.values()], indent=1))
        return
    table = Table("task", "Minari set (other policies, v5)", "can be built", "local sets")
    for task in TASKS.values():
        buildable = "yes" if rebuild.available(task) else "no"
        local = "\n".join(found.get(task.name, [])) or "-"
        table.add_row(task.name, task.minari_id or "-", buildable, local)
    _print(table)


def _print(table: Table) -> None:
    """Long cells are folded, never cut."""
    for column in table.columns:
        column.overflow = "fold"
    Console().print(table)


def _entry(task: LocomotionTask, local: list[str]) -> dict[str, Json]:
    return {
        "task": task.name,
        "d4rl": task.d4rl_name,
        "minari": task.minari_id,
        "buildable": rebuild.available(task),
        "local": local,
    }


@data.command()
def describe(
    name: Annotated[str, typer.Argument(help="Task or local set.")],
    rows: Rows = datasets.DEFAULT_ROWS,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Rows, episodes, returns and normalised means of a local set."""
    manifest = _existing(name, rows, seed).manifest()
    assert manifest is not None
    summary = _summary(manifest)
    if as_json:
        print(json.dumps(summary, indent=1))
        return
    table = Table("", manifest["dataset"], show_header=True)
    for key, value in summary.items():
        table.add_row(key.replace("_", " "), value if isinstance(value, str) else json.dumps(value))
    _print(table)


def _summary(manifest: dict[str, Json]) -> dict[str, Json]:
    returns, lengths = np.array(manifest["returns"]), np.array(manifest["lengths"])
    quantiles = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
    score = manifest["mean_normalized_return"]
    return {
        "environment": manifest["environment"],
        "rows": manifest["rows"],
        "episodes": manifest["episodes"],
        "mean_length": round(float(lengths.mean()), 1) if len(lengths) else None,
        "return_quantiles": {str(q): round(float(np.quantile(returns, q)), 1) for q in quantiles}
        if len(returns)
        else None,
        "share_of_terminals": manifest["terminal_share"],
        "mean_return": manifest["mean_return"],
        "mean_normalized_return_d4rl_references_on_v5": score["d4rl_references_on_v5"],
        "mean_normalized_return_own_references": score["own_references"],
        "acceptance": manifest["acceptance"],
        "hash": manifest["hash"],
        "behaviours": manifest["behaviours"],
        "versions": manifest["versions"],
    }


@data.command()
def verify(
    name: Annotated[str | None, typer.Argument(help="Task or local set; default: every local set.")] = None,
    rows: Rows = datasets.DEFAULT_ROWS,
    seed: Seed = 0,
) -> None:
    """Read local sets in full and compare every array with its manifest."""
    sets = [_existing(name, rows, seed)] if name else datasets.local_sets()
    for existing in sets:
        datasets.verify(existing)
        print(f"{existing.name}: all arrays agree with the manifest")
    if not sets:
        raise RepriseError("there are no local sets; build one: reprise data build hopper-medium")


@data.command()
def fetch(name: Annotated[str, typer.Argument(help="Minari id, such as mujoco/hopper/medium-v0.")]) -> None:
    """Download a Minari set into the data folder. Nothing else in the suite downloads data."""
    import minari

    root = minari_store.root()
    os.environ["MINARI_DATASETS_PATH"] = str(root)
    if (root / name / minari_store.HDF5).exists():
        print(f"{name}: exists, {root / name}")
        return
    try:
        minari.download_dataset(name)
    except Exception as error:  # Minari and its hosts raise whatever their clients raise
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise RepriseError(
            f"could not fetch Minari set '{name}' ({reason}). Check the id and the network, or build a local set: "
            f"reprise data build {_alternative(name)}"
        ) from error
    if not (root / name / minari_store.HDF5).exists():
        raise RepriseError(f"Minari gave no HDF5 file for '{name}' in {root}; it may be stored in another format")
    print(f"{name}: fetched, {root / name}")


def _alternative(minari_id: str) -> str:
    """The task a Minari set would serve."""
    return next((task.name for task in TASKS.values() if task.minari_id == minari_id), "hopper-medium")


def _existing(name: str, rows: int, seed: int) -> rebuild.LocalSet:
    """The local set that a task's or a set's name means; raises RepriseError where it does not exist."""
    for existing in datasets.local_sets():
        if name in (existing.name, existing.name.removeprefix("local/")):
            return existing
    wanted = rebuild.LocalSet(find_task(name), rows, seed)
    if wanted.manifest() is None:
        raise RepriseError(f"data set {wanted.name} does not exist; build it: {wanted.command}")
    return wanted
