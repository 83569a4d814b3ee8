"""Names beside points: each finds a place where it covers neither a point nor another name, with a line to its point if far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

DISTANCES = (6.0, 9.0, 14.0, 20.0, 27.0, 35.0, 44.0)
"""How far from its point a name may stand, in typographic points: the nearest free place wins."""

NEAR = 9.0
"""Up to here a name needs no line to its point."""

CLEAR = 3.0
"""What a name keeps from other points, so that it is not read as theirs, in typographic points."""

PAD = 1.0
"""What two names keep from each other, on every side."""

DIRECTIONS = (
    (1, 0),
    (-1, 0),
    (0, 1),
    (0, -1),
    (1, 1),
    (1, -1),
    (-1, 1),
    (-1, -1),
    (1, 0.5),
    (1, -0.5),
    (-1, 0.5),
    (-1, -0.5),
)
"""Right, left, above and below before the corners."""


SWEEPS = 4
"""How often every name may choose again, now that it knows where the others stand."""


@dataclass(frozen=True)
class Name:
    """A text at a point of the axes' data; `radius` of its marker in typographic points, `spread` of its error bar in data."""

    text: str
    x: float
    y: float
    colour: str
    bold: bool = False
    radius: float = 3.5
    spread: float = 0.0


@dataclass(frozen=True)
class _Place:
    """A box for a name in pixels, how far from its point it is in typographic points, and the end of the line to it."""

    box: Bbox
    distance: float
    line: np.ndarray | None


def place_names(figure: Figure, panels: Sequence[tuple[Axes, Sequence[Name]]], size: float = 6.8) -> None:
    """Write the names into their axes. The layout is settled first and stays as it is then: names do not move the axes."""
    canvas = FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes, names in panels:
        if names:
            _place_panel(axes, names, size, canvas.get_renderer(), figure.dpi / 72)


def _place_panel(axes: Axes, names: Sequence[Name], size: float, renderer: RendererBase, scale: float) -> None:
    at = axes.transData.transform([(name.x, name.y) for name in names])
    labels = [_label(axes, name, size) for name in names]
    extents = [label.get_window_extent(renderer) for label in labels]
    rooms = [(extent.width + 2 * PAD * scale, extent.height + 2 * PAD * scale) for extent in extents]
    bars = [_error_bar(axes, name, scale) for name in names if name.spread]
    crowded = sorted(range(len(names)), key=lambda each: -_crowd(at[each], at))
    found: dict[int, _Place] = {}
    for turn in crowded * SWEEPS:
        kept = [name.radius + (0.0 if each == turn else CLEAR) for each, name in enumerate(names)]
        points = [_around(other, radius * scale) for other, radius in zip(at, kept, strict=True)] + bars
        others = [place for each, place in found.items() if each != turn]
        found[turn] = _settle(at[turn], rooms[turn], points, others, axes.bbox, scale)
    for turn, place in found.items():
        x, y = (place.box.min - at[turn]) / scale + PAD
        labels[turn].set_position((float(x), float(y)))
        if place.line is not None:
            _join(axes, names[turn], (place.line[-1] - at[turn]) / scale)


def _label(axes: Axes, name: Name, size: float) -> Annotation:
    return axes.annotate(
        name.text,
        (name.x, name.y),
        (0, 0),
        textcoords="offset points",
        fontsize=size,
        fontweight="bold" if name.bold else "normal",
        color=name.colour,
        zorder=6,
    )


def _settle(
    point: np.ndarray,
    size: tuple[float, float],
    points: Sequence[Bbox],
    written: Sequence[_Place],
    inside: Bbox,
    scale: float,
) -> _Place:
    """The nearest place that is free, or else the one that covers the least."""
    best: tuple[float, _Place] | None = None
    for distance in DISTANCES:
        for direction in DIRECTIONS:
            box = _beside(point, size, direction, distance * scale)
            line = None if distance <= NEAR else np.linspace(point, np.clip(point, box.min, box.max), 25)
            place = _Place(box, distance, line)
            cost = _cost(place, points, written, inside)
            if best is None or cost < best[0] - 1e-9:
                best = cost, place
        if best is not None and best[0] <= 1e-9:
            break
    assert best is not None
    return best[1]


def _cost(place: _Place, points: Sequence[Bbox], written: Sequence[_Place], inside: Bbox) -> float:
    """The area that a name would cover of others and of points, or have outside; a line through a name costs as its height."""
    box = place.box
    cost = sum(_overlap(box, other) for other in [*points, *(each.box for each in written)])
    cost += 4 * (box.width * box.height - _overlap(box, inside))
    if place.line is not None:
        outside = place.line[8:]  # its own marker lies at its start
        cost += box.height * sum(_within(outside, other) for other in points)
    for other in written:
        if place.line is not None:
            cost += box.height * _within(place.line, other.box)
        if other.line is not None:
            cost += box.height * _within(other.line, box)
    return cost


def _join(axes: Axes, name: Name, end: np.ndarray) -> None:
    """A line from a point to its name, under everything else."""
    axes.annotate(
        "",
        (name.x, name.y),
        (float(end[0]), float(end[1])),
        textcoords="offset points",
        arrowprops={"arrowstyle": "-", "color": "#a3a9af", "linewidth": 0.6, "shrinkA": 0, "shrinkB": name.radius},
        zorder=1.5,
    )


def _beside(place: np.ndarray, size: tuple[float, float], direction: tuple[float, float], distance: float) -> Bbox:
    """A box of a size whose near edge stands at a distance from the point."""
    width, height = size
    dx, dy = direction
    length = (dx * dx + dy * dy) ** 0.5
    x = place[0] + dx / length * distance + width * (dx / 2 - 0.5 if abs(dx) < 1 else (0 if dx > 0 else -1))
    y = place[1] + dy / length * distance + height * (dy / 2 - 0.5 if abs(dy) < 1 else (0 if dy > 0 else -1))
    return Bbox.from_bounds(x, y, width, height)


def _within(line: np.ndarray, box: Bbox) -> int:
    """How many points of a line (P, 2) lie in a box."""
    return int(((line > box.min) & (line < box.max)).all(axis=1).sum())


def _around(point: np.ndarray, radius: float) -> Bbox:
    x, y = point
    return Bbox.from_extents(x - radius, y - radius, x + radius, y + radius)


def _error_bar(axes: Axes, name: Name, scale: float) -> Bbox:
    ends = axes.transData.transform([(name.x, name.y - name.spread), (name.x, name.y + name.spread)])
    return Bbox.from_extents(ends[0][0] - scale, ends[0][1], ends[1][0] + scale, ends[1][1])


def _overlap(one: Bbox, other: Bbox) -> float:
    """The area that two boxes have in common."""
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    return float(width * height) if width > 0 and height > 0 else 0.0


def _crowd(place: np.ndarray, all_places: np.ndarray) -> float:
    """How many points are near: those in a crowd choose first."""
    return float((np.abs(all_places - place).max(axis=1) < 80).sum())
