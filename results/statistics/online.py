"""Expected online performance: how good the best of k hyperparameter configurations is, tried by chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.base import RepriseError


class ExpectedBest(NamedTuple):
    """The expected best score and its standard deviation, in the unit of the scores."""

    value: float
    deviation: float


def expected_online_performance(values: Sequence[float] | np.ndarray, k: int) -> ExpectedBest:
    """EOP(k): of M configurations with the scores `values` (M,), k are drawn with replacement and the best one is kept.

    Each value is the mean over seeds of one configuration. k = 1 gives the mean; a growing k tends to the maximum (Dodge et
    al. 2019; ReBRAC). Raises RepriseError where there is no configuration, or k is below 1.
    """
    if k < 1 or not len(values):
        raise RepriseError(f"the best of {k} out of {len(values)} configurations; both numbers must be 1 or more")
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    chances = np.diff((np.arange(len(ordered) + 1) / len(ordered)) ** k)
    value = float(chances @ ordered)
    return ExpectedBest(value, float(np.sqrt(chances @ (ordered - value) ** 2)))
