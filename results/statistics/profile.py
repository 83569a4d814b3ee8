"""Performance profiles: how many runs, or tasks, score above each threshold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from results.statistics.aggregates import Aggregate
from results.statistics.scores import Scores


def performance_profile(scores: Scores, thresholds: Sequence[float] | np.ndarray) -> np.ndarray:
    """F(tau) (K,): the share of all runs with a score above each of K thresholds (strictly)."""
    return profile_at(thresholds)(scores, scores.pooled)


def task_profile(scores: Scores, thresholds: Sequence[float] | np.ndarray) -> np.ndarray:
    """F(tau) (K,) of task means: the share of tasks whose mean over runs lies above each threshold (strictly)."""
    return _above(scores.task_means(), thresholds)


def profile_at(thresholds: Sequence[float] | np.ndarray) -> Aggregate:
    """`performance_profile` of every resample (..., runs), as (..., K): for the bands of a figure."""
    return lambda scores, pooled: _above(pooled, thresholds)


def _above(values: np.ndarray, thresholds: Sequence[float] | np.ndarray) -> np.ndarray:
    return np.stack([(values > threshold).mean(axis=-1) for threshold in thresholds], axis=-1)
