"""The separate class of verdicts for rebuilt or embedded data and tiers below `paper`: does the direction agree?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from results.statistics import (
    FEWEST_RUNS,
    PAIR_REPLICATES,
    Scores,
    bootstrap_improvement,
    probability_of_improvement,
)
from results.verdict.ranking import EVEN
from results.verdict.samples import Sample
from results.verdict.welch import welch_test
from results.verdict.words import Direction


@dataclass(frozen=True)
class Comparison:
    """What our runs say of "A above B".

    On one task `ours` is m_A - m_B, `interval` its 90 % Welch interval and `middle` 0; on several `ours` is P(A > B), `interval`
    its 95 % stratified bootstrap interval and `middle` one half. No interval where there are too few seeds; no direction where
    the published difference is no statement. `reason` says why nothing is decided.
    """

    direction: Direction | None
    published: float
    margin: float
    ours: float
    interval: tuple[float, float] | None
    middle: float
    seeds: int
    tasks: int
    reason: str = ""


def compare(
    a: Scores,
    b: Scores,
    published: float,
    margin: float,
    random: Mapping[str, float] | None = None,
    replicates: int = PAIR_REPLICATES,
    seed: int = 0,
) -> Comparison:
    """Whether our runs of A and B, on the same tasks and higher being better, differ as m_A - m_B = `published` does.

    `random` is the score of acting or detecting at random, by task: a run at or below twice that did not learn, and then nothing
    is decided. Nothing is said where the published difference is below the margin.
    """
    fewest = min(a.fewest, b.fewest)
    ours, interval, middle = _on_one(a, b) if len(a.tasks) == 1 else _on_several(a, b, replicates, seed)
    direction, reason = _decide(published, margin, interval, middle)
    idle = _idle(a, random or {}) + _idle(b, random or {})
    if direction is not None and interval is not None and idle:
        direction, reason = Direction.UNDECIDED, f"{idle} run{'s' if idle > 1 else ''} did not learn"
    return Comparison(direction, published, margin, ours, interval, middle, fewest, len(a.tasks), reason)


def _on_one(a: Scores, b: Scores) -> tuple[float, tuple[float, float] | None, float]:
    first, second = Sample.of(a.pooled), Sample.of(b.pooled)
    difference = first.mean - second.mean
    if min(first.n, second.n) < FEWEST_RUNS:
        return difference, None, 0.0
    return difference, welch_test(difference, [first.term, second.term]).interval, 0.0


def _on_several(a: Scores, b: Scores, replicates: int, seed: int) -> tuple[float, tuple[float, float] | None, float]:
    return probability_of_improvement(a, b), bootstrap_improvement(a, b, replicates, seed), EVEN


def _decide(
    published: float, margin: float, interval: tuple[float, float] | None, middle: float
) -> tuple[Direction | None, str]:
    if abs(published) < margin:
        return None, f"the published difference {published:+.1f} is below the margin {margin:.1f}"
    if interval is None:
        return Direction.UNDECIDED, f"fewer than {FEWEST_RUNS} seeds"
    low, high = interval
    if low <= middle <= high:
        return Direction.UNDECIDED, "the interval covers the middle"
    return (Direction.AGREES if (low > middle) == (published > 0) else Direction.DISAGREES), ""


def _idle(scores: Scores, random: Mapping[str, float]) -> int:
    """How many runs did not learn."""
    return sum(int((column <= 2 * random[task]).sum()) for task, column in scores.columns() if task in random)
