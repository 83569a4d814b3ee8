"""Kind `learning-curves`: a panel per task, a line with a band per variant, published curves dashed and grey beneath."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from results.plots.learning import LearningPanel
from results.render.figures.style import PUBLISHED, WIDTH, Look, columns_of, looks, sheet

BAND = 0.11
"""How much of a band's colour is seen: several lie over each other."""

THEIRS: dict[str, Any] = {"facecolor": "#ececec", "edgecolor": "#b4b4b4", "hatch": "/////", "linewidth": 0}


def draw(
    title: str,
    subtitle: str,
    panels: Sequence[LearningPanel],
    names: Mapping[str, str],
    labels: tuple[str, str],
    unit: int = 1,
    published: str = "published",
) -> Figure:
    """`names` are those of the variants in the legend; `labels` those of the axes, on whose x one is `unit` steps."""
    columns = columns_of(len(panels))
    rows = -(-len(panels) // columns)
    seen = looks(list(names))
    width = WIDTH if columns > 1 else 4.6
    with sheet(1.72 * rows + 0.9, title, subtitle, width) as figure:
        axes = figure.subplots(rows, columns, squeeze=False)
        for place, each in enumerate(axes.flat):
            if place >= len(panels):
                each.set_axis_off()
                continue
            _panel(each, panels[place], seen, unit)
            if place + columns >= len(panels):
                each.set_xlabel(labels[0])
        figure.supylabel(labels[1], fontsize=8)
        _legend(figure, panels, names, seen, published)
    return figure


def _panel(axes: Axes, panel: LearningPanel, seen: Mapping[str, Look], unit: int) -> None:
    for variant, theirs in panel.published.items():
        x = theirs.steps / unit
        axes.fill_between(x, theirs.low, theirs.high, **THEIRS, zorder=1)
        axes.plot(
            x,
            theirs.mean,
            color=PUBLISHED,
            linestyle=(0, (4, 2)),
            linewidth=1.3,
            zorder=2,
            label=f"{variant}, published",
        )
    for place, (variant, ours) in enumerate(panel.ours.items()):
        look, x = seen[variant], ours.steps / unit
        if ours.interval is not None:
            axes.fill_between(x, *ours.interval, color=look.colour, alpha=BAND, linewidth=0, zorder=2)
        every = max(1, len(x) // 5)
        axes.plot(
            x,
            ours.mean,
            color=look.colour,
            linestyle=look.line,
            linewidth=1.2,
            marker=look.marker,
            markersize=look.size(3.4),
            markeredgewidth=0,
            markevery=(place % every, every),
            zorder=3 + len(panel.ours) - place,
            label=variant,
        )
    axes.margins(x=0.02, y=0.06)
    axes.set_xlim(left=0)
    axes.set_title(panel.task)


def _legend(
    figure: Figure,
    panels: Sequence[LearningPanel],
    names: Mapping[str, str],
    seen: Mapping[str, Look],
    published: str,
) -> None:
    handles: list[Line2D | Patch] = [
        Line2D(
            [],
            [],
            color=look.colour,
            linestyle=look.line,
            linewidth=1.4,
            marker=look.marker,
            markersize=look.size(4.5),
            label=names[variant],
        )
        for variant, look in seen.items()
        if any(variant in panel.ours for panel in panels)
    ]
    if any(panel.published for panel in panels):
        handles.append(Line2D([], [], color=PUBLISHED, linestyle=(0, (4, 2)), linewidth=1.3, label=published))
        handles.append(Patch(**THEIRS, label="its band"))
    columns = min(len(handles), 5 if len(panels) > 1 else 3)
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, handlelength=2.8, columnspacing=1.4)
