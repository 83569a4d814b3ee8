"""How much better a method is than another one: the difference paired by seed, with its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

FEWEST_SEEDS = 3
"""Below it there is no interval (statistics specification, section 1)."""

LEVEL = 0.95


@dataclass(frozen=True)
class Gain:
    """The mean difference over `n` seeds and its 95 % interval, None below `FEWEST_SEEDS`."""

    mean: float
    n: int
    interval: tuple[float, float] | None

    @property
    def within_noise(self) -> bool:
        """Whether the interval leaves the sign open."""
        return self.interval is not None and self.interval[0] <= 0.0 <= self.interval[1]


def paired_gain(scores: Mapping[int, float], reference: Mapping[int, float]) -> Gain | None:
    """Scores less the reference's of the same seed (seed -> score), with Student's t over the differences.

    Runs of one seed see the same data in the same order, so that pairing removes what the seed does to both. None where no
    seed is in both.
    """
    seeds = sorted(set(scores) & set(reference))
    if not seeds:
        return None
    differences = np.array([scores[seed] - reference[seed] for seed in seeds])
    n, mean = len(seeds), float(differences.mean())
    if n < FEWEST_SEEDS:
        return Gain(mean, n, None)
    half = float(stats.t.ppf(0.5 + LEVEL / 2, n - 1) * differences.std(ddof=1)) / math.sqrt(n)
    return Gain(mean, n, (mean - half, mean + half))
