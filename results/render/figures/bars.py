"""Kind `bars`: a panel per task; a bar per variant, or a point per value of a setting; published values hollow beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter

from results.plots.bars import Bar, BarPanel
from results.render.figures.style import BLUE, INK, PUBLISHED, SOFT, WIDTH, Look, columns_of, looks, number, sheet

WHISKER: dict[str, Any] = {"color": INK, "elinewidth": 1.0, "capsize": 2.2, "linestyle": "none", "zorder": 4}
HOLLOW: dict[str, Any] = {
    "marker": "D",
    "markersize": 4.6,
    "markerfacecolor": "white",
    "markeredgecolor": PUBLISHED,
    "markeredgewidth": 1.1,
    "color": PUBLISHED,
    "clip_on": False,
    "zorder": 5,
}


def draw(
    title: str, subtitle: str, panels: Sequence[BarPanel], names: Mapping[str, str], label: str, setting: str | None
) -> Figure:
    """`names` are those of the variants; `label` is the score's; with a `setting` the variants are points along its axis."""
    columns = columns_of(len(panels))
    rows = -(-len(panels) // columns)
    most = max(len(panel.bars) for panel in panels)
    height = 1.75 if setting is not None else 0.2 * most + 0.45
    width = WIDTH if columns > 1 else 4.6
    with sheet(height * rows + 0.65, title, subtitle, width) as figure:
        axes = figure.subplots(rows, columns, squeeze=False)
        seen = looks(list(names))
        for place, each in enumerate(axes.flat):
            if place >= len(panels):
                each.set_axis_off()
                continue
            last = place + columns >= len(panels)
            if setting is not None:
                _points(each, panels[place])
                each.set_xlabel(setting if last else "")
            else:
                same = place % columns > 0 and _ids(panels[place]) == _ids(panels[place - place % columns])
                _bars(each, panels[place], {} if same else names, seen)
                each.set_xlabel(label if last else "")
            each.set_title(panels[place].task.head)
        if setting is not None:
            figure.supylabel(label, fontsize=8)
        _legend(figure, panels, setting)
    return figure


def _ids(panel: BarPanel) -> list[str]:
    return [bar.series.id for bar in panel.bars]


def _bars(axes: Axes, panel: BarPanel, names: Mapping[str, str], seen: Mapping[str, Look]) -> None:
    rows = range(len(panel.bars))
    for row, bar in zip(rows, panel.bars, strict=True):
        if bar.ours is not None:
            value = bar.ours.value
            axes.barh(
                row, value, height=0.66, color=seen[bar.series.id].colour, alpha=0.75, zorder=2, label=bar.series.id
            )
            if bar.ours.interval is not None:
                low, high = bar.ours.interval
                axes.errorbar(value, row, xerr=[[value - low], [high - value]], **WHISKER)
        if bar.published is not None:
            axes.plot(bar.published.value, row, linestyle="none", label=f"{bar.series.id}, published", **HOLLOW)
    axes.axvline(0, color=SOFT, linewidth=0.8, zorder=3)
    axes.set_yticks(rows, [names.get(bar.series.id, "") for bar in panel.bars])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.06)


def _points(axes: Axes, panel: BarPanel) -> None:
    ours = sorted((bar for bar in panel.bars if bar.ours is not None), key=_at)
    theirs = sorted((bar for bar in panel.bars if bar.published is not None), key=_at)
    if theirs:
        printed = [bar.published for bar in theirs if bar.published is not None]
        x = [_at(bar) for bar in theirs]
        bands = [each.interval for each in printed]
        if all(band is not None for band in bands):
            lows, highs = zip(*(band for band in bands if band is not None), strict=True)
            axes.fill_between(x, lows, highs, color="#e4e6e8", linewidth=0, zorder=1)
        axes.plot(
            x, [each.value for each in printed], linestyle=(0, (4, 2)), linewidth=1.1, label="published", **HOLLOW
        )
    if ours:
        estimates = [bar.ours for bar in ours if bar.ours is not None]
        x = [_at(bar) for bar in ours]
        axes.plot(
            x,
            [each.value for each in estimates],
            color=BLUE,
            marker="o",
            markersize=4.6,
            linewidth=1.4,
            zorder=6,
            label="ours",
        )
        for place, each in zip(x, estimates, strict=True):
            if each.interval is not None:
                low, high = each.interval
                error = [[each.value - low], [high - each.value]]
                axes.errorbar(place, each.value, yerr=error, **{**WHISKER, "color": BLUE})
    axes.xaxis.set_major_locator(FixedLocator(sorted({_at(bar) for bar in panel.bars})))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.margins(x=0.06, y=0.1)


def _at(bar: Bar) -> float:
    assert bar.series.at is not None
    return bar.series.at


def _legend(figure: Figure, panels: Sequence[BarPanel], setting: str | None) -> None:
    bars = [bar for panel in panels for bar in panel.bars]
    published = any(bar.published is not None for bar in bars)
    if not published:
        return
    handles: list[Line2D | Patch] = []
    if setting is None:
        handles.append(Line2D([], [], linestyle="none", label="published", **HOLLOW))
    else:
        if any(bar.ours is not None for bar in bars):
            handles.append(Line2D([], [], color=BLUE, marker="o", markersize=4.6, linewidth=1.4, label="ours"))
        handles.append(Line2D([], [], linestyle=(0, (4, 2)), linewidth=1.1, label="published", **HOLLOW))
        handles.append(Patch(color="#e4e6e8", label="its band"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), handlelength=2.6)
