"""Rule B: nothing is known of the published spread. And figures without chance, which need no rule but the margin."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.special import stdtrit

from results.verdict.samples import Term, freedom_of
from results.verdict.welch import QUANTILE
from results.verdict.words import Verdict


def half_interval(terms: Sequence[Term]) -> float:
    """h: half of the 90 % interval of ours alone, t(0.95, n - 1) s / sqrt(n); of a sum over tasks by Welch and Satterthwaite."""
    error = math.sqrt(sum(term.variance for term in terms))
    return float(stdtrit(freedom_of(terms), QUANTILE)) * error if error else 0.0


def rule_b(difference: float, half: float, margin: float) -> Verdict:
    """Reproduced: |D| + h <= M. Not reproduced: |D| - h > 2 M, a second margin for the unknown published error."""
    if abs(difference) + half <= margin:
        return Verdict.REPRODUCED
    if abs(difference) - half > 2 * margin:
        return Verdict.NOT_REPRODUCED
    return Verdict.INCONCLUSIVE


def rule_exact(difference: float, margin: float) -> Verdict:
    """Parameters and multiply-adds: reproduced within the margin, else not."""
    return Verdict.REPRODUCED if abs(difference) <= margin else Verdict.NOT_REPRODUCED
