"""Events on learning curves: collapse and stability (statistics specification, 3; offline RL methods, 1.9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from benchmarks.base import RepriseError
from results.statistics import FEWEST_RUNS, Interval, wilson_interval
from results.verdict.words import Verdict

WINDOW = 10
FEWEST_EVALUATIONS = 20
LEARNED = 10.0
"""Points of normalised score."""


class Fate(StrEnum):
    """What became of one seed."""

    HELD = "held"
    COLLAPSED = "collapsed"
    NEVER_LEARNED = "never learned"


@dataclass(frozen=True)
class CollapseShare:
    """Of the seeds that learned, how many collapsed, with the 95 % Wilson interval of the share (None where none learned)."""

    collapsed: int
    learned: int
    never_learned: int
    interval: Interval | None


def fate(scores: Sequence[float] | np.ndarray) -> Fate:
    """Of a curve (T,) of normalised scores in points.

    Collapse: the mean of the last ten evaluations is below half of the best mean of ten neighbouring ones. A run in which that
    best stays below 10 points never learned. Raises RepriseError below 20 evaluations.
    """
    if len(scores) < FEWEST_EVALUATIONS:
        raise RepriseError(
            f"a collapse needs {FEWEST_EVALUATIONS} evaluations to be told; this curve has {len(scores)}"
        )
    means = sliding_window_view(np.asarray(scores, dtype=float), WINDOW).mean(axis=-1)
    if means.max() < LEARNED:
        return Fate.NEVER_LEARNED
    return Fate.COLLAPSED if means[-1] < means.max() / 2 else Fate.HELD


def collapse_share(fates: Sequence[Fate]) -> CollapseShare:
    """The share of collapsed seeds of one arm."""
    collapsed, idle = fates.count(Fate.COLLAPSED), fates.count(Fate.NEVER_LEARNED)
    learned = len(fates) - idle
    return CollapseShare(collapsed, learned, idle, wilson_interval(collapsed, learned) if learned else None)


def judge_collapse(arm: Sequence[Fate], reference: Sequence[Fate]) -> Verdict:
    """The claim that the named arm collapses and the reference arm does not.

    Reproduced: at least one seed collapses in the arm and none in the reference. Inconclusive: fewer than three seeds of either
    learned, for a run that never learned has nothing to lose.
    """
    named, other = collapse_share(arm), collapse_share(reference)
    if min(named.learned, other.learned) < FEWEST_RUNS:
        return Verdict.INCONCLUSIVE
    return Verdict.REPRODUCED if named.collapsed and not other.collapsed else Verdict.NOT_REPRODUCED


def judge_stability(arm: Sequence[Fate]) -> Verdict:
    """The claim that an arm never collapses. Inconclusive where fewer than three seeds learned and none collapsed."""
    share = collapse_share(arm)
    if share.collapsed:
        return Verdict.NOT_REPRODUCED
    return Verdict.REPRODUCED if share.learned >= FEWEST_RUNS else Verdict.INCONCLUSIVE
