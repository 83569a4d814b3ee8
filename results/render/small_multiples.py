"""A figure of learning curves, a panel per task, by matplotlib; readable in grey and without telling colours apart."""

from __future__ import annotations

import io
import textwrap
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from results.curve_verdict import Judgement
from results.curves import OurCurves, Panel
from results.figure_spec import FigureSpec
from results.verdict.words import Direction

FORMATS: dict[str, dict[str, Any]] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
"""The formats, and the metadata of each that would make two drawings of the same runs differ."""

OURS = "#0072b2"
MEAN: dict[str, Any] = {"color": OURS, "linewidth": 2.2, "marker": "o", "markersize": 2.6}
SEED: dict[str, Any] = {"color": OURS, "linewidth": 0.7, "alpha": 0.75}
SPREAD: dict[str, Any] = {"color": OURS, "alpha": 0.2, "linewidth": 0}
THEIRS: dict[str, Any] = {"color": "#2b2b2b", "linestyle": (0, (4, 2)), "linewidth": 1.6}
BAND: dict[str, Any] = {"facecolor": "#ececec", "edgecolor": "#b4b4b4", "hatch": "/////", "linewidth": 0}
RULE = "#d55e00"
DOTTED: dict[str, Any] = {"linestyle": ":", "linewidth": 1.3}
SOFT = "#5c636b"

WIDE = 3
"""Panels in a row, at most."""

STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": "#1c1e21",
    "axes.grid": True,
    "grid.color": "#e9ecef",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "svg.hashsalt": "reprise",
}


def draw(spec: FigureSpec, panels: tuple[Panel, ...], subtitle: str, form: str = "png") -> bytes:
    """The figure as a file of one of FORMATS; the same panels give the same bytes."""
    columns = min(WIDE, len(panels))
    rows = -(-len(panels) // columns)
    width, height = max(3.5 * columns + 0.3, 7.3), 2.85 * rows + 1.0
    with rc_context(STYLE):
        figure = Figure((width, height), layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06, hspace=0.04))
        title, about = textwrap.wrap(spec.title, int(9 * width)), textwrap.wrap(subtitle, int(14 * width))
        room = "\n" * len(about)
        figure.suptitle("\n".join(title) + room, x=0.012, ha="left", fontsize=12, fontweight="bold")
        below = 1 - (0.16 + 0.2 * len(title)) / height
        figure.text(0.012, below, "\n".join(about), ha="left", va="top", fontsize=9, color=SOFT)
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
        file = io.BytesIO()
        figure.savefig(file, format=form, dpi=160, metadata=FORMATS[form])
    return file.getvalue()


def _panel(axes: Axes, spec: FigureSpec, panel: Panel) -> None:
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


def _legend(figure: Figure, spec: FigureSpec, columns: int) -> None:
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
