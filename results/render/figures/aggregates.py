"""Kind `aggregates`: a row per method, a panel per aggregate; below, how often the method under test beats each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.ticker import MaxNLocator

from results.plots.estimate import Estimate
from results.plots.many_tasks import NAMES, Aggregated
from results.render.figures.style import INK, SOFT, WIDTH, Look, looks, sheet


def draw(title: str, subtitle: str, numbers: Aggregated, names: Mapping[str, str], under_test: str) -> Figure:
    """`names` are those of the methods, in the order of the rows from above."""
    seen = looks(list(names))
    aggregates = list(next(iter(numbers.aggregates.values())))
    others = list(numbers.improvement)
    heights = [0.2 * len(names) + 0.65, *([0.2 * len(others) + 0.65] if others else [])]
    with sheet(sum(heights) + 0.1, title, subtitle, WIDTH) as figure:
        grid = GridSpec(len(heights), len(aggregates), figure, height_ratios=heights)
        for place, aggregate in enumerate(aggregates):
            axes = figure.add_subplot(grid[0, place])
            estimates = {variant: numbers.aggregates[variant][aggregate] for variant in names}
            better = "lower" if aggregate == "optimality_gap" else "higher"
            _rows(axes, estimates, [names[variant] if place == 0 else "" for variant in names], seen)
            axes.set_title(NAMES[aggregate])
            axes.set_xlabel(f"{better} is better", color=SOFT, fontsize=7.5)
            axes.xaxis.set_major_locator(MaxNLocator(4))
        if others:
            axes = figure.add_subplot(grid[1, :])
            tested = names[under_test]
            _rows(axes, numbers.improvement, [f"> {names[other]}" for other in others], seen)
            axes.axvline(0.5, color=INK, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1)
            axes.set_xlim(-0.01, 1.01)
            axes.set_title(f"Probability that {tested} does better")
            axes.set_xlabel(
                f"P({tested} > other), mean over tasks; dashed: one as often as the other", color=SOFT, fontsize=7.5
            )
    return figure


def _rows(axes: Axes, estimates: Mapping[str, Estimate], names: Sequence[str], seen: Mapping[str, Look]) -> None:
    for row, (variant, estimate) in enumerate(estimates.items()):
        look = seen[variant]
        if estimate.interval is not None:
            axes.plot(
                estimate.interval,
                (row, row),
                color=look.colour,
                linewidth=5,
                alpha=0.4,
                solid_capstyle="butt",
                zorder=2,
            )
        axes.plot(
            estimate.value,
            row,
            marker=look.marker,
            color=look.colour,
            markersize=look.size(5.5),
            markeredgecolor="white",
            markeredgewidth=0.5,
            linestyle="none",
            zorder=3,
            label=variant,
        )
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.spines["left"].set_visible(False)
    axes.margins(x=0.08)
