"""The stratified bootstrap against plain loops over the same draws."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from scipy import stats

from benchmarks.base import RepriseError
from results.statistics import (
    AGGREGATES,
    FEWEST_RUNS,
    Scores,
    bootstrap,
    bootstrap_difference,
    bootstrap_each,
    bootstrap_improvement,
    bootstrap_profile,
    percentile_interval,
    resample,
    resampling,
)
from results.statistics.profile import profile_at

UNEQUAL = {"a": [0.1, 0.9, 0.4, 0.7], "b": [1.2, 0.8, 1.1], "c": [0.3, 0.2, 0.5, 0.25, 0.6, 0.9]}
OTHER = {"c": [0.4, 0.7, 0.1], "a": [0.2, 0.6, 0.5], "b": [1.0, 1.3, 0.9, 0.7, 0.8]}
ROWS = 40


def drawn_by_loops(matrix: dict[str, list[float]], rng: np.random.Generator) -> list[dict[str, list[float]]]:
    """For each row and task, as many scores as the task has: the one at floor(u N) for the next number u."""
    rows = []
    for _ in range(ROWS):
        row = {}
        for task, runs in matrix.items():
            row[task] = [runs[int(rng.random() * len(runs))] for _ in runs]
        rows.append(row)
    return rows


def aggregates_by_loops(row: dict[str, list[float]]) -> dict[str, float]:
    means = [statistics.fmean(runs) for runs in row.values()]
    capped = [statistics.fmean(min(score, 1.0) for score in runs) for runs in row.values()]
    return {
        "iqm": float(stats.trim_mean([score for runs in row.values() for score in runs], 0.25)),
        "mean": statistics.fmean(means),
        "median": statistics.median(means),
        "optimality_gap": 1.0 - statistics.fmean(capped),
    }


@pytest.mark.parametrize("name", AGGREGATES)
@pytest.mark.parametrize("matrix", [UNEQUAL, {"a": UNEQUAL["a"], "b": [0.0, 1.0, 2.0, 0.5]}], ids=["unequal", "equal"])
def test_each_resample_draws_every_task_from_its_own_runs(name: str, matrix: dict[str, list[float]]) -> None:
    expected = [aggregates_by_loops(row)[name] for row in drawn_by_loops(matrix, np.random.default_rng(5))]
    found = resample(Scores.of(matrix), AGGREGATES[name], ROWS, np.random.default_rng(5))
    assert found == pytest.approx(expected, abs=1e-12)
    assert len(set(expected)) > ROWS / 4


def test_both_methods_of_a_pair_are_resampled_independently() -> None:
    for_x, for_y = np.random.default_rng(5).spawn(2)
    others = {task: OTHER[task] for task in UNEQUAL}
    pairs = list(zip(drawn_by_loops(UNEQUAL, for_x), drawn_by_loops(others, for_y), strict=True))
    expected = []
    for x, y in pairs:
        shares = [statistics.fmean((a > b) + 0.5 * (a == b) for a in x[task] for b in y[task]) for task in UNEQUAL]
        expected.append(statistics.fmean(shares))
    found = resampling.resample_improvement(Scores.of(UNEQUAL), Scores.of(OTHER), ROWS, 5)
    assert found == pytest.approx(expected, abs=1e-12)
    differences = [aggregates_by_loops(x)["iqm"] - aggregates_by_loops(y)["iqm"] for x, y in pairs]
    interval = bootstrap_difference(Scores.of(UNEQUAL), Scores.of(others), AGGREGATES["iqm"], ROWS, 5)
    assert interval == pytest.approx(np.percentile(differences, [2.5, 97.5]), abs=1e-12)


def test_the_interval_is_between_the_percentiles() -> None:
    assert percentile_interval(np.arange(1001.0)) == pytest.approx((25.0, 975.0))
    assert percentile_interval(np.arange(1001.0), 0.9) == pytest.approx((50.0, 950.0))
    scores = Scores.of(UNEQUAL)
    means = resample(scores, AGGREGATES["mean"], 500, np.random.default_rng(3))
    assert bootstrap(scores, AGGREGATES["mean"], 500, seed=3) == pytest.approx(np.percentile(means, [2.5, 97.5]))


def test_the_band_of_a_profile_is_the_interval_at_each_threshold() -> None:
    scores, thresholds = Scores.of(UNEQUAL), [0.3, 0.8]
    band = bootstrap_profile(scores, thresholds, 300, seed=2)
    assert band is not None
    for threshold, interval in zip(thresholds, band, strict=True):
        shares = resample(scores, profile_at([threshold]), 300, np.random.default_rng(2))
        assert interval == pytest.approx(np.percentile(shares, [2.5, 97.5]))
        assert interval.low < interval.high


def test_chunks_change_the_memory_and_not_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = Scores.of(UNEQUAL), Scores.of(OTHER)

    def everything() -> tuple[object, ...]:
        return (
            bootstrap(x, AGGREGATES["iqm"], 300, seed=7),
            bootstrap_difference(x, y, AGGREGATES["mean"], 300, seed=7),
            bootstrap_improvement(x, y, 300, seed=7),
        )

    whole = everything()
    for chunk in (1, 100, 1_000):
        monkeypatch.setattr(resampling, "CHUNK", chunk)
        assert everything() == whole


def test_the_generator_is_its_own() -> None:
    scores = Scores.of(UNEQUAL)
    before = np.random.get_state()[1].copy()
    first = bootstrap(scores, AGGREGATES["iqm"], 200, seed=1)
    assert (np.random.get_state()[1] == before).all()
    np.random.seed(9)
    assert bootstrap(scores, AGGREGATES["iqm"], 200, seed=1) == first
    assert bootstrap(scores, AGGREGATES["iqm"], 200, seed=2) != first


def test_fewer_than_three_runs_of_a_task_have_no_interval() -> None:
    few, enough = Scores.of({"a": [1.0, 2.0, 3.0], "b": [1.0, 2.0]}), Scores.of({"a": [1.0] * 3, "b": [2.0] * 3})
    assert FEWEST_RUNS == 3
    assert bootstrap(few, AGGREGATES["mean"], 10) is None
    assert bootstrap_profile(few, [0.5], 10) is None
    for x, y in ((few, enough), (enough, few)):
        assert bootstrap_improvement(x, y, 10) is None
        assert bootstrap_difference(x, y, AGGREGATES["mean"], 10) is None
    assert bootstrap(enough, AGGREGATES["mean"], 10) == (1.5, 1.5)


def test_no_replicates_are_refused() -> None:
    with pytest.raises(RepriseError, match="0 bootstrap replicates; give 1 or more"):
        bootstrap(Scores.of(UNEQUAL), AGGREGATES["mean"], 0)


def test_intervals_of_normal_means_cover_the_truth_as_often_as_they_should() -> None:
    """20 seeds of 10 tasks: the bootstrap is a little narrow, sqrt(19 / 20), so 93 to 95 % of intervals hold the mean."""
    rng = np.random.default_rng(0)
    held = 0
    for seed in range(200):
        scores = Scores.of({str(task): rng.normal(0.5, 0.2, 20) for task in range(10)})
        interval = bootstrap(scores, AGGREGATES["mean"], 400, seed)
        assert interval is not None
        held += interval.low <= 0.5 <= interval.high
    assert 0.90 <= held / 200 <= 0.98


def test_several_aggregates_at_once_have_the_intervals_of_each_alone() -> None:
    scores = Scores.of(UNEQUAL)
    found = bootstrap_each(scores, list(AGGREGATES.values()), 500, seed=3)
    assert found == [bootstrap(scores, aggregate, 500, seed=3) for aggregate in AGGREGATES.values()]
    assert bootstrap_each(Scores.of({"a": [1.0, 2.0]}), list(AGGREGATES.values()), 500) == [None] * 4
