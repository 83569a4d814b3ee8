"""Intervals: of resampled numbers by their percentiles, of a share of events after Wilson."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest

from benchmarks.base import RepriseError

LEVEL = 0.95


class Interval(NamedTuple):
    """From `low` to `high`, both included."""

    low: float
    high: float


def percentile_interval(replicates: np.ndarray, level: float = LEVEL) -> Interval:
    """The percentile interval of resampled numbers (R,): what lies between the (1 - level) / 2 quantiles of either end."""
    low, high = np.quantile(replicates, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def wilson_interval(events: int, runs: int, level: float = LEVEL) -> Interval:
    """The interval of a share, `events` of `runs` (Wilson 1927); raises RepriseError where that is no share."""
    if not 0 <= events <= runs or runs == 0:
        raise RepriseError(f"{events} of {runs} runs is no share; give 0 to {max(runs, 1)} events of 1 run or more")
    found = binomtest(events, runs).proportion_ci(confidence_level=level, method="wilson")
    return Interval(float(found.low), float(found.high))
