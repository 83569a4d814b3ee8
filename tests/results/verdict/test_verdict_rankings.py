"""Rankings, directions and events on curves, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmarks.base import RepriseError
from results.statistics import Scores, bootstrap_improvement
from results.verdict.curve_events import Fate, collapse_share, fate, judge_collapse, judge_stability
from results.verdict.direction import Comparison, compare
from results.verdict.ranking import best, rank
from results.verdict.words import Direction, Verdict

HIGH = {"hopper": [60.0, 62.0, 64.0], "walker": [80.0, 81.0, 85.0]}
LOW = {"hopper": [40.0, 42.0, 41.0], "walker": [70.0, 71.0, 79.0]}
MIXED = {"hopper": [70.0, 72.0, 74.0], "walker": [70.0, 71.0, 79.0]}


def scores(by_task: dict[str, list[float]], shift: float = 0.0) -> Scores:
    return Scores.of({task: [value + shift for value in values] for task, values in by_task.items()})


def test_a_ranking_follows_the_interval_of_p_a_above_b() -> None:
    up, down, level = (
        rank(scores(HIGH), scores(LOW)),
        rank(scores(LOW), scores(HIGH)),
        rank(scores(HIGH), scores(MIXED)),
    )
    assert (up.verdict, down.verdict, level.verdict) == (
        Verdict.REPRODUCED,
        Verdict.NOT_REPRODUCED,
        Verdict.INCONCLUSIVE,
    )
    assert (up.probability, up.ahead, down.ahead, level.ahead) == (1.0, 2, 0, 1)
    assert level.interval == bootstrap_improvement(scores(HIGH), scores(MIXED))
    assert best([up, up]) is Verdict.REPRODUCED
    assert best([up, level]) is Verdict.INCONCLUSIVE
    assert best([up, level, down]) is Verdict.NOT_REPRODUCED


def test_each_task_is_tested_by_mann_whitney_and_adjusted_after_holm() -> None:
    wins = rank(scores(HIGH), scores(LOW)).wins
    # Three against three without ties: one of the 20 orders is as extreme as all above all.
    assert wins[0].p == pytest.approx(1 / 20)
    assert wins[0].p_adjusted == pytest.approx(2 / 20)
    for win in wins:
        assert win.p == stats.mannwhitneyu(HIGH[win.task], LOW[win.task], alternative="greater").pvalue
        assert (win.a, win.b) == (np.mean(HIGH[win.task]), np.mean(LOW[win.task]))


def test_equal_scores_are_even_and_below_three_seeds_nothing_is_ranked() -> None:
    flat = Scores.of({"hopper": [5.0, 5.0, 5.0]})
    assert rank(flat, flat).probability == 0.5
    assert rank(flat, flat).wins[0].p > 0.5
    few = rank(Scores.of({"hopper": [9.0, 8.0]}), Scores.of({"hopper": [1.0, 2.0]}))
    assert (few.verdict, few.interval) == (Verdict.INCONCLUSIVE, None)


def directed(a: dict[str, list[float]], b: dict[str, list[float]], published: float, **more: object) -> Comparison:
    return compare(scores(a), scores(b), published, 5.0, **more)  # type: ignore[arg-type]


ONE, OTHER = {"hopper": HIGH["hopper"]}, {"hopper": LOW["hopper"]}


def test_on_one_task_the_welch_interval_of_the_difference_speaks() -> None:
    found = directed(ONE, OTHER, +20.0)
    oracle = stats.ttest_ind(ONE["hopper"], OTHER["hopper"], equal_var=False).confidence_interval(0.90)
    assert found.interval == pytest.approx((oracle.low, oracle.high))
    assert (found.direction, found.ours, found.middle) == (Direction.AGREES, 21.0, 0.0)
    assert directed(ONE, OTHER, -20.0).direction is Direction.DISAGREES
    assert directed(OTHER, ONE, -20.0).direction is Direction.AGREES
    assert directed({"hopper": [39.0, 43.0, 44.0]}, OTHER, +20.0).direction is Direction.UNDECIDED


def test_on_several_tasks_p_a_above_b_speaks() -> None:
    found = directed(HIGH, LOW, +15.0)
    assert (found.direction, found.middle, found.tasks, found.seeds) == (Direction.AGREES, 0.5, 2, 3)
    assert found.interval == bootstrap_improvement(scores(HIGH), scores(LOW))
    assert directed(HIGH, LOW, -15.0).direction is Direction.DISAGREES
    assert directed(HIGH, MIXED, -15.0).direction is Direction.UNDECIDED


def test_a_published_difference_below_the_margin_says_nothing() -> None:
    found = directed(HIGH, LOW, 4.9)
    assert found.direction is None
    assert found.reason == "the published difference +4.9 is below the margin 5.0"
    assert directed(HIGH, LOW, 5.0).direction is Direction.AGREES


def test_few_seeds_and_runs_that_did_not_learn_decide_nothing() -> None:
    few = directed({"hopper": [60.0, 61.0]}, OTHER, 20.0)
    assert (few.direction, few.interval, few.seeds) == (Direction.UNDECIDED, None, 2)
    assert few.reason == "fewer than 3 seeds"
    idle = directed(ONE, OTHER, 20.0, random={"hopper": 20.5})
    assert (idle.direction, idle.reason) == (Direction.UNDECIDED, "2 runs did not learn")
    assert directed(ONE, OTHER, 20.0, random={"hopper": 19.9}).direction is Direction.AGREES


def curve(*parts: tuple[float, int]) -> list[float]:
    return [value for value, times in parts for _ in range(times)]


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        (curve((80.0, 20)), Fate.HELD),
        (curve((80.0, 10), (39.9, 10)), Fate.COLLAPSED),
        (curve((80.0, 10), (40.0, 10)), Fate.HELD),
        (curve((9.9, 25)), Fate.NEVER_LEARNED),
        (curve((0.0, 5), (90.0, 1), (0.0, 14)), Fate.NEVER_LEARNED),
        (curve((0.0, 10), (60.0, 10)), Fate.HELD),
    ],
)
def test_the_fate_of_a_seed(scores: list[float], expected: Fate) -> None:
    windows = [sum(scores[i : i + 10]) / 10 for i in range(len(scores) - 9)]
    by_hand = (
        Fate.NEVER_LEARNED
        if max(windows) < 10
        else Fate.COLLAPSED
        if sum(scores[-10:]) / 10 < max(windows) / 2
        else Fate.HELD
    )
    assert fate(scores) is by_hand is expected


def test_a_short_curve_has_no_fate() -> None:
    with pytest.raises(RepriseError, match="20 evaluations"):
        fate([50.0] * 19)


def test_the_share_of_collapsed_seeds_has_wilsons_interval() -> None:
    share = collapse_share([Fate.COLLAPSED, Fate.HELD, Fate.HELD, Fate.NEVER_LEARNED])
    assert (share.collapsed, share.learned, share.never_learned) == (1, 3, 1)
    z, p, n = 1.959963985, 1 / 3, 3
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    assert share.interval == pytest.approx((centre - half, centre + half), abs=1e-8)


def test_collapse_is_reproduced_by_one_seed_in_the_arm_and_none_in_the_reference() -> None:
    held, one = [Fate.HELD] * 3, [Fate.HELD, Fate.HELD, Fate.COLLAPSED]
    assert judge_collapse(one, held) is Verdict.REPRODUCED
    assert judge_collapse(one, one) is Verdict.NOT_REPRODUCED
    assert judge_collapse(held, held) is Verdict.NOT_REPRODUCED
    assert judge_collapse(one[1:], held) is Verdict.INCONCLUSIVE
    assert judge_collapse(one, [Fate.HELD, Fate.HELD, Fate.NEVER_LEARNED]) is Verdict.INCONCLUSIVE


def test_stability_fails_by_one_collapse_and_needs_three_seeds_that_learned() -> None:
    assert judge_stability([Fate.HELD] * 3) is Verdict.REPRODUCED
    assert judge_stability([Fate.HELD, Fate.COLLAPSED]) is Verdict.NOT_REPRODUCED
    assert judge_stability([Fate.HELD] * 2) is Verdict.INCONCLUSIVE
