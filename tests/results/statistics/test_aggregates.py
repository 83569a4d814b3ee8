"""Aggregates, profiles and comparisons against plain loops and SciPy."""

from __future__ import annotations

import math
import statistics
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchmarks.base import RepriseError
from results.statistics import (
    Scores,
    iqm,
    mean,
    median,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
    task_profile,
)

SCORE = st.integers(-40, 160).map(lambda eighths: eighths / 8)
"""Exact in binary, and often equal."""

RUNS = st.lists(SCORE, min_size=1, max_size=6)
MATRIX = st.lists(RUNS, min_size=1, max_size=5).map(lambda rows: {f"task {i}": row for i, row in enumerate(rows)})
PAIR = st.lists(st.tuples(RUNS, RUNS), min_size=1, max_size=5)

unhurried = settings(deadline=None, max_examples=50)
"""A busy machine is no failure."""


@unhurried
@given(MATRIX)
def test_the_interquartile_mean_is_scipys_trimmed_mean_of_all_runs(matrix: dict[str, list[float]]) -> None:
    pooled = [score for runs in matrix.values() for score in runs]
    assert iqm(Scores.of(matrix)) == pytest.approx(stats.trim_mean(pooled, 0.25), abs=1e-12)


@unhurried
@given(MATRIX)
def test_mean_and_median_are_over_the_means_of_tasks(matrix: dict[str, list[float]]) -> None:
    means = [statistics.fmean(runs) for runs in matrix.values()]
    assert mean(Scores.of(matrix)) == pytest.approx(statistics.fmean(means), abs=1e-12)
    assert median(Scores.of(matrix)) == pytest.approx(statistics.median(means), abs=1e-12)


@unhurried
@given(MATRIX, SCORE)
def test_the_optimality_gap_is_what_scores_cut_at_the_goal_lack(matrix: dict[str, list[float]], goal: float) -> None:
    lacks = [statistics.fmean(max(goal - score, 0.0) for score in runs) for runs in matrix.values()]
    assert optimality_gap(Scores.of(matrix), goal) == pytest.approx(statistics.fmean(lacks), abs=1e-12)


@unhurried
@given(MATRIX, st.lists(SCORE, min_size=1, max_size=4))
def test_profiles_count_what_lies_strictly_above(matrix: dict[str, list[float]], thresholds: list[float]) -> None:
    pooled = [score for runs in matrix.values() for score in runs]
    means = [statistics.fmean(runs) for runs in matrix.values()]
    scores = Scores.of(matrix)
    for threshold, of_runs, of_tasks in zip(
        thresholds, performance_profile(scores, thresholds), task_profile(scores, thresholds), strict=True
    ):
        assert of_runs == pytest.approx(sum(score > threshold for score in pooled) / len(pooled), abs=1e-12)
        assert of_tasks == pytest.approx(sum(each > threshold for each in means) / len(means), abs=1e-12)


@unhurried
@given(PAIR)
def test_the_probability_of_improvement_counts_pairs_of_runs_and_ties_half(
    pairs: list[tuple[list[float], list[float]]],
) -> None:
    shares = []
    for xs, ys in pairs:
        wins = sum(Fraction(x > y) + Fraction(x == y) / 2 for x in xs for y in ys)
        shares.append(wins / (len(xs) * len(ys)))
    x = Scores.of({f"task {i}": xs for i, (xs, _) in enumerate(pairs)})
    y = Scores.of({f"task {i}": ys for i, (_, ys) in enumerate(pairs)})
    assert probability_of_improvement(x, y) == pytest.approx(float(sum(shares) / len(shares)), abs=1e-12)
    assert probability_of_improvement(x, y) + probability_of_improvement(y, x) == pytest.approx(1.0, abs=1e-15)


@unhurried
@given(MATRIX)
def test_equal_scores_improve_on_each_other_half_of_the_time(matrix: dict[str, list[float]]) -> None:
    assert probability_of_improvement(Scores.of(matrix), Scores.of(matrix)) == 0.5


def test_the_probability_of_improvement_is_the_mann_whitney_statistic() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(1.0, 1.0, 7), rng.normal(0.0, 1.0, 9)
    expected = stats.mannwhitneyu(x, y).statistic / (7 * 9)
    assert probability_of_improvement(Scores.of({"a": x}), Scores.of({"a": y})) == pytest.approx(expected, abs=1e-12)


def test_tasks_are_matched_by_name_and_not_by_place() -> None:
    x = Scores.of({"a": [1.0, 1.0], "b": [5.0]})
    y = Scores.of({"b": [6.0, 4.0], "a": [0.0]})
    assert probability_of_improvement(x, y) == 0.75
    with pytest.raises(RepriseError, match="only one has scores on b, c"):
        probability_of_improvement(x, Scores.of({"a": [0.0], "c": [1.0]}))


def test_a_scale_turns_points_into_fractions_of_the_reference() -> None:
    scores = Scores.of({"a": [50.0, 100.0], "b": [25.0]}, scale=100)
    assert [(task, runs.tolist()) for task, runs in scores.columns()] == [("a", [0.5, 1.0]), ("b", [0.25])]
    assert scores.of_tasks(["b"]).pooled.tolist() == [0.25]
    with pytest.raises(RepriseError, match="no scores on c; there are scores on a, b"):
        scores.of_tasks(["a", "c"])


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ({}, "no task has a score"),
        ({"a": [1.0], "b": []}, "task 'b': scores of shape"),
        ({"a": [[1.0, 2.0]]}, r"task 'a': scores of shape \(1, 2\)"),
        ({"a": [1.0, math.nan]}, "task 'a': a score is not finite; a run that diverged has the score 0"),
        ({"a": [math.inf]}, "task 'a': a score is not finite"),
    ],
)
def test_what_is_no_matrix_of_scores_is_refused(matrix: dict[str, list[float]], message: str) -> None:
    with pytest.raises(RepriseError, match=message):
        Scores.of(matrix)
