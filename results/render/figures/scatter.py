"""Kind `scatter`: points with their names, a panel per test protocol; ours filled with error bars, published hollow."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.ticker import MaxNLocator

from results.figure_spec import ScatterSpec
from results.plots.scatter import PointPanel
from results.render.figures.labels import Name, place_names
from results.render.figures.style import PUBLISHED, SOFT, WIDTH, Look, log_axis, looks, sheet

HOLLOW = Look("#6b7178", "o")
"""Of a published method that is none of ours."""

OURS, THEIRS = 7.0, 5.0
"""Sizes of markers, in typographic points."""

ROOM = 2.2
"""On a logarithmic axis, the factor of room beyond the outermost points: their names stand there."""


LEAST = 6.0
"""The least range of a y axis, in points: a panel of one method must not look like a microscope."""


def draw(spec: ScatterSpec, subtitle: str, panels: Sequence[PointPanel]) -> Figure:
    """Wide panels have a row of their own, the others stand two in a row; all share the x axis' range, not the y axis'."""
    rows = _rows(panels)
    heights = [3.9 if row[0].spec.wide or len(panels) == 1 else 2.2 for row in rows]
    seen = looks([series.id for series in spec.variants])
    with sheet(sum(heights), spec.title, subtitle, WIDTH) as figure:
        grid = GridSpec(len(rows), 2, figure, height_ratios=heights)
        names = []
        for place, row in enumerate(rows):
            for column, panel in enumerate(row):
                alone = len(row) == 1 and (panel.spec.wide or len(panels) == 1)
                axes = figure.add_subplot(grid[place, :] if alone else grid[place, column])
                names.append((axes, _panel(axes, spec, panel, seen)))
                _limits(axes, spec, panels, panel)
                if column == 0:
                    axes.set_ylabel(spec.y.label)
                if (
                    place == len(rows) - 1
                    or (column == 1 and len(rows[place + 1]) == 1)
                    or len(rows[place + 1]) <= column
                ):
                    axes.set_xlabel(spec.x.label)
        place_names(figure, names)
    return figure


def _rows(panels: Sequence[PointPanel]) -> list[list[PointPanel]]:
    rows: list[list[PointPanel]] = []
    for panel in panels:
        open_row = rows and len(rows[-1]) == 1 and not rows[-1][0].spec.wide
        if open_row and not panel.spec.wide:
            rows[-1].append(panel)
        else:
            rows.append([panel])
    return rows


def _panel(axes: Axes, spec: ScatterSpec, panel: PointPanel, seen: dict[str, Look]) -> list[Name]:
    names = []
    for theirs in panel.published:
        look = HOLLOW if theirs.variant is None else seen[theirs.variant]
        axes.plot(
            theirs.x.value,
            theirs.y.value,
            marker=look.marker,
            markersize=THEIRS if theirs.variant is None else look.size(OURS),
            markerfacecolor="white",
            markeredgecolor=look.colour,
            markeredgewidth=1.1,
            linestyle="none",
            zorder=4,
            label=f"{theirs.name}, published",
        )
        radius = (THEIRS if theirs.variant is None else OURS) / 2 + 1
        names.append(
            Name(theirs.name, theirs.x.value, theirs.y.value, PUBLISHED if theirs.variant else SOFT, radius=radius)
        )
    for ours in panel.ours:
        look = seen[ours.series.id]
        axes.errorbar(
            ours.x,
            ours.y,
            yerr=ours.spread,
            color=look.colour,
            marker=look.marker,
            markersize=look.size(OURS),
            markeredgecolor="white",
            markeredgewidth=0.5,
            capsize=2.5,
            elinewidth=1.1,
            linestyle="none",
            zorder=5,
            label=ours.series.id,
        )
        names.append(Name(ours.name, ours.x, ours.y, PUBLISHED, True, OURS / 2 + 1, ours.spread or 0.0))
    axes.set_title(panel.spec.label)
    return names


def _limits(axes: Axes, spec: ScatterSpec, panels: Sequence[PointPanel], panel: PointPanel) -> None:
    xs = [point.x for each in panels for point in each.ours]
    xs += [point.x.value for each in panels for point in each.published]
    low, high = min(xs), max(xs)
    if spec.x.log:
        log_axis(axes, low / ROOM, high * ROOM)
    else:
        room = 0.15 * (high - low or abs(high) or 1.0)
        axes.set_xlim(low - room, high + room)
    ends = [point.y + sign * (point.spread or 0.0) for point in panel.ours for sign in (-1, 1)]
    ends += [point.y.value for point in panel.published]
    room = max(0.12 * (max(ends) - min(ends)), (LEAST - max(ends) + min(ends)) / 2)
    axes.set_ylim(min(ends) - room, max(ends) + room)
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
