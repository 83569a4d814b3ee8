"""Which ground-truth box every detection is assigned to (protocol, sections 3.2 and 3.3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

Variant = Literal["float", "int32"]
VARIANTS: tuple[Variant, ...] = ("float", "int32")
"""`float`: the common Python port. `int32`: the official MATLAB code, whose integer type spreads over its arithmetic."""

NONE = -1
"""Assigned to no box."""

_PAIRS_AT_ONCE = 200_000
_FARTHEST = 1e12
"""Pixels. Numbers beyond it are taken for it: no box there can hit a face, and sums of such numbers stay finite."""

_WIDEST = 1e6
"""Pixels. Centres farther out are sorted as if they lay here, so that keys of images and places keep their digits."""

_SLACK = 1e-3
"""Pixels by which the search for candidates is wider than exact arithmetic asks for."""

_INT32_MAX = 2.0**31 - 1


@dataclass(frozen=True)
class _Sides:
    """Boxes by their corners (float64), and their extent with the pixel that `plus` adds."""

    x: np.ndarray
    y: np.ndarray
    right: np.ndarray
    bottom: np.ndarray
    wide: np.ndarray
    high: np.ndarray
    area: np.ndarray


def assign(
    detections: np.ndarray,
    detection_starts: np.ndarray,
    boxes: np.ndarray,
    box_starts: np.ndarray,
    variant: Variant = "float",
    plus: float = 1.0,
    iou: float = 0.5,
) -> np.ndarray:
    """The row of `boxes` that each detection hits, -1 where it hits none: (D,).

    `detections` (D, 4) and `boxes` (N, 4) are x, y, w, h; rows `starts[i]:starts[i + 1]` belong to image i. A detection is
    assigned to the box with the largest overlap, the first of equals, and hits it where the overlap is at least `iou`. In
    `int32` overlaps are rounded to integers, so the first box that passes one half takes it.
    """
    found, truth = _sides(detections, plus), _sides(boxes, plus)
    image_of_found = np.repeat(np.arange(len(detection_starts) - 1), np.diff(detection_starts))
    image_of_truth = np.repeat(np.arange(len(box_starts) - 1), np.diff(box_starts))
    assigned = np.full(len(detections), NONE, np.int64)
    if not len(boxes) or not len(detections):
        return assigned
    reach = _reach_float(iou) if variant == "float" else _reach_int32()
    overlap = _overlap_float if variant == "float" else _overlap_int32
    for rows, columns in _candidates(found, image_of_found, truth, image_of_truth, reach):
        rows, columns, value = overlap(found, truth, rows, columns, plus)
        hit = value >= iou
        rows, columns, value = rows[hit], columns[hit], value[hit]
        order = np.lexsort((columns, -value, rows))
        first = np.diff(rows[order], prepend=-1) != 0
        assigned[rows[order][first]] = columns[order][first]
    return assigned


def _sides(boxes: np.ndarray, plus: float) -> _Sides:
    x, y, w, h = np.clip(boxes.astype(np.float64), -_FARTHEST, _FARTHEST).T
    right, bottom = x + w, y + h
    wide, high = right - x + plus, bottom - y + plus
    return _Sides(x, y, right, bottom, wide, high, wide * high)


def _reach_float(iou: float) -> tuple[float, float]:
    """How far a box's centre may lie from a detection's: (a, b) for a * extent + b, along each axis.

    With extents d and g along an axis and centres c apart, the common part is at most (d + g) / 2 - c and an overlap of `iou`
    needs it to be iou * max(d, g); so c <= (d + g) / 2 - iou * max(d, g), where g lies between iou * d and d / iou.
    """
    return max(1 - iou, (1 / iou - 1) / 2), _SLACK


def _reach_int32() -> tuple[float, float]:
    """The same with corners rounded to whole pixels, which makes a detection up to 1 larger.

    An overlap that rounds to 1 needs 3 I + 1/2 >= A + B; with I at most (d + 1) times the box's other extent its own extent is
    at most 3 (d + 1) + 1/2, and two extents that touch have centres at most half their sum apart.
    """
    return 2.0, 3.0 + _SLACK


def _candidates(
    found: _Sides, image_of_found: np.ndarray, truth: _Sides, image_of_truth: np.ndarray, reach: tuple[float, float]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs (detection, box) near enough to hit, a block at a time; all pairs of a detection are in one block.

    Boxes are sorted by image and horizontal centre, so those near a detection are one range of that order.
    """
    scale, offset = reach
    centre, middle = np.clip(truth.x + truth.wide / 2, -_WIDEST, _WIDEST), truth.y + truth.high / 2
    least, most = float(centre.min()), float(centre.max())
    span = most - least + 4  # images lie farther apart than any search reaches
    order = np.argsort(image_of_truth * span + (centre - least), kind="stable")
    keys = (image_of_truth * span + (centre - least))[order]

    own, radius = found.x + found.wide / 2, scale * found.wide + offset
    left = np.clip(own - radius, least - 1, most + 1) - least
    right = np.clip(own + radius, least - 1, most + 1) - least
    begin = np.searchsorted(keys, image_of_found * span + left, "left")
    end = np.searchsorted(keys, image_of_found * span + right, "right")
    counts = np.where((found.wide > 0) & (found.high > 0), np.maximum(end - begin, 0), 0)

    total = np.cumsum(counts)
    own_middle, height = found.y + found.high / 2, scale * found.high + offset
    start = 0
    while start < len(counts):
        done = int(total[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(total, done + _PAIRS_AT_ONCE, "right")))
        block = counts[start:stop]
        rows = np.repeat(np.arange(start, stop), block)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(block) - block, block)
        columns = order[np.repeat(begin[start:stop], block) + within]
        near = np.abs(own_middle[rows] - middle[columns]) <= height[rows]
        yield rows[near], columns[near]
        start = stop


def _overlap_float(
    found: _Sides, truth: _Sides, rows: np.ndarray, columns: np.ndarray, plus: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Section 3.2: the pairs that touch, with their overlap."""
    wide = np.minimum(found.right[rows], truth.right[columns]) - np.maximum(found.x[rows], truth.x[columns]) + plus
    high = np.minimum(found.bottom[rows], truth.bottom[columns]) - np.maximum(found.y[rows], truth.y[columns]) + plus
    touch = (wide > 0) & (high > 0)
    rows, columns = rows[touch], columns[touch]
    common = wide[touch] * high[touch]
    return rows, columns, common / (found.area[rows] + truth.area[columns] - common)


def _overlap_int32(
    found: _Sides, truth: _Sides, rows: np.ndarray, columns: np.ndarray, plus: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Section 3.3: rounded corners, a rounded sum of areas, a rounded quotient; division by zero gives the largest integer."""
    left = _rounded(np.maximum(found.x[rows], truth.x[columns]))
    top = _rounded(np.maximum(found.y[rows], truth.y[columns]))
    wide = _rounded(np.minimum(found.right[rows], truth.right[columns])) - left + plus
    high = _rounded(np.minimum(found.bottom[rows], truth.bottom[columns])) - top + plus
    touch = (wide > 0) & (high > 0)
    rows, columns = rows[touch], columns[touch]
    common = wide[touch] * high[touch]
    rest = _rounded(truth.area[columns] + found.area[rows]) - common
    quotient = np.divide(common, rest, out=np.full(len(rest), _INT32_MAX), where=rest != 0)
    return rows, columns, _rounded(quotient)


def _rounded(values: np.ndarray) -> np.ndarray:
    """Round half away from zero, as MATLAB does."""
    whole = np.trunc(values)
    return np.where(np.abs(values - whole) >= 0.5, whole + np.sign(values), whole)
