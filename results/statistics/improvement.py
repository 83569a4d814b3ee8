"""How often one method beats another: P(X > Y), by pairs of runs on the same task."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.base import RepriseError
from results.statistics.scores import Scores


def probability_of_improvement(x: Scores, y: Scores) -> float:
    """P(X > Y): the mean over tasks of the share of pairs of runs in which X has the higher score, ties counting half.

    Tasks are matched by name; raises RepriseError where the two do not have the same tasks.
    """
    return float(np.mean([wins.mean() for wins in win_matrices(x, y)]))


def win_matrices(x: Scores, y: Scores) -> Iterator[np.ndarray]:
    """For each task of `x` (N_X, N_Y): 1 where that run of X beats that run of Y, 0.5 where they are equal, else 0."""
    if set(x.tasks) != set(y.tasks):
        odd = ", ".join(sorted(set(x.tasks) ^ set(y.tasks)))
        raise RepriseError(f"two methods are compared on the same tasks; only one has scores on {odd}")
    others = dict(y.columns())
    for task, column in x.columns():
        yield (1 + np.sign(column[:, None] - others[task])) / 2
