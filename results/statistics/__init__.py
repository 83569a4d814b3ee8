"""What a matrix of scores says: aggregates, comparisons, profiles and their intervals (statistics specification, 1 and 2)."""

from results.statistics.aggregates import AGGREGATES, Aggregate, iqm, mean, median, optimality_gap
from results.statistics.improvement import probability_of_improvement
from results.statistics.interval import LEVEL, Interval, percentile_interval, wilson_interval
from results.statistics.online import ExpectedBest, expected_online_performance
from results.statistics.profile import performance_profile, task_profile
from results.statistics.resampling import (
    FEWEST_RUNS,
    PAIR_REPLICATES,
    REPLICATES,
    bootstrap,
    bootstrap_difference,
    bootstrap_each,
    bootstrap_improvement,
    bootstrap_profile,
    resample,
)
from results.statistics.scores import Scores
from results.statistics.spread import Spread, convert_spread, sample_std

__all__ = [
    "AGGREGATES",
    "FEWEST_RUNS",
    "LEVEL",
    "PAIR_REPLICATES",
    "REPLICATES",
    "Aggregate",
    "ExpectedBest",
    "Interval",
    "Scores",
    "Spread",
    "bootstrap",
    "bootstrap_difference",
    "bootstrap_each",
    "bootstrap_improvement",
    "bootstrap_profile",
    "convert_spread",
    "expected_online_performance",
    "iqm",
    "mean",
    "median",
    "optimality_gap",
    "percentile_interval",
    "performance_profile",
    "probability_of_improvement",
    "resample",
    "sample_std",
    "task_profile",
    "wilson_interval",
]
