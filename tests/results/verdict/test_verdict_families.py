"""Many cells at once: Holm and q against plain loops, the family that runs do not choose, totals, and what to expect."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from results.verdict.comparisons import benjamini_hochberg, holm
from results.verdict.family import Cell, judge_family
from results.verdict.samples import Published, Sample
from results.verdict.totals import judge_total
from results.verdict.words import Verdict


def holm_by_loops(p: list[float]) -> list[float]:
    """A value's adjusted p is the largest of (m - rank) p over itself and all smaller ones."""
    adjusted = []
    for mine in p:
        worst = 0.0
        for other in p:
            if other <= mine:
                not_smaller = sum(1 for each in p if each >= other)
                worst = max(worst, not_smaller * other)
        adjusted.append(min(1.0, worst))
    return adjusted


def q_by_loops(p: list[float]) -> list[float]:
    m = len(p)
    return [
        min(1.0, *(m * other / sum(1 for each in p if each <= other) for other in p if other >= mine)) for mine in p
    ]


def test_holm_gives_the_specifications_figures() -> None:
    assert holm([0.0222, 0.0062, 0.0002, 0.3966]) == pytest.approx([0.0444, 0.0186, 0.0008, 0.3966], abs=1e-9)


def test_holm_and_q_are_those_of_plain_loops() -> None:
    random = np.random.default_rng(3)
    for size in range(1, 13):
        p = [float(value) for value in random.uniform(0, 1, size) ** 3]
        assert holm(p) == pytest.approx(holm_by_loops(p))
        assert benjamini_hochberg(p) == pytest.approx(q_by_loops(p))
    assert holm([]) == benjamini_hochberg([]) == []


FAILING = Cell(Published(92.1, 5.8, "std1", 5), Sample(78.0, 9.0, 5), 5.0)
FINE = Cell(Published(65.7, 0.5, "std1", 5), Sample(65.5, 0.6, 5), 5.0)


def test_not_reproduced_needs_the_adjusted_p() -> None:
    assert judge_family([FAILING])[0].verdict is Verdict.NOT_REPRODUCED
    outcome = judge_family([FAILING, FINE, FINE])[0]
    assert outcome.verdict is Verdict.INCONCLUSIVE
    assert outcome.readings[0].p_adjusted == pytest.approx(3 * outcome.readings[0].test.p)
    assert outcome.readings[0].q == pytest.approx(3 * outcome.readings[0].test.p)


def test_cells_not_run_keep_their_place_in_the_family_and_those_of_rule_b_have_none() -> None:
    absent = Cell(Published(50.0, 1.0, "std1", 5), None, 5.0)
    few = Cell(Published(50.0, 1.0, "std1", 5), Sample(20.0, 1.0, 2), 5.0)
    alone = judge_family([FAILING])[0].readings[0].p_adjusted
    assert judge_family([FAILING, absent, few])[0].readings[0].p_adjusted == pytest.approx(3 * alone)
    without_spread = Cell(Published(50.0), Sample(50.0, 1.0, 5), 5.0)
    assert judge_family([FAILING, without_spread])[0].readings[0].p_adjusted == alone


def test_reproduced_needs_no_adjustment() -> None:
    assert [each.verdict for each in judge_family([FINE] * 12)] == [Verdict.REPRODUCED] * 12


def test_a_reading_is_adjusted_within_its_own_reading_of_the_family() -> None:
    unknown = Cell(Published(92.1, 5.8, "unknown", 5), Sample(78.0, 9.0, 5), 5.0)
    first, second = judge_family([unknown, unknown])[0].readings
    assert first.p_adjusted == pytest.approx(2 * first.test.p)
    assert second.p_adjusted == pytest.approx(2 * second.test.p)
    assert second.test.p > first.test.p


def test_a_total_is_tested_with_the_variance_terms_of_every_task() -> None:
    random = np.random.default_rng(8)
    parts = [
        (
            Published(float(random.uniform(20, 100)), float(random.uniform(1, 6)), "std1", 5),
            Sample(float(random.uniform(20, 100)), float(random.uniform(1, 6)), 4),
        )
        for _ in range(12)
    ]
    printed = sum(published.value for published, _ in parts)
    variances = []
    for published, ours in parts:
        assert published.spread is not None
        variances += [(published.spread**2 / 5, 4), (ours.spread**2 / 4, 3)]
    error = math.sqrt(sum(v for v, _ in variances))
    freedom = error**4 / sum(v**2 / f for v, f in variances)
    difference = sum(ours.mean for _, ours in parts) - printed
    half = stats.t.ppf(0.95, freedom) * error
    found = judge_total(printed, 0.05 * printed, parts)
    assert (found.rule, found.difference) == ("A", pytest.approx(difference))
    assert found.interval == pytest.approx((difference - half, difference + half))
    assert found.readings[0].test.freedom == pytest.approx(freedom)
    average = judge_total(printed / 12, 0.05 * printed / 12, parts, average=True)
    assert average.verdict is found.verdict
    assert average.interval == pytest.approx((found.interval[0] / 12, found.interval[1] / 12))


def test_a_total_without_every_published_spread_falls_under_rule_b() -> None:
    parts = [(Published(50.0, 1.0, "std1", 5), Sample(51.0, 2.0, 5)), (Published(40.0), Sample(41.0, 1.0, 5))]
    found = judge_total(90.0, 4.5, parts)
    error = math.sqrt(4 / 5 + 1 / 5)
    freedom = 1.0 / ((4 / 5) ** 2 / 4 + (1 / 5) ** 2 / 4)
    half = stats.t.ppf(0.95, freedom) * error
    assert (found.rule, found.difference) == ("B", pytest.approx(2.0))
    assert found.interval == pytest.approx((2.0 - half, 2.0 + half))
    assert found.verdict is Verdict.REPRODUCED


def test_a_total_of_some_tasks_is_not_run_and_one_of_few_seeds_is_inconclusive() -> None:
    whole, none = Sample(50.0, 1.0, 5), None
    assert judge_total(100.0, 5.0, [(None, whole), (None, none)]).verdict is Verdict.NOT_RUN
    found = judge_total(100.0, 5.0, [(None, whole), (None, Sample(50.0, 1.0, 2))])
    assert (found.verdict, found.reason) == (Verdict.INCONCLUSIVE, "a task has 2 of at least 3 seeds")


@pytest.mark.parametrize(
    ("std", "shift", "verdict", "low", "high"),
    [
        (0.6, 0.0, Verdict.REPRODUCED, 0.99, 1.0),
        (3.0, 0.0, Verdict.REPRODUCED, 0.35, 0.65),
        (3.0, 0.0, Verdict.INCONCLUSIVE, 0.35, 0.65),
        (6.0, 0.0, Verdict.INCONCLUSIVE, 0.85, 1.0),
        (6.0, 15.0, Verdict.NOT_REPRODUCED, 0.8, 0.97),
    ],
)
def test_expected_behaviour_with_normal_scores_and_five_seeds_on_either_side(
    std: float, shift: float, verdict: Verdict, low: float, high: float
) -> None:
    random = np.random.default_rng(11)
    draws = random.normal(60.0, std, (400, 2, 5))
    draws[:, 1] -= shift
    found = [
        judge_family([Cell(Published(float(a.mean()), float(a.std(ddof=1)), "std1", 5), Sample.of(b), 5.0)])[0].verdict
        for a, b in draws
    ]
    assert low <= found.count(verdict) / len(found) <= high
