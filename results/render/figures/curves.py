"""Kind `curves`: one method's early curves over a paper's, judged; readable in grey and without telling colours apart."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from results.curve_verdict import Judgement
from results.curves import OurCurves, Panel
from results.figure_spec import CurvesSpec
from results.render.figures.style import BLUE, PUBLISHED, SOFT, VERMILLION, WIDTH, sheet
from results.verdict.words import Direction

MEAN: dict[str, Any] = {"color": BLUE, "linewidth": 2.2, "marker": "o", "markersize": 2.6}
SEED: dict[str, Any] = {"color": BLUE, "linewidth": 0.7, "alpha": 0.75}
SPREAD: dict[str, Any] = {"color": BLUE, "alpha": 0.2, "linewidth": 0}
THEIRS: dict[str, Any] = {"color": PUBLISHED, "linestyle": (0, (4, 2)), "linewidth": 1.6}
BAND: dict[str, Any] = {"facecolor": "#ececec", "edgecolor": "#b4b4b4", "hatch": "/////", "linewidth": 0}
RULE = VERMILLION
DOTTED: dict[str, Any] = {"linestyle": ":", "linewidth": 1.3}

WIDE = 3
"""Panels in a row, at most."""


def draw(spec: CurvesSpec, panels: tuple[Panel, ...], subtitle: str) -> Figure:
    """A panel per task: our seeds, their mean and spread, over the published line and band, with the tolerance of the verdict."""
    columns = min(WIDE, len(panels))
    rows = -(-len(panels) // columns)
    with sheet(2.85 * rows + 0.55, spec.title, subtitle, max(3.5 * columns + 0.3, WIDTH)) as figure:
        axes = figure.subplots(rows, columns, squeeze=False)
        for place, each in enumerate(axes.flat):
            if place >= len(panels):
                each.set_axis_off()
                continue
            _panel(each, spec, panels[place])
            if place % columns == 0:
                each.set_ylabel(spec.metric_label)
            if place + columns >= len(panels):
                each.set_xlabel(spec.steps.label)
        _legend(figure, spec, 2 * columns)
    return figure


def _panel(axes: Axes, spec: CurvesSpec, panel: Panel) -> None:
    unit, published = spec.steps.unit, panel.published
    x = published.steps / unit
    axes.fill_between(x, published.low, published.high, **BAND)
    axes.plot(x, published.mean, zorder=3, **THEIRS)  # above ours, or agreement would hide it
    if panel.ours is not None:
        _ours(axes, panel.ours, unit)
        _tolerance(axes, panel.ours.judgement, unit)
    axes.set_xlim(0, x[-1])
    axes.margins(y=0.06)
    axes.update_datalim([(0.0, 0.0)])
    axes.autoscale_view(scalex=False)
    axes.set_title(panel.task, loc="left", fontweight="bold", fontsize=10, pad=29)
    for points, text in zip((16, 5), _said(panel), strict=True):
        said = axes.annotate(
            text, (0, 1), (0, points), xycoords="axes fraction", textcoords="offset points", fontsize=8.5, color=SOFT
        )
        said.set_in_layout(False)  # else a long one squeezes the panels


def _ours(axes: Axes, ours: OurCurves, unit: int) -> None:
    x = ours.steps / unit
    if ours.spread is not None:
        axes.fill_between(x, ours.mean - ours.spread, ours.mean + ours.spread, **SPREAD)
        for scores in ours.scores:
            axes.plot(x, scores, **SEED)
    axes.plot(x, ours.mean, **MEAN)


def _tolerance(axes: Axes, judgement: Judgement, unit: int) -> None:
    corner = (judgement.first_step / unit, judgement.published - judgement.tolerance)
    width = (judgement.last_step - judgement.first_step) / unit
    box = Rectangle(corner, width, 2 * judgement.tolerance, fill=False, edgecolor=RULE, **DOTTED)
    box.set_clip_on(False)
    axes.add_patch(box)


def _said(panel: Panel) -> tuple[str, str]:
    """Two lines: seeds and verdict, and why there is none."""
    if panel.ours is None:
        return "not run yet", ""
    n, diverged, judgement = len(panel.ours.seeds), len(panel.ours.diverged), panel.ours.judgement
    seeds = f"{n} seed{'s' if n > 1 else ''}" + (f" ({diverged} diverged)" if diverged else "")
    where = " the tolerance" if judgement.direction is Direction.UNDECIDED else ""
    return f"{seeds} · {judgement.words}{where}", "; ".join(judgement.reasons)


def _legend(figure: Figure, spec: CurvesSpec, columns: int) -> None:
    claims = spec.claims
    handles = [
        Line2D([], [], **MEAN, label=f"{spec.label}, ours: mean over seeds"),
        Line2D([], [], **SEED, label="one seed"),
        Patch(**SPREAD, label="± sample std over seeds"),
        Line2D([], [], **THEIRS, label=f"{claims.paper}, {claims.figure}"),
        Patch(**BAND, label="its band"),
        Line2D([], [], color=RULE, **DOTTED, label="tolerance at the end"),
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=max(columns, 3), frameon=False, fontsize=8.5)
