"""The command `reprise list`: methods, tasks, sweeps, tables and figures, and what each needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Annotated

import typer
import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.base import Benchmark, DatasetRef, Json, RepriseError, Task, registered_benchmarks, registered_methods
from sweeps.commands import JsonOption, Plugins
from sweeps.packages import ROOT
from sweeps.registry import discover
from sweeps.schema import load_sweep, sweep_names

Row = dict[str, Json]


def listing(
    what: Annotated[
        str | None, typer.Argument(help="methods, tasks, sweeps, tables or figures; all without it")
    ] = None,
    plugin: Plugins = None,
    json_: JsonOption = False,
) -> int:
    """Show methods, tasks, sweeps, tables and figures, and what each needs."""
    if what is not None and what not in KINDS:
        raise RepriseError(f"list what? '{what}' is none of {', '.join(KINDS)}")
    discover(plugin or ())
    found = {kind: collect() for kind, collect in KINDS.items() if what in (None, kind)}
    if json_:
        typer.echo(json.dumps(found))
        return 0
    console = Console()
    for kind, rows in found.items():
        console.print(_table(kind, rows))
    return 0


def methods() -> list[Row]:
    """Every registered method."""
    return [
        {
            "method": method.name,
            "label": method.label + (" (reconstruction)" if method.reconstruction else ""),
            "family": method.family,
            "version": method.version,
            "presets": list(method.presets),
            "may differ in a stack": ["seed", *sorted(method.stackable)],
            "paper": method.paper,
        }
        for method in registered_methods().values()
    ]


def tasks() -> list[Row]:
    """Every task with its dataset at the family's defaults, and what it takes to have it."""
    rows: list[Row] = []
    for benchmark in registered_benchmarks().values():
        for task in benchmark.tasks().values():
            name, needs = _need(benchmark, task)
            rows.append(
                {"task": task.name, "family": task.family, "metric": task.metric.name, "dataset": name, "needs": needs}
            )
    return rows


def sweeps() -> list[Row]:
    """Every sweep in `sweeps/configs`."""
    rows: list[Row] = []
    for name in sweep_names():
        sweep, _ = load_sweep(name)
        gpu = f", {sweep.resources.gpu:g} GPU" if sweep.resources.gpu else ""
        rows.append(
            {
                "sweep": name,
                "family": sweep.family,
                "tier": sweep.tier or "none",
                "tasks": len(sweep.tasks),
                "methods": [entry.variant or entry.method for entry in sweep.methods],
                "seeds": len(sweep.seeds),
                "a trial needs": f"{sweep.resources.cpu} CPU{gpu}",
                "about": sweep.about,
            }
        )
    return rows


def tables() -> list[Row]:
    """Every paper's table in `results/tables`; each is drawn from finished runs of its family."""
    return _drawn("table")


def figures() -> list[Row]:
    """Every figure in `results/figures`; each is drawn from finished runs of its family."""
    return _drawn("figure")


def _drawn(kind: str) -> list[Row]:
    rows: list[Row] = []
    for path in sorted((ROOT / "results" / f"{kind}s").glob("*.yaml")):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        needs = f"finished runs of {content['family']}"
        if "tier" in content:
            needs += f", tier {content['tier']}"
        rows.append({kind: path.stem, "title": str(content.get("title", "")), "needs": needs})
    return rows


KINDS: Mapping[str, Callable[[], list[Row]]] = {
    "methods": methods,
    "tasks": tasks,
    "sweeps": sweeps,
    "tables": tables,
    "figures": figures,
}


def _need(benchmark: Benchmark, task: Task) -> tuple[str, str]:
    """A task's dataset, and what is to be done for it."""
    try:
        reference = _reference(benchmark, task)
    except RepriseError as error:  # a checkpoint that is not here
        return "", str(error).removeprefix("needs: ").partition(";")[0]
    if reference is None:
        return "", "a method of this family"
    if reference.hash is not None:
        return reference.name, "nothing (ready)"
    if reference.artifact is not None:
        return reference.name, "nothing (reprise run builds it)"
    return reference.name, reference.remedy


def _reference(benchmark: Benchmark, task: Task) -> DatasetRef | None:
    usable = registered_methods(benchmark.family)
    if not usable:
        return None
    _, training = benchmark.resolve(task, next(iter(usable.values())), None, {}, "needs")
    return benchmark.dataset(task, training)


def _table(kind: str, rows: list[Row]) -> Table:
    """A name to the left, what is to be said of it to the right."""
    table = Table(title=kind, title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    for row in rows:
        (_, name), *facts = row.items()
        said = [f"{heading}: {_joined(value)}" for heading, value in facts]
        table.add_row(Text(str(name), style="bold"), Text("; ".join(said)))
    return table


def _joined(value: Json) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
