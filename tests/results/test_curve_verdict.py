"""The verdict on an early curve against plain loops, and every way it can come out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from results.curve_verdict import Judgement, judge
from results.published_curves import PublishedCurve
from results.verdict.words import Direction

T95 = {2: 2.919985580, 3: 2.353363435, 4: 2.131846786}
"""Student's t, one-sided 95 %, by degrees of freedom, from printed tables."""


def published(mean: Sequence[float], half: float = 1.0) -> PublishedCurve:
    line = np.array(mean, dtype=float)
    return PublishedCurve(5_000 * np.arange(1, len(line) + 1), line, line - half, line + half)


def level(*ends: float, length: int = 5) -> np.ndarray:
    """A flat curve per seed."""
    return np.array([[end] * length for end in ends])


def verdict(
    scores: np.ndarray, curve: PublishedCurve, diverged: Sequence[int] = (), tolerance: float = 10, learned: float = 10
) -> Judgement:
    return judge(scores, list(range(len(scores))), diverged, curve, tolerance, learned)


def by_hand(scores: list[list[float]], mean: list[float], low: list[float], high: list[float]) -> dict[str, float]:
    """The numbers of a verdict, in loops."""
    seeds, steps = len(scores), len(mean)
    ends = [sum(curve[steps - 3 : steps]) / 3 for curve in scores]
    ours = sum(ends) / seeds
    target = sum(mean[steps - 3 : steps]) / 3
    half_band = sum((high[t] - low[t]) / 2 for t in range(steps - 3, steps)) / 3
    spread = math.sqrt(sum((end - ours) ** 2 for end in ends) / (seeds - 1))
    near = 0
    for start in range(steps - 2):
        window = range(start, start + 3)
        mine = sum(curve[t] for curve in scores for t in window) / (3 * seeds)
        theirs = sum(mean[t] for t in window) / 3
        band = sum((high[t] - low[t]) / 2 for t in window) / 3
        near += abs(mine - theirs) <= max(10.0, band)
    return {
        "ours": ours,
        "spread": spread,
        "half_interval": T95[seeds - 1] * spread / math.sqrt(seeds),
        "published": target,
        "difference": ours - target,
        "half_band": half_band,
        "tolerance": max(10.0, half_band),
        "near": near,
        "windows": steps - 2,
    }


@pytest.mark.parametrize("seeds", [3, 4, 5])
def test_the_numbers_are_those_of_plain_loops(seeds: int) -> None:
    random = np.random.default_rng(seeds)
    mean = (40 + random.normal(0, 15, 9)).tolist()
    low = [value - random.uniform(0, 25) for value in mean]
    high = [value + random.uniform(0, 25) for value in mean]
    scores = [[value + random.normal(0, 14) for value in mean] for _ in range(seeds)]
    curve = PublishedCurve(5_000 * np.arange(1, 10), np.array(mean), np.array(low), np.array(high))
    found = verdict(np.array(scores), curve)
    expected = by_hand(scores, mean, low, high)
    assert {name: getattr(found, name) for name in expected} == pytest.approx(expected, rel=1e-8)
    assert (found.n, found.first_step, found.last_step) == (seeds, 35_000, 45_000)
    edge, half = abs(expected["difference"]), expected["half_interval"]
    inside, outside = edge + half <= expected["tolerance"], edge - half > expected["tolerance"]
    known = Direction.AGREES if inside else Direction.DISAGREES if outside else Direction.UNDECIDED
    assert found.direction is known


def test_the_whole_curve_is_counted_in_means_of_three() -> None:
    flat, wide = [50.0] * 6, [35.0, 35.0, 35.0, 50.0, 50.0, 50.0]
    found = verdict(np.array([wide] * 3), published(flat))
    # means of three: 35, 40, 45, 50 against 50: the first is 15 away, the second just 10
    assert (found.near, found.windows) == (3, 4)


def test_three_close_seeds_agree_and_three_far_ones_disagree_on_either_side() -> None:
    curve = published([30.0] * 5)
    assert verdict(level(31, 33, 32), curve).words == "agrees"
    assert verdict(level(51, 52, 53), curve).words == "disagrees"
    assert verdict(level(11, 12, 13), curve).words == "disagrees"


def test_an_interval_over_an_edge_is_undecided_and_says_on_which_side_the_mean_lies() -> None:
    curve = published([30.0] * 5)
    inside, outside = verdict(level(36, 39, 42), curve), verdict(level(38, 41, 44), curve)
    assert (inside.words, outside.words) == ("undecided, inside", "undecided, outside")
    assert inside.reasons == outside.reasons == ("the 90 % interval covers an edge of the tolerance",)


def test_the_edge_itself_still_agrees() -> None:
    assert verdict(level(40, 40, 40), published([30.0] * 5)).words == "agrees"
    assert verdict(level(40.001, 40.001, 40.001), published([30.0] * 5)).words == "disagrees"


def test_a_band_wider_than_the_tolerance_replaces_it() -> None:
    far = level(44, 45, 46)
    assert verdict(far, published([30.0] * 5, half=1.0)).words == "disagrees"
    wide = verdict(far, published([30.0] * 5, half=20.0))
    assert (wide.words, wide.tolerance) == ("agrees", 20.0)


@pytest.mark.parametrize("ends", [(31.0,), (31.0, 32.0)])
def test_fewer_than_three_seeds_decide_nothing_but_have_a_side(ends: tuple[float, ...]) -> None:
    found = verdict(level(*ends), published([30.0] * 5))
    assert (found.words, found.reasons, found.half_interval) == ("undecided, inside", ("fewer than 3 seeds",), None)
    assert (found.spread is None) == (len(ends) == 1)
    assert verdict(level(*(end + 20 for end in ends)), published([30.0] * 5)).words == "undecided, outside"


def test_a_seed_that_did_not_learn_leaves_the_task_undecided() -> None:
    scores = level(40, 40, 4)
    scores[2, 0] = 25.0  # one lucky evaluation: the mean of three is 11 and counts as learned
    assert verdict(scores, published([30.0] * 5)).reasons != ("seed 2 did not learn",)
    scores[2, 0] = 20.0  # 28 / 3 does not
    found = verdict(scores, published([30.0] * 5))
    assert (found.direction, found.reasons) == (Direction.UNDECIDED, ("seed 2 did not learn",))
    assert verdict(level(4, 5, 40), published([30.0] * 5)).reasons == ("seeds 0, 1 did not learn",)


def test_a_diverged_seed_counts_with_an_end_of_zero() -> None:
    scores = level(30, 30, 30)
    found = verdict(scores, published([30.0] * 5), diverged=[1])
    assert found.ours == pytest.approx(20.0)
    assert found.n == 3
    assert verdict(scores, published([30.0] * 5)).ours == pytest.approx(30.0)
