"""The command `reprise compare`: B against A, method by method and task by task, with an exit status for CI."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated

import pandas as pd
import typer

from benchmarks.base import TIERS, Json, Metric, RepriseError
from results.compare import Change, Pair, change, over_tasks, pairs
from results.headline import headline
from results.options import Records
from results.render.terminal import print_table, terminal
from results.sides import Sources
from results.table import Cell, ColumnGroup, HeaderCell, Note, Row, RowGroup, Table


@dataclass(frozen=True)
class Comparison:
    """One family by one metric: a method's cells with their changes, and its change over all of them."""

    family: str
    metric: Metric
    methods: tuple[tuple[str, tuple[tuple[Pair, Change], ...], Change], ...]
    left_out: tuple[str, ...]

    @property
    def regressions(self) -> list[str]:
        """`AP of fgd on synth/...`, for the last line."""
        found = []
        for name, cells, whole in self.methods:
            found += [
                f"{self.metric.name} of {name} on {pair.task}" for pair, each in cells if each.word == "regression"
            ]
            over = whole.word == "regression" and (whole.tasks > 1 or cells[0][1].word != "regression")
            found += [f"{self.metric.name} of {name} over {whole.tasks} tasks"] if over else []
        return found


def compare(
    a: Annotated[str, typer.Argument(help="The reference: a sweep, a commit, records, a home or an MLflow store.")],
    b: Annotated[str, typer.Argument(help="What is compared with it.")],
    metric: Annotated[list[str] | None, typer.Option(help="By this metric, not the family's own; repeatable.")] = None,
    statistic: Annotated[str, typer.Option(help="last, final10 or best.")] = "last",
    tier: Annotated[str | None, typer.Option(help="Which tier's runs; needed where a side has several.")] = None,
    margin: Annotated[float | None, typer.Option(min=0, help="In place of each metric's own margin.")] = None,
    records: Records = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, numbers with every digit.")] = False,
) -> int:
    """Say what got better or worse from A to B. Exit status 1 where something is a regression, 2 on bad input.

    A regression: the 95 % interval of the difference of means lies wholly on the worse side beyond the metric's margin, on a
    task or over all tasks of a method; or, over all tasks, that of P(B better than A) lies wholly below 0.5.
    """
    sources = Sources(records)
    sides = [of_tier(sources.find(word), tier, word) for word in (a, b)]
    found = comparisons(sides[0], sides[1], metric, statistic, margin)
    worse = [line for each in found for line in each.regressions]
    if as_json:
        document = {
            "a": a,
            "b": b,
            "statistic": statistic,
            "regressions": worse,
            "comparisons": list(map(_json, found)),
        }
        typer.echo(json.dumps(document, indent=1, allow_nan=False))
        return 1 if worse else 0
    console = terminal()
    for each in found:
        print_table(comparison_table(each, a, b, statistic), console)
        typer.echo()
    typer.echo(f"{len(worse)} regressions{': ' if worse else ''}{'; '.join(worse)}")
    return 1 if worse else 0


def of_tier(runs: pd.DataFrame, tier: str | None, word: str) -> pd.DataFrame:
    """The runs of one tier; RepriseError where there are several and none is named, or the one named has none."""
    if "tier" not in runs:
        runs = runs.assign(tier="")
    present = sorted(set(runs["tier"]), key=lambda name: (TIERS.index(name) if name in TIERS else len(TIERS), name))
    if tier is not None and tier not in present:
        raise RepriseError(f"{word}: no run of tier '{tier}'; there are runs of {', '.join(present)}")
    if tier is None and any(len(set(group)) > 1 for _, group in runs.groupby("family")["tier"]):
        raise RepriseError(f"{word}: there are runs of the tiers {', '.join(present)}; choose one with --tier")
    return runs if tier is None else runs[runs["tier"] == tier]


def comparisons(
    a: pd.DataFrame, b: pd.DataFrame, metrics: Sequence[str] | None, statistic: str, margin: float | None = None
) -> list[Comparison]:
    """A Comparison per family that both sides have and metric asked for; RepriseError where no cell is in both."""
    found: list[Comparison] = []
    left: list[str] = []
    for family in sorted({*a["family"]} & {*b["family"]}):
        of_a, of_b = (frame[frame["family"] == family] for frame in (a, b))
        for metric in headline(family, metrics):
            cells, missing = pairs(of_a, of_b, metric.name, statistic)
            left += missing
            by_method: dict[str, list[Pair]] = {}
            for pair in cells:
                name = f"{pair.variant} ({pair.setting})" if pair.setting else pair.variant
                by_method.setdefault(name, []).append(pair)
            methods = tuple(
                (name, tuple((pair, change([pair], metric, margin)) for pair in mine), over_tasks(mine, metric, margin))
                for name, mine in by_method.items()
            )
            if methods:
                found.append(Comparison(family, metric, methods, tuple(missing)))
    if not found:
        raise RepriseError(
            f"A and B have no task and method in common with the statistic '{statistic}' of a metric; "
            f"{'; '.join(left[:3]) or 'they are of different families'}"
        )
    return found


def comparison_table(found: Comparison, a: str, b: str, statistic: str) -> Table:
    """A row per task under each method, and one over all of its tasks."""
    groups = []
    for name, cells, whole in found.methods:
        rows = [Row(HeaderCell(pair.task, pair.task), _cells(each, pair)) for pair, each in cells]
        if len(cells) > 1 or whole.word != cells[0][1].word:
            rows.append(Row(HeaderCell(f"over {whole.tasks} tasks", "all"), _cells(whole, None)))
        groups.append(RowGroup(HeaderCell(name, name), tuple(rows)))
    changed = dict.fromkeys(text for _, cells, _ in found.methods for pair, _ in cells for text in pair.changed)
    columns = [("A", "a", None), ("B", "b", None), ("B - A", "difference", None), ("P(B better)", "probability", 2)]
    notes = [Note("Not compared", text) for text in found.left_out] + [Note("Changed", text) for text in changed]
    return Table(
        f"compare-{found.family}-{found.metric.name}",
        f"{found.metric.name} ({statistic}), {found.family}: B = {b} against A = {a}",
        "Means over seeds \N{PLUS-MINUS SIGN} sample standard deviation (seeds). 95 % intervals: Welch's of the difference, the "
        "stratified bootstrap's of P(B better than A).",
        HeaderCell("method, task", "row"),
        (
            *(ColumnGroup(HeaderCell(text, key), (HeaderCell(""),), places) for text, key, places in columns),
            ColumnGroup(HeaderCell("", "verdict"), (HeaderCell(""),)),
        ),
        tuple(groups),
        notes=tuple(notes),
        decimals=2,
    )


def _cells(each: Change, pair: Pair | None) -> tuple[Cell, ...]:
    means = [Cell(each.a), Cell(each.b)]
    if pair is not None:
        means = [
            Cell(
                arm.sample.mean,
                arm.sample.spread if arm.sample.n > 1 else None,
                arm.sample.n,
                remark=_lost(arm.diverged),
            )
            for arm in (pair.a, pair.b)
        ]
    word = each.word or "no change shown"
    return (
        *means,
        Cell(each.difference, interval=each.interval),
        Cell(each.probability, interval=each.probability_interval),
        Cell(remark=word),
    )


def _lost(diverged: Sequence[int]) -> str:
    return f"{len(diverged)} diverged" if diverged else ""


def _json(found: Comparison) -> Json:
    cells = [
        {
            "method": name,
            "task": pair.task,
            "setting": pair.setting,
            "seeds": {"a": pair.a.seeds, "b": pair.b.seeds},
            "diverged": {"a": pair.a.diverged, "b": pair.b.diverged},
            "changed": pair.changed,
            **asdict(each),
        }
        for name, mine, _ in found.methods
        for pair, each in mine
    ]
    methods = [{"method": name, **asdict(whole)} for name, _, whole in found.methods]
    about = {"family": found.family, "metric": found.metric.name, "left_out": found.left_out}
    return {**about, "cells": cells, "methods": methods}
