"""A mean over seeds with the interval that a figure draws, and curves of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from results.statistics import FEWEST_RUNS, PAIR_REPLICATES, REPLICATES, Scores, bootstrap, resample
from results.statistics.interval import LEVEL

INTERVALS = (
    f"Intervals: 95 % percentile bootstrap of the mean over seeds; the range from lowest to highest where there are fewer than "
    f"{FEWEST_RUNS} seeds, none for one seed."
)


@dataclass(frozen=True)
class Estimate:
    """A number made of n runs, and its interval, None where one run has none."""

    value: float
    interval: tuple[float, float] | None
    n: int


def mean_over_seeds(values: Sequence[float]) -> Estimate:
    """The mean of (N,) scores: a 95 % bootstrap interval from three seeds on, the range for two, none for one."""
    scores = Scores.of({"": values})
    found = bootstrap(scores, lambda _, pooled: pooled.mean(axis=-1), REPLICATES)
    if found is not None:
        return Estimate(float(scores.pooled.mean()), found, len(values))
    interval = (min(values), max(values)) if len(values) > 1 else None
    return Estimate(float(scores.pooled.mean()), interval, len(values))


@dataclass(frozen=True)
class MeanCurve:
    """The mean over `n` seeds at each of T steps, and the ends of its interval there; all (T,). None for one seed."""

    steps: np.ndarray
    mean: np.ndarray
    interval: tuple[np.ndarray, np.ndarray] | None
    n: int


def mean_curve(steps: np.ndarray, scores: np.ndarray) -> MeanCurve:
    """Of curves (S, T), a row per seed: whole seeds are drawn with replacement, intervals are those of each step by itself."""
    n, mean = len(scores), scores.mean(axis=0)
    if n < 2:
        return MeanCurve(steps, mean, None, n)
    if n < FEWEST_RUNS:
        return MeanCurve(steps, mean, (scores.min(axis=0), scores.max(axis=0)), n)
    rows = Scores.of({"": np.arange(n)})
    drawn = resample(rows, lambda _, places: scores[places.astype(int)].mean(axis=-2), PAIR_REPLICATES, _generator())
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return MeanCurve(steps, mean, (low, high), n)


def _generator() -> np.random.Generator:
    """As in `bootstrap`: equal curves give equal bands."""
    return np.random.default_rng(0)
