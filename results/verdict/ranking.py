"""Ranking claims: "A beats B on k of T tasks", "A is best". Both methods come from our runs under one protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import mannwhitneyu

from results.statistics import PAIR_REPLICATES, Interval, Scores, bootstrap_improvement, probability_of_improvement
from results.verdict.comparisons import holm
from results.verdict.words import Verdict

EVEN = 0.5
"""P(A > B) of two methods of which neither beats the other."""


@dataclass(frozen=True)
class TaskWin:
    """One task: both means, and the one-sided Mann-Whitney p of A above B, alone and adjusted over the tasks after Holm."""

    task: str
    a: float
    b: float
    p: float
    p_adjusted: float


@dataclass(frozen=True)
class Ranking:
    """`probability` is P(A > B) over the tasks, `interval` its stratified bootstrap interval (None below three seeds)."""

    verdict: Verdict
    probability: float
    interval: Interval | None
    wins: tuple[TaskWin, ...]

    @property
    def ahead(self) -> int:
        """On how many tasks the mean of A is above that of B."""
        return sum(win.a > win.b for win in self.wins)


def rank(a: Scores, b: Scores, replicates: int = PAIR_REPLICATES, seed: int = 0) -> Ranking:
    """Whether A beats B on the tasks of both; higher scores are better. Raises RepriseError where the tasks differ.

    Reproduced: the lower end of the interval is above one half. Not reproduced: the upper end is below. Else inconclusive.
    """
    interval = bootstrap_improvement(a, b, replicates, seed)
    return Ranking(_verdict(interval), probability_of_improvement(a, b), interval, _wins(a, b))


def best(rankings: Sequence[Ranking]) -> Verdict:
    """Whether A is best, from its rankings against every other method: it must beat all."""
    verdicts = {ranking.verdict for ranking in rankings}
    if Verdict.NOT_REPRODUCED in verdicts:
        return Verdict.NOT_REPRODUCED
    return Verdict.REPRODUCED if verdicts == {Verdict.REPRODUCED} else Verdict.INCONCLUSIVE


def _verdict(interval: Interval | None) -> Verdict:
    if interval is not None and interval.low > EVEN:
        return Verdict.REPRODUCED
    if interval is not None and interval.high < EVEN:
        return Verdict.NOT_REPRODUCED
    return Verdict.INCONCLUSIVE


def _wins(a: Scores, b: Scores) -> tuple[TaskWin, ...]:
    others = dict(b.columns())
    p = [_above(column, others[task]) for task, column in a.columns()]
    return tuple(
        TaskWin(task, float(column.mean()), float(others[task].mean()), alone, adjusted)
        for (task, column), alone, adjusted in zip(a.columns(), p, holm(p), strict=True)
    )


def _above(a: np.ndarray, b: np.ndarray) -> float:
    return float(mannwhitneyu(a, b, alternative="greater").pvalue)
