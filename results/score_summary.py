"""What a file of scores says: every method's aggregates, profiles and comparisons, and what to beware of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from benchmarks.base import RepriseError, unknown
from results.score_file import ScoreFile
from results.statistics import (
    AGGREGATES,
    FEWEST_RUNS,
    PAIR_REPLICATES,
    REPLICATES,
    Interval,
    Scores,
    bootstrap_each,
    bootstrap_improvement,
    performance_profile,
    probability_of_improvement,
    task_profile,
)
from results.statistics.aggregates import value

THRESHOLDS = (0.5, 0.75, 0.9, 1.0)
"""Of the performance profiles, in units of the reference."""

PLAUSIBLE = (0.02, 20.0)
"""A largest score outside, in units of the reference, makes us ask whether the scale is right."""


@dataclass(frozen=True)
class Settings:
    """How the numbers are made. `replicates` None: REPLICATES for aggregates and PAIR_REPLICATES for comparisons."""

    scale: float = 100.0
    replicates: int | None = None
    seed: int = 0
    against: str | None = None
    common: bool = False

    @property
    def aggregate_replicates(self) -> int:
        """Bootstrap replicates of an aggregate."""
        return REPLICATES if self.replicates is None else self.replicates

    @property
    def pair_replicates(self) -> int:
        """Bootstrap replicates of a comparison."""
        return PAIR_REPLICATES if self.replicates is None else self.replicates


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval, None where there are too few runs."""

    value: float
    interval: Interval | None


@dataclass(frozen=True)
class MethodSummary:
    """One method: how many tasks and runs of each it has, its aggregates by name, its profiles at THRESHOLDS."""

    method: str
    tasks: int
    fewest_seeds: int
    most_seeds: int
    aggregates: dict[str, Estimate]
    profile: tuple[float, ...]
    task_profile: tuple[float, ...]


@dataclass(frozen=True)
class Comparison:
    """P(X > Y) over the tasks that both have; None where they have none in common."""

    x: str
    y: str
    tasks: int
    probability: Estimate | None


@dataclass(frozen=True)
class ScoreSummary:
    """The whole answer. `tasks` counts those the aggregates could be over."""

    tasks: int
    methods: tuple[MethodSummary, ...]
    comparisons: tuple[Comparison, ...]
    warnings: tuple[str, ...]


def summarise(file: ScoreFile, settings: Settings) -> ScoreSummary:
    """Every method of the file, and every pair of methods (or each against the one named by `settings.against`).

    A method's aggregates are over the tasks it has, with `settings.common` over those that all methods have. Raises
    RepriseError for a method that does not exist, a scale that is not positive, or no task in common.
    """
    if not (math.isfinite(settings.scale) and settings.scale > 0):
        raise RepriseError(f"--scale {settings.scale:g}: give the score of the reference, a number above 0")
    if settings.against is not None and settings.against not in file.scores:
        raise unknown("method", settings.against, file.scores, str(file.path))
    tasks = _tasks(file, settings.common)
    scores = {
        method: Scores.of({task: list(seen[task].values()) for task in tasks if task in seen}, settings.scale)
        for method, seen in file.scores.items()
    }
    return ScoreSummary(
        tasks=len(tasks),
        methods=tuple(_summary(method, each, settings) for method, each in scores.items()),
        comparisons=tuple(_comparison(x, y, scores, settings) for x, y in _pairs(list(scores), settings.against)),
        warnings=tuple(_warnings(file, scores, tasks, settings)),
    )


def _tasks(file: ScoreFile, common: bool) -> list[str]:
    if not common:
        return list(file.tasks)
    tasks = [task for task in file.tasks if all(task in seen for seen in file.scores.values())]
    if not tasks:
        raise RepriseError(f"{file.path}: --common: no task has scores of every method ({', '.join(file.scores)})")
    return tasks


def _summary(method: str, scores: Scores, settings: Settings) -> MethodSummary:
    aggregates = list(AGGREGATES.values())
    intervals = bootstrap_each(scores, aggregates, settings.aggregate_replicates, settings.seed)
    return MethodSummary(
        method=method,
        tasks=len(scores.tasks),
        fewest_seeds=scores.fewest,
        most_seeds=max(scores.sizes),
        aggregates={
            name: Estimate(value(aggregate, scores), interval)
            for (name, aggregate), interval in zip(AGGREGATES.items(), intervals, strict=True)
        },
        profile=tuple(performance_profile(scores, THRESHOLDS).tolist()),
        task_profile=tuple(task_profile(scores, THRESHOLDS).tolist()),
    )


def _pairs(methods: Sequence[str], against: str | None) -> list[tuple[str, str]]:
    if against is None:
        return list(combinations(methods, 2))
    return [(method, against) for method in methods if method != against]


def _comparison(x: str, y: str, scores: dict[str, Scores], settings: Settings) -> Comparison:
    tasks = [task for task in scores[x].tasks if task in scores[y].tasks]
    if not tasks:
        return Comparison(x, y, 0, None)
    of_x, of_y = scores[x].of_tasks(tasks), scores[y].of_tasks(tasks)
    interval = bootstrap_improvement(of_x, of_y, settings.pair_replicates, settings.seed)
    return Comparison(x, y, len(tasks), Estimate(probability_of_improvement(of_x, of_y), interval))


def _warnings(file: ScoreFile, scores: dict[str, Scores], tasks: Sequence[str], settings: Settings) -> list[str]:
    found = []
    for method, seen in file.scores.items():
        missing = [task for task in file.tasks if task not in seen]
        if missing:
            found.append(f"{method} has no scores on {_listed(missing)}.")
    if len(tasks) < len(file.tasks):
        found.append(f"{len(tasks)} of {len(file.tasks)} tasks are used: those that every method has.")
    elif found:
        found.append(
            "Aggregates over different tasks do not compare; --common restricts every method to the same tasks. A "
            "comparison of two methods is over the tasks that both have."
        )
    found += [text for method, each in scores.items() if (text := _unequal(method, each))]
    if len({(each.fewest, max(each.sizes)) for each in scores.values()}) > 1:
        counts = ", ".join(f"{method} {seeds(each.fewest, max(each.sizes))}" for method, each in scores.items())
        found.append(f"The methods do not have equally many seeds a task: {counts}.")
    return [*found, *_too_few(scores), *_scale(file, scores, settings), *_unused(file)]


def _unequal(method: str, scores: Scores) -> str:
    if scores.fewest == max(scores.sizes):
        return ""
    most = max(scores.sizes)
    fewer = [f"{task} ({size})" for task, size in zip(scores.tasks, scores.sizes, strict=True) if size < most]
    return (
        f"{method} has fewer than {most} seeds on {_listed(fewer)}: in the mean, median and optimality gap tasks count alike, "
        "in the IQM and the profile over runs those with more seeds count more."
    )


def _too_few(scores: dict[str, Scores]) -> list[str]:
    short = [f"{method} ({each.fewest})" for method, each in scores.items() if each.fewest < FEWEST_RUNS]
    if not short:
        return []
    return [f"No interval where a task has fewer than {FEWEST_RUNS} seeds: {_listed(short)}."]


def _scale(file: ScoreFile, scores: dict[str, Scores], settings: Settings) -> list[str]:
    largest = max(float(abs(each.pooled).max()) for each in scores.values())
    if PLAUSIBLE[0] <= largest <= PLAUSIBLE[1]:
        return []
    return [
        f"The score farthest from 0 is {largest * settings.scale:g}, which is {largest:g} of the reference at --scale "
        f"{settings.scale:g}: is that the score of the reference?"
    ]


def _unused(file: ScoreFile) -> list[str]:
    return [f"Columns that were not read: {', '.join(file.unused)}."] if file.unused else []


def _listed(names: Sequence[str], shown: int = 6) -> str:
    """The first few names, and how many more there are."""
    rest = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {rest} more" if rest > 0 else "")


def seeds(fewest: int, most: int) -> str:
    """`10`, or `3 to 10`."""
    return str(most) if fewest == most else f"{fewest} to {most}"
