"""D4RL's normalised score and its reference returns (protocol, section 1)."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np

from benchmarks.base import Metric, unknown

FloatOrArray = TypeVar("FloatOrArray", float, np.ndarray)

NORMALIZED_SCORE = Metric(
    name="normalized_score",
    unit="points",
    higher_is_better=True,
    margin=lambda published: min(5.0, max(2.0, 0.1 * abs(published))),
)


@cache
def reference_scores() -> dict[str, tuple[float, float]]:
    """(ref_min, ref_max) of every D4RL data set that has reference scores, by its D4RL name with version."""
    with (Path(__file__).parent / "d4rl_reference_scores.csv").open(newline="") as file:
        return {row["task"]: (float(row["ref_min"]), float(row["ref_max"])) for row in csv.DictReader(file)}


@cache
def references(name: str) -> tuple[float, float]:
    """(ref_min, ref_max) of a D4RL data set (`hopper-medium-v2`) or of an environment (`hopper`).

    References belong to the environment and not to the data version. Raises RepriseError for a name without any.
    """
    table = reference_scores()
    if name in table:
        return table[name]
    matches = {pair for task, pair in table.items() if task.split("-")[0] == name}
    if len(matches) == 1:
        return matches.pop()
    raise unknown("task with reference scores", name, table)


def normalized_score(name: str, returns: FloatOrArray) -> FloatOrArray:
    """100 (R - ref_min) / (ref_max - ref_min); never clipped."""
    low, high = references(name)
    return 100.0 * (returns - low) / (high - low)


def normalized_spread(name: str, spread: FloatOrArray) -> FloatOrArray:
    """A standard deviation of returns in score points: scaled only, never shifted by ref_min."""
    low, high = references(name)
    return 100.0 * spread / (high - low)
