"""What stands behind a +-: standard deviations of either kind and standard errors, one turned into another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from benchmarks.base import RepriseError


class Spread(StrEnum):
    """A standard deviation over seeds with ddof 0 or 1, or the standard error of the mean."""

    std0 = "std0"
    std1 = "std1"
    sem = "sem"


def sample_std(values: Sequence[float] | np.ndarray) -> float:
    """The sample standard deviation (ddof 1) of the scores (N,): the spread that tables print. NaN for one run."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def convert_spread(spread: float, kind: Spread | str, to: Spread | str, n: int) -> float:
    """A spread over n seeds, of one kind, as another: s1 = s0 sqrt(n / (n - 1)), sem = s1 / sqrt(n).

    Raises RepriseError for a kind that says not what it is (`unknown`) and for n below 2.
    """
    for name in (kind, to):
        if name not in tuple(Spread):
            raise RepriseError(f"a spread of kind '{name}' cannot be converted; the kinds are {', '.join(Spread)}")
    if n < 2:
        raise RepriseError(
            f"a spread over {n} seed{'' if n == 1 else 's'} has no other form; it needs 2 seeds at least"
        )
    factors = {Spread.std0: math.sqrt(n / (n - 1)), Spread.std1: 1.0, Spread.sem: math.sqrt(n)}
    return spread * factors[Spread(kind)] / factors[Spread(to)]
