"""The ten categories of SynthCOCO by their outline."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.drawing.fixed_point import TURN
from benchmarks.drawing.outlines import UNIT, Inside, Point, disc, polygon, regular, without


def _scaled(corners: Sequence[tuple[float, float]]) -> list[Point]:
    return [(round(x * UNIT), round(y * UNIT)) for x, y in corners]


def _star() -> list[Point]:
    outer, inner = regular(5), regular(5, radius=UNIT * 42 // 100, turned=TURN // 10)
    return [corner for pair in zip(outer, inner, strict=True) for corner in pair]


def _cross(near: float = 0.32, far: float = 0.95) -> list[Point]:
    quarter = [(near, near), (near, far), (-near, far), (-near, near), (-far, near), (-far, -near)]
    return _scaled([*quarter, *((-x, -y) for x, y in quarter)])


_ARROW = [(1.0, 0.0), (0.1, 0.8), (0.1, 0.3), (-0.95, 0.3), (-0.95, -0.3), (0.1, -0.3), (0.1, -0.8)]

RING_HOLES = (UNIT * 45 // 100, UNIT * 60 // 100)
"""Least and largest radius of the hole of a ring."""

SHAPES: dict[str, Inside] = {
    "disc": disc(),
    "ring": without(disc(), disc(sum(RING_HOLES) // 2)),
    "square": polygon(regular(4, turned=TURN // 8)),
    "rhombus": polygon(_scaled([(1.0, 0.0), (0.0, 0.5), (-1.0, 0.0), (0.0, -0.5)])),
    "triangle": polygon(regular(3)),
    "star": polygon(_star()),
    "cross": polygon(_cross()),
    "hexagon": polygon(regular(6)),
    "crescent": without(disc(), disc(UNIT * 85 // 100, centre=UNIT // 2)),
    "arrow": polygon(_scaled(_ARROW)),
}
"""Category -> its inside. The order gives the category ids 1 to 10."""
