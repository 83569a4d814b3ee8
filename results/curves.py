"""Learning curves of our runs beside published ones: the data of a figure, a panel per task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.base import RepriseError
from results.collect import CURVE
from results.curve_verdict import WINDOW, Judgement, judge
from results.figure_spec import CurvesSpec, PanelSpec
from results.published_curves import Identity, PublishedCurve, find
from results.selection import Selection


@dataclass(frozen=True)
class OurCurves:
    """A task's runs: `scores` (S, T) in points, a row per seed, at `steps` (T,); and what the published curve says of them."""

    steps: np.ndarray
    scores: np.ndarray
    seeds: tuple[int, ...]
    diverged: tuple[int, ...]
    judgement: Judgement

    @property
    def mean(self) -> np.ndarray:
        """Over seeds, (T,)."""
        return np.asarray(self.scores.mean(axis=0))

    @property
    def spread(self) -> np.ndarray | None:
        """Sample standard deviation (ddof 1) over seeds, (T,); None for a single seed."""
        return np.asarray(self.scores.std(axis=0, ddof=1)) if len(self.seeds) > 1 else None


@dataclass(frozen=True)
class Panel:
    """A task with the published curve, and ours where it has runs."""

    task: str
    published: PublishedCurve
    ours: OurCurves | None


def panels(
    spec: CurvesSpec, selection: Selection, frame: pd.DataFrame, claims: Mapping[Identity, PublishedCurve]
) -> tuple[Panel, ...]:
    """The panels of a figure, in its order; `frame` is the tidy table of which the selection names the runs.

    Raises RepriseError where a published curve does not exist, where a run's curve has a hole, and where ours and the
    published curve have fewer than three steps in common.
    """
    points = frame[(frame["statistic"] == CURVE) & (frame["metric"] == spec.metric)]
    found = []
    for panel in spec.tasks:
        where = f"{spec.scope.name}, task {panel.task}"
        published = find(claims, spec.claims.figure, panel.claim, spec.claims.variant, where)
        steps = published.steps
        published = published.at(steps if panel.until is None else steps[steps <= panel.until])
        runs = selection.runs[selection.runs["task"] == panel.task]
        mine = points[points["run_key"].isin(runs["run_key"])]
        ours = None if runs.empty else _ours(spec, panel, runs, mine, published)
        found.append(Panel(panel.task, published, ours))
    return tuple(found)


def _ours(
    spec: CurvesSpec, panel: PanelSpec, runs: pd.DataFrame, points: pd.DataFrame, published: PublishedCurve
) -> OurCurves:
    where = f"{spec.scope.name}, task {panel.task}"
    steps, scores, seeds, diverged = seed_curves(runs, points, panel.until, where)
    shared = published.at(steps)
    if len(shared.steps) < WINDOW:
        raise RepriseError(
            f"{where}: its runs and the published curve have {len(shared.steps)} evaluation steps in common, a verdict "
            f"needs {WINDOW}; ours: {_few(steps)}; published: {_few(published.steps)}"
        )
    thresholds = spec.judgement
    judged = scores[:, np.isin(steps, shared.steps)]
    verdict = judge(judged, seeds, diverged, shared, thresholds.tolerance, thresholds.learned)
    return OurCurves(steps, scores, seeds, diverged, verdict)


def seed_curves(
    runs: pd.DataFrame, points: pd.DataFrame, until: int | None, where: str
) -> tuple[np.ndarray, np.ndarray, tuple[int, ...], tuple[int, ...]]:
    """Steps (T,), scores (S, T) with a row per seed, the seeds and which of them diverged (there a missing score is 0).

    `runs` has a row per run of one cell, `points` their curves; steps beyond `until` are left out. Raises RepriseError that
    begins with `where` where a run's curve has a hole.
    """
    seeds = tuple(sorted(map(int, runs["seed"])))
    diverged = tuple(sorted(map(int, runs.loc[runs["status"] == "diverged", "seed"])))
    drawn = points if until is None else points[points["step"] <= until]
    table = drawn.pivot(index="seed", columns="step", values="value").reindex(list(seeds)).sort_index(axis=1)
    table.loc[list(diverged)] = table.loc[list(diverged)].fillna(0.0)
    steps, scores = table.columns.to_numpy(dtype=int), table.to_numpy(dtype=float)
    for seed, step in [(seeds[row], steps[column]) for row, column in np.argwhere(~np.isfinite(scores))]:
        raise RepriseError(f"{where}: the run of seed {seed} has no score at step {step}; remove it and run it again")
    return steps, scores, seeds, diverged


def _few(steps: np.ndarray) -> str:
    """`5,000, 10,000, ... 50,000`."""
    shown = [f"{step:,}" for step in steps[:2]]
    return ", ".join([*shown, *([f"... {steps[-1]:,}"] if len(steps) > len(shown) else [])]) or "none"
