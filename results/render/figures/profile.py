"""Kind `profile`: the share of runs above each threshold, a line with a band per method, named at its side."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from results.plots.many_tasks import Profiles
from results.render.figures.style import WIDTH, looks, sheet


def draw(title: str, subtitle: str, numbers: Profiles, names: Mapping[str, str], label: str) -> Figure:
    """`names` are those of the methods, in the legend's order; `label` that of the x axis."""
    seen, x = looks(list(names)), numbers.thresholds
    with sheet(3.3, title, subtitle, WIDTH) as figure:
        axes = figure.subplots()
        for place, (variant, name) in enumerate(names.items()):
            look, band = seen[variant], numbers.bands[variant]
            if band is not None:
                axes.fill_between(x, *band, color=look.colour, alpha=0.12, linewidth=0)
            every = max(1, len(x) // 8)
            axes.plot(
                x,
                numbers.shares[variant],
                color=look.colour,
                linestyle=look.line,
                linewidth=1.4,
                marker=look.marker,
                markersize=look.size(4.2),
                markeredgewidth=0,
                markevery=(place * every // max(len(names), 1), every),
                label=name,
                gid=variant,
            )
        axes.set_xlim(float(x[0]), float(x[-1]))
        axes.set_ylim(-0.02, 1.02)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_xlabel(label)
        axes.set_ylabel("runs above the threshold")
        figure.legend(loc="outside right center", handlelength=3.2)
    return figure
