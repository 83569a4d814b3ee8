"""Outlines in coordinates of their own, and how much of each pixel a placed one covers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.drawing.fixed_point import ONE, PIXEL, TURN, cosine, sine

UNIT = 4096
"""The radius of a shape in its own coordinates."""

SAMPLES = 4
FULL = SAMPLES * SAMPLES
"""A pixel is sampled at 4 x 4 points; FULL is the coverage of one that is all inside."""

Point = tuple[int, int]
Inside = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Own coordinates u, v of points (int32, 4096 to the radius) -> whether each is inside."""


@dataclass(frozen=True)
class Placement:
    """Where a shape lies: centre and radius in 64ths of a pixel, angle in 4096ths of a turn, height / width in 1024ths."""

    x: int
    y: int
    radius: int
    angle: int = 0
    ratio: int = 1024


@dataclass(frozen=True)
class Patch:
    """Coverage 0..16 (h, w) of the pixels from row `top` and column `left` on; always within the image."""

    top: int
    left: int
    coverage: np.ndarray

    @property
    def window(self) -> tuple[slice, slice]:
        height, width = self.coverage.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    def mask(self, size: int) -> np.ndarray:
        """The pixels of a (size, size) image that are at least half covered."""
        full = np.zeros((size, size), bool)
        full[self.window] = 2 * self.coverage >= FULL
        return full


def regular(corners: int, radius: int = UNIT, turned: int = 0) -> list[Point]:
    """Corners of a regular polygon; `turned` in 4096ths of a turn."""
    angles = [turned + TURN * corner // corners for corner in range(corners)]
    return [(radius * cosine(angle) // ONE, radius * sine(angle) // ONE) for angle in angles]


def polygon(corners: Sequence[Point]) -> Inside:
    """The inside of a simple polygon by the even-odd rule."""
    edges = [(start, end) for start, end in zip(corners, [*corners[1:], corners[0]], strict=True) if start[1] != end[1]]

    def inside(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        odd = np.zeros(u.shape, bool)
        for (x, y), (next_x, next_y) in edges:
            low, high = min(y, next_y), max(y, next_y)
            rise, run = next_y - y, next_x - x
            if rise < 0:
                rise, run = -rise, -run
            right_of_point = u * np.int32(rise) - v * np.int32(run) < x * rise - y * run
            odd ^= right_of_point & (v >= low) & (v < high)
        return odd

    return inside


def disc(radius: int = UNIT, centre: int = 0) -> Inside:
    """A disc around (centre, 0)."""
    return lambda u, v: (u - np.int32(centre)) ** 2 + v**2 <= radius**2


def without(outer: Inside, hole: Inside) -> Inside:
    """`outer` less `hole`."""
    return lambda u, v: outer(u, v) & ~hole(u, v)


def bar(half_length: int, half_width: int) -> Inside:
    """A straight bar through the centre."""
    return lambda u, v: (np.abs(u) <= half_length) & (np.abs(v) <= half_width)


def cover(inside: Inside, at: Placement, size: int) -> Patch | None:
    """How much of each pixel of a (size, size) image a placed shape covers; None where it lies outside."""
    left, right = _pixels(at.x, at.radius, size)
    top, bottom = _pixels(at.y, at.radius, size)
    if left >= right or top >= bottom:
        return None
    step = PIXEL // SAMPLES
    dx = np.arange(left * SAMPLES, right * SAMPLES, dtype=np.int32) * step + (step // 2 - at.x)
    dy = np.arange(top * SAMPLES, bottom * SAMPLES, dtype=np.int32)[:, None] * step + (step // 2 - at.y)
    cos, sin = np.int32(cosine(at.angle)), np.int32(sine(at.angle))
    per_unit = ONE // UNIT * at.radius
    u = (dx * cos + dy * sin) // np.int32(per_unit)
    v = (dy * cos - dx * sin) // np.int32(per_unit * at.ratio >> 10)
    points = inside(u, v).reshape(bottom - top, SAMPLES, right - left, SAMPLES)
    return Patch(top, left, points.sum(axis=(1, 3), dtype=np.int32))


def _pixels(centre: int, reach: int, size: int) -> tuple[int, int]:
    return max(0, (centre - reach) // PIXEL), min(size, -(-(centre + reach) // PIXEL))
