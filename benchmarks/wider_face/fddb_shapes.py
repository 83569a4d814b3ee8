"""Rectangles and ellipses as pixels: convex shapes, so one run of columns in each row says it all."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Shape:
    """Pixels of an image: rows `top`, `top + 1`, ..., in row i the columns `left[i]` to `right[i]` (none where right < left)."""

    top: int
    left: np.ndarray
    right: np.ndarray

    @property
    def area(self) -> int:
        """Pixels."""
        return int(np.maximum(self.right - self.left + 1, 0).sum())

    def common(self, other: Shape) -> int:
        """Pixels of both."""
        first = max(self.top, other.top)
        last = min(self.top + len(self.left), other.top + len(other.left))
        if last <= first:
            return 0
        one, two = slice(first - self.top, last - self.top), slice(first - other.top, last - other.top)
        runs = np.minimum(self.right[one], other.right[two]) - np.maximum(self.left[one], other.left[two]) + 1
        return int(np.maximum(runs, 0).sum())


def rectangle(x: float, y: float, w: float, h: float, width: int, height: int) -> Shape:
    """The pixels (j, i) of an image, width by height, with x <= j < x + w and y <= i < y + h."""
    top, bottom = max(0, math.ceil(y)), min(height - 1, math.ceil(y + h) - 1)
    left, right = max(0, math.ceil(x)), min(width - 1, math.ceil(x + w) - 1)
    rows = max(0, bottom - top + 1)
    return Shape(top, np.full(rows, left), np.full(rows, right))


def ellipse(major: float, minor: float, angle: float, x: float, y: float, width: int, height: int) -> Shape:
    """The pixels of an image whose coordinates lie in an ellipse or on it.

    `major` and `minor` are radii; the major axis points along (cos angle, sin angle), with y downwards. With u, v from the
    centre, the ellipse is a u^2 + 2 b u v + c v^2 <= 1; each row solves the quadratic for u.
    """
    cos, sin = math.cos(angle), math.sin(angle)
    a = (cos / major) ** 2 + (sin / minor) ** 2
    b = cos * sin * (major**-2 - minor**-2)
    c = (sin / major) ** 2 + (cos / minor) ** 2
    tall = math.sqrt((major * sin) ** 2 + (minor * cos) ** 2)
    top, bottom = max(0, math.ceil(y - tall)), min(height - 1, math.floor(y + tall))
    v = np.arange(top, max(top, bottom + 1)) - y
    root = np.sqrt(np.maximum((b * v) ** 2 - a * (c * v**2 - 1), 0))
    left = np.ceil(x + (-b * v - root) / a).astype(np.int64)
    right = np.floor(x + (-b * v + root) / a).astype(np.int64)
    return Shape(top, np.maximum(left, 0), np.minimum(right, width - 1))


def overlap(one: Shape, other: Shape) -> float:
    """IoU in pixels; 0 where both are empty."""
    common = one.common(other)
    return common / (one.area + other.area - common) if common else 0.0
