"""One number for many tasks: mean, median, interquartile mean and optimality gap, as in rliable (Agarwal et al. 2021)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from results.statistics.scores import Scores

Aggregate = Callable[[Scores, np.ndarray], np.ndarray]
"""From scores and their runs, resampled and laid out like `Scores.pooled` (..., runs), to numbers (...): one per resample.

An aggregate of several numbers returns (..., K).
"""

TRIMMED = 4
"""The interquartile mean leaves out a quarter of the runs on either side."""


def iqm(scores: Scores) -> float:
    """The interquartile mean: all runs pooled, the floor(runs / 4) lowest and highest left out, the mean of the rest."""
    return value(iqm_of, scores)


def mean(scores: Scores) -> float:
    """The mean over tasks of the means over runs: every task counts alike, however many runs it has."""
    return value(mean_of, scores)


def median(scores: Scores) -> float:
    """The median over tasks of the means over runs."""
    return value(median_of, scores)


def optimality_gap(scores: Scores, goal: float = 1.0) -> float:
    """How far the scores, cut at the `goal`, stay below it: goal - mean of min(score, goal), every task counting alike."""
    return value(optimality_gap_to(goal), scores)


def value(aggregate: Aggregate, scores: Scores) -> Any:
    """An aggregate of the scores themselves: a float, or an array (K,) where it has several numbers."""
    return aggregate(scores, scores.pooled[None])[0].tolist()


def iqm_of(scores: Scores, pooled: np.ndarray) -> np.ndarray:
    """`iqm` of every resample (..., runs)."""
    runs = pooled.shape[-1]
    cut = runs // TRIMMED
    if not cut:
        return pooled.mean(axis=-1)
    return np.partition(pooled, (cut, runs - cut - 1), axis=-1)[..., cut : runs - cut].mean(axis=-1)


def mean_of(scores: Scores, pooled: np.ndarray) -> np.ndarray:
    """`mean` of every resample (..., runs)."""
    return scores.task_means(pooled).mean(axis=-1)


def median_of(scores: Scores, pooled: np.ndarray) -> np.ndarray:
    """`median` of every resample (..., runs)."""
    return np.median(scores.task_means(pooled), axis=-1)


def optimality_gap_to(goal: float) -> Aggregate:
    """`optimality_gap` of every resample, to a goal of one's own."""

    def gap(scores: Scores, pooled: np.ndarray) -> np.ndarray:
        return goal - scores.task_means(np.minimum(pooled, goal)).mean(axis=-1)

    return gap


AGGREGATES: dict[str, Aggregate] = {
    "iqm": iqm_of,
    "mean": mean_of,
    "median": median_of,
    "optimality_gap": optimality_gap_to(1.0),
}
"""The aggregates a report shows, by name."""
