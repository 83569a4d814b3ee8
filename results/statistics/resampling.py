"""The stratified bootstrap: for each task, its runs drawn anew with replacement, and the aggregate computed again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.base import RepriseError
from results.statistics.aggregates import Aggregate
from results.statistics.improvement import win_matrices
from results.statistics.interval import LEVEL, Interval, percentile_interval
from results.statistics.profile import profile_at
from results.statistics.scores import Scores

FEWEST_RUNS = 3
"""With fewer runs of a task there is no interval."""

REPLICATES = 50_000
"""For reports; tests make do with fewer."""

PAIR_REPLICATES = 2_000
"""For P(X > Y), and for each point of a profile."""

CHUNK = 60_000
"""Numbers drawn at once: they stay within the processor's cache, and memory does not grow with the replicates."""


def bootstrap(
    scores: Scores, aggregate: Aggregate, replicates: int = REPLICATES, seed: int = 0, level: float = LEVEL
) -> Interval | None:
    """The percentile interval of an aggregate; None where a task has fewer than FEWEST_RUNS runs.

    The draws come from a PCG64 generator of their own, seeded by `seed`: equal arguments give equal intervals. Raises
    RepriseError for fewer replicates than one.
    """
    if scores.fewest < FEWEST_RUNS:
        return None
    return percentile_interval(resample(scores, aggregate, replicates, np.random.default_rng(seed)), level)


def bootstrap_each(
    scores: Scores, aggregates: Sequence[Aggregate], replicates: int = REPLICATES, seed: int = 0, level: float = LEVEL
) -> list[Interval | None]:
    """As `bootstrap`, of several aggregates from the same resamples: drawing these is half of the work."""
    if scores.fewest < FEWEST_RUNS:
        return [None] * len(aggregates)

    def together(scores: Scores, pooled: np.ndarray) -> np.ndarray:
        return np.stack([aggregate(scores, pooled) for aggregate in aggregates], axis=-1)

    found = resample(scores, together, replicates, np.random.default_rng(seed))
    return [percentile_interval(column, level) for column in found.T]


def bootstrap_difference(
    x: Scores,
    y: Scores,
    aggregate: Aggregate,
    replicates: int = REPLICATES,
    seed: int = 0,
    level: float = LEVEL,
) -> Interval | None:
    """As `bootstrap`, of the aggregate of X less that of Y, each resampled independently."""
    if min(x.fewest, y.fewest) < FEWEST_RUNS:
        return None
    for_x, for_y = np.random.default_rng(seed).spawn(2)
    differences = resample(x, aggregate, replicates, for_x) - resample(y, aggregate, replicates, for_y)
    return percentile_interval(differences, level)


def bootstrap_improvement(
    x: Scores, y: Scores, replicates: int = PAIR_REPLICATES, seed: int = 0, level: float = LEVEL
) -> Interval | None:
    """As `bootstrap`, of `probability_of_improvement(x, y)`, both resampled independently; raises as that does."""
    if min(x.fewest, y.fewest) < FEWEST_RUNS:
        return None
    return percentile_interval(resample_improvement(x, y, replicates, seed), level)


def bootstrap_profile(
    scores: Scores,
    thresholds: Sequence[float] | np.ndarray,
    replicates: int = PAIR_REPLICATES,
    seed: int = 0,
    level: float = LEVEL,
) -> list[Interval] | None:
    """As `bootstrap`, of `performance_profile` at each threshold by itself: the band of a figure."""
    if scores.fewest < FEWEST_RUNS:
        return None
    profiles = resample(scores, profile_at(thresholds), replicates, np.random.default_rng(seed))
    return [percentile_interval(column, level) for column in profiles.T]


def resample(scores: Scores, aggregate: Aggregate, replicates: int, generator: np.random.Generator) -> np.ndarray:
    """(R,), or (R, K) for an aggregate of K numbers: the aggregate of each of R resamples."""
    parts = (draw(scores, rows, generator) for rows in _chunks(replicates, len(scores.pooled)))
    return np.concatenate([aggregate(scores, scores.pooled.take(places)) for places in parts])


def resample_improvement(x: Scores, y: Scores, replicates: int, seed: int) -> np.ndarray:
    """(R,): P(X > Y) of each of R resamples.

    What is drawn is how often each run occurs, c_x and c_y; a task's wins are then c_x W c_y with W its `win_matrices`.
    """
    wins = list(win_matrices(x, y))
    y = y.of_tasks(x.tasks)
    generators = np.random.default_rng(seed).spawn(2)
    parts = []
    for rows in _chunks(replicates, max(len(x.pooled), len(y.pooled))):
        of_x, of_y = (
            np.split(_counts(draw(scores, rows, generator)), scores.starts[1:], axis=1)
            for scores, generator in zip((x, y), generators, strict=True)
        )
        shares = [((c_x @ W) * c_y).sum(axis=1) / W.size for c_x, W, c_y in zip(of_x, wins, of_y, strict=True)]
        parts.append(np.mean(shares, axis=0))
    return np.concatenate(parts)


def draw(scores: Scores, rows: int, generator: np.random.Generator) -> np.ndarray:
    """(rows, runs): places in `pooled`, in each row for each task as many as it has runs, from its own runs.

    A place is floor(u N_t) of one uniform number u in [0, 1), row by row: rows drawn in parts are those drawn at once.
    """
    uniform = generator.random((rows, len(scores.pooled)))
    uniform *= np.repeat(scores.sizes, scores.sizes)
    return uniform.astype(np.intp) + np.repeat(scores.starts, scores.sizes)


def _counts(places: np.ndarray) -> np.ndarray:
    """(rows, runs), float64: how often each run is drawn in each row of `draw`."""
    rows, runs = places.shape
    flat = (places + runs * np.arange(rows)[:, None]).ravel()
    return np.bincount(flat, minlength=rows * runs).reshape(rows, runs).astype(np.float64)


def _chunks(replicates: int, runs: int) -> Iterator[int]:
    """Numbers of rows that add up to the replicates, each of about CHUNK numbers."""
    if replicates < 1:
        raise RepriseError(f"{replicates} bootstrap replicates; give 1 or more")
    rows = max(1, CHUNK // runs)
    for first in range(0, replicates, rows):
        yield min(rows, replicates - first)
