"""The figures of the statistics specification, section 2, from ReBRAC's published scores."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from results.statistics import (
    AGGREGATES,
    Interval,
    Scores,
    bootstrap,
    bootstrap_improvement,
    expected_online_performance,
    iqm,
    mean,
    median,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
    sample_std,
    task_profile,
)

METHODS = ("ReBRAC", "TD3 + BC", "IQL")
ROBOTS = ("halfcheetah", "hopper", "walker2d")
DATA = ("random", "medium", "expert", "medium-expert", "medium-replay", "full-replay")
REPLICATES = 20_000

AGGREGATE = {
    "iqm": [(0.921071, 0.9107, 0.9308), (0.762650, 0.7412, 0.7828), (0.802111, 0.7792, 0.8232)],
    "mean": [(0.811347, 0.8043, 0.8178), (0.704091, 0.6893, 0.7182), (0.729499, 0.7121, 0.7445)],
    "median": [(0.991427, 0.9591, 1.0083), (0.764366, 0.7532, 0.7796), (0.831139, 0.7738, 0.8677)],
    "optimality_gap": [(0.219594, 0.2139, 0.2260), (0.315462, 0.3017, 0.3298), (0.292412, 0.2789, 0.3082)],
}
POINT = {"iqm": iqm, "mean": mean, "median": median, "optimality_gap": optimality_gap}
RUNS_ABOVE = {
    "ReBRAC": (0.827778, 0.700000, 0.550000, 0.466667),
    "TD3 + BC": (0.733333, 0.583333, 0.377778, 0.222222),
    "IQL": (0.733333, 0.577778, 0.422222, 0.255556),
}
TASKS_ABOVE = {
    "ReBRAC": (0.833333, 0.722222, 0.555556, 0.500000),
    "TD3 + BC": (0.777778, 0.555556, 0.333333, 0.166667),
    "IQL": (0.777778, 0.666667, 0.388889, 0.166667),
}
IMPROVEMENT = {
    ("ReBRAC", "TD3 + BC"): (0.832222, 0.8006, 0.8628),
    ("ReBRAC", "IQL"): (0.712222, 0.6689, 0.7550),
    ("IQL", "TD3 + BC"): (0.606667, 0.5556, 0.6567),
}
EXPECTED_BEST = {
    1: [(107.0924, 6.1210), (87.8236, 9.9887), (85.5019, 28.2406)],
    2: [(110.1667, 3.2649), (93.3789, 8.9550), (100.3802, 17.1740)],
    5: [(111.7505, 0.8665), (99.3515, 4.8164), (108.9743, 4.8626)],
    10: [(112.0465, 0.2754), (101.2949, 1.7341), (111.0554, 2.5162)],
}


@pytest.fixture(scope="module")
def table(shared_data: Path) -> pd.DataFrame:
    return pd.read_csv(shared_data / "offline_rl" / "rebrac_final_scores_per_seed.csv")


@pytest.fixture(scope="module")
def scores(table: pd.DataFrame) -> dict[str, Scores]:
    tasks = [f"{robot}-{data}-v2" for robot in ROBOTS for data in DATA]
    return {method: Scores.of({task: points(table, method, task) for task in tasks}, 100) for method in METHODS}


def points(table: pd.DataFrame, method: str, task: str) -> list[float]:
    rows = table[(table["method"] == method) & (table["task"] == task)]
    assert len(rows) == 10
    return rows["normalized_score"].tolist()


@pytest.mark.parametrize("name", AGGREGATE)
def test_aggregates_and_their_intervals_are_those_of_the_specification(name: str, scores: dict[str, Scores]) -> None:
    for method, (expected, low, high) in zip(METHODS, AGGREGATE[name], strict=True):
        assert POINT[name](scores[method]) == pytest.approx(expected, abs=1e-6)
        interval = bootstrap(scores[method], AGGREGATES[name], REPLICATES)
        assert interval == pytest.approx(Interval(low, high), abs=0.004), method


@pytest.mark.parametrize("method", METHODS)
def test_profiles_are_those_of_the_specification(method: str, scores: dict[str, Scores]) -> None:
    thresholds = (0.5, 0.75, 0.9, 1.0)
    assert performance_profile(scores[method], thresholds) == pytest.approx(RUNS_ABOVE[method], abs=1e-6)
    assert task_profile(scores[method], thresholds) == pytest.approx(TASKS_ABOVE[method], abs=1e-6)


@pytest.mark.parametrize("pair", IMPROVEMENT, ids=" over ".join)
def test_probabilities_of_improvement_are_those_of_the_specification(
    pair: tuple[str, str], scores: dict[str, Scores]
) -> None:
    x, y = (scores[method] for method in pair)
    expected, low, high = IMPROVEMENT[pair]
    assert probability_of_improvement(x, y) == pytest.approx(expected, abs=1e-6)
    assert bootstrap_improvement(x, y, REPLICATES) == pytest.approx(Interval(low, high), abs=0.004)


@pytest.mark.parametrize("k", EXPECTED_BEST)
def test_expected_online_performance_is_that_of_the_specification(k: int, table: pd.DataFrame) -> None:
    for method, (value, deviation) in zip(METHODS, EXPECTED_BEST[k], strict=True):
        found = expected_online_performance(points(table, method, "hopper-medium-expert-v2"), k)
        assert found == pytest.approx((value, deviation), abs=5.1e-5)  # printed with four decimals


def test_spreads_are_those_of_the_specification(table: pd.DataFrame) -> None:
    assert sample_std(points(table, "ReBRAC", "walker2d-medium-replay-v2")) == pytest.approx(14.1861, abs=5.1e-5)
    assert sample_std(points(table, "IQL", "hopper-medium-v2")) == pytest.approx(4.2955, abs=5.1e-5)
