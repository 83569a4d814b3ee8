"""Rules A and B: every worked case of the statistics specification (section 4), scipy as the oracle, and the edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from benchmarks.metrics import METRICS
from results.verdict.family import Cell, judge_family, whole_column
from results.verdict.outcome import Outcome
from results.verdict.samples import Published, Sample
from results.verdict.words import Verdict

SCORE = METRICS["offline_rl"]["normalized_score"]


def judged(published: Published, ours: Sample, margin: float | None = None) -> Outcome:
    return judge_family([Cell(published, ours, SCORE.margin(published.value) if margin is None else margin)])[0]


@pytest.mark.parametrize(
    ("published", "ours", "t", "freedom", "p", "interval", "margin", "verdict"),
    [
        ((65.7, 0.5), (64.4, 0.6), -3.7219, 7.748, 0.0062, (-1.952, -0.648), 5.0, Verdict.REPRODUCED),
        ((92.1, 5.8), (78.0, 9.0), -2.9447, 6.834, 0.0222, (-23.205, -4.995), 5.0, Verdict.NOT_REPRODUCED),
        ((92.1, 5.8), (88.0, 9.0), -0.8563, None, 0.4209, (-13.205, 5.005), 5.0, Verdict.INCONCLUSIVE),
        ((31.6, 0.2), (9.0, 4.0), -12.618, 4.020, 0.0002, None, 3.16, Verdict.NOT_REPRODUCED),
    ],
)
def test_worked_cases_of_rule_a(published, ours, t, freedom, p, interval, margin, verdict) -> None:  # type: ignore[no-untyped-def]
    found = judged(Published(*published, "std1", 5), Sample(*ours, 5))
    (reading,) = found.readings
    assert (found.verdict, found.rule) == (verdict, "A")
    assert found.margin == pytest.approx(margin)
    assert reading.test.t == pytest.approx(t, abs=5e-4)
    assert reading.test.p == reading.p_adjusted == pytest.approx(p, abs=5e-5)
    if freedom is not None:
        assert reading.test.freedom == pytest.approx(freedom, abs=5e-4)
    if interval is not None:
        assert found.interval == pytest.approx(interval, abs=5e-4)


@pytest.mark.parametrize(
    ("published", "ours", "half", "margin", "verdict"),
    [
        (44.0, (46.9, 0.4), 0.381, 4.4, Verdict.REPRODUCED),
        (44.0, (46.9, 3.0), 2.860, 4.4, Verdict.INCONCLUSIVE),
        (95.0, (80.0, 2.0), 1.907, 5.0, Verdict.NOT_REPRODUCED),
    ],
)
def test_worked_cases_of_rule_b(
    published: float, ours: tuple[float, float], half: float, margin: float, verdict: Verdict
) -> None:
    found = judged(Published(published), Sample(*ours, 5))
    assert (found.verdict, found.rule, found.readings) == (verdict, "B", ())
    assert found.margin == pytest.approx(margin)
    assert found.interval is not None
    assert (found.interval[1] - found.interval[0]) / 2 == pytest.approx(half, abs=5e-4)


@pytest.mark.parametrize(
    ("published", "ours", "p", "verdict"),
    [
        ((65.7, 0.5), (64.4, 0.6), 0.0076, Verdict.REPRODUCED),
        ((92.1, 5.8), (78.0, 9.0), 0.0240, Verdict.NOT_REPRODUCED),
    ],
)
def test_the_first_two_keep_their_verdict_where_the_spread_is_a_population_one(
    published: tuple[float, float], ours: tuple[float, float], p: float, verdict: Verdict
) -> None:
    found = judged(Published(*published, "std0", 5), Sample(*ours, 5))
    assert found.verdict is verdict
    assert found.readings[0].test.p == pytest.approx(p, abs=5e-5)
    both = judged(Published(*published, "unknown", 5), Sample(*ours, 5))
    assert both.verdict is verdict
    assert [reading.kind.value for reading in both.readings] == ["std1", "std0"]


def test_readings_that_differ_decide_nothing() -> None:
    ours, parts = Sample(48.5, 6.0, 5), (60.0, 8.2)
    known = [judged(Published(*parts, kind, 5), ours).verdict for kind in ("std1", "std0")]
    assert known == [Verdict.NOT_REPRODUCED, Verdict.INCONCLUSIVE]
    found = judged(Published(*parts, "unknown", 5), ours)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "hangs on it" in found.reason


def test_welch_is_scipys_at_random_numbers_with_every_kind_of_spread() -> None:
    random = np.random.default_rng(5)
    for _ in range(200):
        m, s, n = random.normal(50, 20), random.uniform(0.1, 9), int(random.integers(2, 11))
        ours = Sample(random.normal(50, 20), random.uniform(0.1, 9), int(random.integers(3, 11)))
        for kind, factor in (("std1", 1.0), ("std0", math.sqrt(n / (n - 1))), ("sem", math.sqrt(n))):
            test = judged(Published(m, s, kind, n), ours, 5.0).readings[0].test
            oracle = stats.ttest_ind_from_stats(ours.mean, ours.spread, ours.n, m, s * factor, n, equal_var=False)
            assert test.t == pytest.approx(oracle.statistic, rel=1e-9)
            assert test.p == pytest.approx(oracle.pvalue, rel=1e-6, abs=1e-12)
            quantile = stats.t.ppf(0.95, test.freedom)
            assert test.interval[1] - test.difference == pytest.approx(quantile * test.error, rel=1e-9)


def test_without_any_spread_the_difference_decides_alone() -> None:
    published = Published(50.0, 0.0, "std1", 5)
    assert judged(published, Sample(54.9, 0.0, 3)).verdict is Verdict.REPRODUCED
    assert judged(published, Sample(55.0, 0.0, 3)).verdict is Verdict.REPRODUCED
    assert judged(published, Sample(55.1, 0.0, 3)).verdict is Verdict.NOT_REPRODUCED
    assert judged(published, Sample(50.0, 0.0, 3)).readings[0].test.p == 1.0


def test_one_spread_that_is_zero_is_welch_as_usual() -> None:
    found = judged(Published(50.0, 0.0, "std1", 5), Sample(48.0, 3.0, 5))
    assert found.readings[0].test.freedom == pytest.approx(4.0)
    oracle = stats.ttest_1samp([48 + 3 * z for z in _standardised(5)], 50.0)
    assert found.readings[0].test.p == pytest.approx(oracle.pvalue, rel=1e-9)


def _standardised(n: int) -> list[float]:
    raw = np.arange(n, dtype=float)
    return list((raw - raw.mean()) / raw.std(ddof=1))


@pytest.mark.parametrize(
    "published", [Published(50.0, 2.0, "std1", 1), Published(50.0, 2.0, "std1"), Published(50.0, n=5)]
)
def test_a_spread_without_two_seeds_or_seeds_without_a_spread_fall_under_rule_b(published: Published) -> None:
    assert judged(published, Sample(50.5, 0.4, 5)).rule == "B"


def test_too_few_seeds_are_inconclusive_and_no_run_is_not_run() -> None:
    two, none = judge_family(
        [
            Cell(Published(50.0, 1.0, "std1", 5), Sample(50.0, 0.1, 2), 5.0),
            Cell(Published(50.0, 1.0, "std1", 5), None, 5.0),
        ]
    )
    assert (two.verdict, two.reason) == (Verdict.INCONCLUSIVE, "2 of at least 3 seeds")
    assert none.verdict is Verdict.NOT_RUN


def test_a_deterministic_figure_needs_one_run_and_one_per_cent() -> None:
    metric = METRICS["face_detection"]["params_M"]
    for ours, verdict in ((31.7, Verdict.REPRODUCED), (31.85, Verdict.NOT_REPRODUCED)):
        cell = Cell(Published(31.46), Sample(ours, math.nan, 1), metric.margin(31.46), metric.seeds_needed, exact=True)
        assert [(each.verdict, each.rule) for each in judge_family([cell])] == [(verdict, "exact")]


def test_a_whole_column_needs_every_cell() -> None:
    good, bad, open_ = (Outcome(v, 1.0) for v in (Verdict.REPRODUCED, Verdict.NOT_REPRODUCED, Verdict.NOT_RUN))
    assert whole_column([good, good]) is Verdict.REPRODUCED
    assert whole_column([good, open_]) is Verdict.INCONCLUSIVE
    assert whole_column([good, open_, bad]) is Verdict.NOT_REPRODUCED


@pytest.mark.parametrize(
    ("family", "name", "value", "margin", "seeds"),
    [
        ("offline_rl", "normalized_score", 10.0, 2.0, 3),
        ("offline_rl", "normalized_score", 31.6, 3.16, 3),
        ("offline_rl", "normalized_score", 92.1, 5.0, 3),
        ("offline_rl", "normalized_score_sum", 920.4, 46.02, 3),
        ("offline_rl", "train_seconds_per_100_steps", 2.0, 0.4, 3),
        ("distillation", "AP", 41.5, 0.5, 3),
        ("distillation", "AP75", 41.5, 1.0, 3),
        ("face_detection", "AP", 99.0, 1.0, 3),
        ("face_detection", "AP_hard", 90.1, 1.0, 3),
        ("face_detection", "TPR@1000FP", 98.0, 1.0, 3),
        ("face_detection", "gmacs_640", 50.0, 0.5, 1),
    ],
)
def test_the_margin_belongs_to_the_metric(family: str, name: str, value: float, margin: float, seeds: int) -> None:
    metric = METRICS[family][name]
    assert metric.margin(value) == pytest.approx(margin)
    assert metric.seeds_needed == seeds
