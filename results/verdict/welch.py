"""Rule A: a published spread is at hand, so the difference of two means is tested, and tested for equivalence (Welch)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import stdtr, stdtrit

from results.verdict.samples import Term, freedom_of
from results.verdict.words import Verdict

LEVEL = 0.05
"""Of every test."""

QUANTILE = 1 - LEVEL
"""Of Student's t on either side: a 90 % interval, that is, two one-sided tests at 5 %."""


@dataclass(frozen=True)
class WelchTest:
    """A difference with its standard `error`, degrees of `freedom`, `t`, two-sided `p` and 90 % `interval`."""

    difference: float
    error: float
    freedom: float
    t: float
    p: float
    interval: tuple[float, float]


def welch_test(difference: float, terms: Sequence[Term]) -> WelchTest:
    """The test of a difference whose variance is the sum of the terms.

    Where that is zero, the interval is the difference itself and p is 1 for no difference, else 0.
    """
    error = math.sqrt(sum(term.variance for term in terms))
    if error == 0.0:
        t = math.copysign(math.inf, difference) if difference else 0.0
        return WelchTest(difference, 0.0, math.inf, t, 0.0 if difference else 1.0, (difference, difference))
    freedom, t = freedom_of(terms), difference / error
    half = float(stdtrit(freedom, QUANTILE)) * error
    return WelchTest(
        difference, error, freedom, t, 2 * float(stdtr(freedom, -abs(t))), (difference - half, difference + half)
    )


def rule_a(test: WelchTest, margin: float, p_adjusted: float) -> Verdict:
    """Reproduced: the 90 % interval lies inside the margin, even where p is small. Not reproduced: the adjusted p is below 5 %
    and the difference above the margin. Without any spread the difference decides alone.
    """
    if test.error == 0.0:
        return Verdict.REPRODUCED if abs(test.difference) <= margin else Verdict.NOT_REPRODUCED
    low, high = test.interval
    if -margin < low and high < margin:
        return Verdict.REPRODUCED
    if p_adjusted < LEVEL and abs(test.difference) > margin:
        return Verdict.NOT_REPRODUCED
    return Verdict.INCONCLUSIVE
