"""What every figure takes from our runs: those it shows, or none, and how it says what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from results.caption import UNKNOWN, label_of
from results.figure_spec import FigureSpec, Series
from results.selection import SCORED, Choice, Condition, Selection, select

REBUILT = "\N{DAGGER}"
"""Marks a method written from its paper, in a figure."""

REBUILT_SAID = f"{REBUILT} reconstruction: written from the paper, no public code exists."


@dataclass(frozen=True)
class Request:
    """The tidy table and what a user asked to see of it: a tier, conditions, the keys of some sweeps."""

    frame: pd.DataFrame
    tier: str | None = None
    where: tuple[Condition, ...] = ()
    keys: frozenset[str] | None = None

    @property
    def narrowed(self) -> bool:
        """Whether the user named runs: then there must be some."""
        return self.tier is not None or bool(self.where) or self.keys is not None


def selected(spec: FigureSpec, request: Request) -> Selection:
    """The runs a figure shows; raises RepriseError as `select` does, where there are none among others."""
    keys = None if request.keys is None else set(request.keys)
    return select(spec.scope, request.frame, Choice(spec.statistic, request.tier or spec.tier, request.where, keys))


def selected_if_any(spec: FigureSpec, request: Request) -> Selection | None:
    """As `selected`; None where nobody asked for runs in particular and no run has a place in the figure."""
    scope, frame = spec.scope, request.frame
    has_place = (
        (frame["family"] == scope.family)
        & frame["task"].isin(list(scope.tasks))
        & frame["variant"].isin(list(scope.variants))
        & (frame["metric"] == scope.metric)
        & frame["status"].isin(SCORED)
    )
    if not request.narrowed and not has_place.any():
        return None
    return selected(spec, request)


def scores_of(selection: Selection, task: str, variant: str) -> dict[int, float]:
    """Seed -> score of a cell; empty where it has no run. A diverged run has the score that it was given (0)."""
    cell = selection.of(task, variant)
    return {int(seed): float(value) for seed, value in zip(cell["seed"], cell["value"], strict=True)}


def shown(series: Sequence[Series], selection: Selection) -> list[Series]:
    """The series that have runs, in the figure's order."""
    present = set(selection.runs["variant"])
    return [each for each in series if each.id in present]


def rebuilt(selection: Selection | None, variant: str) -> bool:
    """Whether a variant's runs say that it is a reconstruction."""
    if selection is None:
        return False
    runs = selection.runs[selection.runs["variant"] == variant]
    return len(runs) > 0 and set(label_of(runs, "reconstruction")) == {"true"}


def name_of(series: Series, selection: Selection | None) -> str:
    """A variant's name in a figure."""
    return series.label + (REBUILT if rebuilt(selection, series.id) else "")


def head_of(series: Series, selection: Selection | None) -> str:
    """A variant's name in a table."""
    return series.label + (" (reconstruction)" if rebuilt(selection, series.id) else "")


def any_rebuilt(series: Sequence[Series], selection: Selection | None) -> bool:
    """Whether one of the variants is marked."""
    return any(rebuilt(selection, each.id) for each in series)


def runs_said(spec: FigureSpec, selection: Selection | None) -> str:
    """`Ours: tier mini, rebuilt data, 12 of 12 tasks, 3 seeds.`: what a figure must say where its caption is lost."""
    if selection is None:
        return "Ours: not run yet."
    runs = selection.runs
    kinds = " and ".join(sorted(set(label_of(runs, "data_kind")) - {UNKNOWN})) or UNKNOWN
    counts = runs.groupby(["task", "variant"])["seed"].nunique()
    fewest, most = int(counts.min()), int(counts.max())
    seeds = f"{most} seed{'s' if most > 1 else ''}" if fewest == most else f"{fewest} to {most} seeds"
    tasks = len(spec.scope.tasks)
    of = f", {runs['task'].nunique()} of {tasks} tasks" if tasks > 1 else ""
    return f"Ours: tier {selection.tier or UNKNOWN}, {kinds} data{of}, {seeds}."
