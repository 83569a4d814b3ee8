"""Curves small enough for a page: fewer points where a page holds many runs, and fewer digits."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.base import Json

POINTS = 40_000
"""Points of all curves of a page together; about half a megabyte."""

FEWEST, MOST = 2, 60
"""Points of one curve."""

DIGITS = 6
"""Significant digits of a number that is shown; curves have CURVE_DIGITS."""

CURVE_DIGITS = 4


def points_each(runs: int) -> int:
    """How many points each curve of a page with so many runs may have."""
    return max(FEWEST, min(MOST, POINTS // max(runs, 1)))


def thinned(steps: Sequence[int], values: Sequence[float], most: int) -> list[Json]:
    """[steps, values] with at most `most` points, evenly taken, the first and last among them."""
    count = len(steps)
    if count > most:
        kept = sorted({round(index * (count - 1) / (most - 1)) for index in range(most)})
        steps, values = [steps[index] for index in kept], [values[index] for index in kept]
    return [list(steps), [float(f"{value:.{CURVE_DIGITS}g}") for value in values]]
