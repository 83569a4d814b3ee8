"""The figures of the suite as the runs at hand can be drawn; the one place that knows how a figure is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pandas as pd

from benchmarks.base import RepriseError
from results.collect import with_curves
from results.figure_spec import CurvesSpec, FigureSpec, LearningCurvesSpec, figure_names, load_figure
from results.report.at_hand import AtHand
from results.selection import SCORED, foremost

Frames = dict[tuple[str, str], pd.DataFrame]
"""(family, metric) -> the tidy table with its curves."""


@dataclass(frozen=True)
class DrawnFigure:
    """A figure, or the reason why it is not drawn. `files` are (name in the site, content), the drawing first."""

    name: str
    title: str
    family: str
    about: str = ""
    files: tuple[tuple[str, str | bytes], ...] = ()
    problem: str = ""

    @property
    def picture(self) -> str:
        """The name of the drawing in the site; empty where there is none."""
        return self.files[0][0] if self.files else ""


def drawn_figures(at_hand: AtHand, say: Callable[[str], None]) -> Iterator[DrawnFigure]:
    """Every figure of the suite, of the highest tier at hand where the figure leaves it open."""
    frames: Frames = {}
    for name in figure_names():
        spec = load_figure(name)
        try:
            found = _draw(spec, _frame(spec, at_hand, frames))
            say(f"figure {name}: drawn")
        except RepriseError as error:
            found = DrawnFigure(name, spec.title, spec.family, problem=str(error))
            say(f"figure {name}: not drawn; {error}")
        yield found


def _draw(spec: FigureSpec, frame: pd.DataFrame) -> DrawnFigure:
    # matplotlib takes a second to import: only where a figure is drawn
    from results.figure_kinds import drawn
    from results.plots.runs import Request
    from results.render import render
    from results.render.figures.style import encode

    made = drawn(spec, Request(frame, _tier(spec, frame)))
    files = (
        (f"figures/{spec.id}.svg", encode(made.figure, "svg")),
        (f"figures/{spec.id}.csv", render(made.table, "csv")),
    )
    return DrawnFigure(spec.id, spec.title, spec.family, made.table.caption, files)


def _frame(spec: FigureSpec, at_hand: AtHand, frames: Frames) -> pd.DataFrame:
    """What a figure is drawn from. Few show curves, which are most of the rows: `frames` keeps what was made of them."""
    if not isinstance(spec, (CurvesSpec, LearningCurvesSpec)):
        return at_hand.frame
    known = (spec.family, spec.metric)
    if known not in frames:
        mine = at_hand.frame[at_hand.frame["family"] == spec.family]
        runs = [each for each in at_hand.runs.values() if each.result.run.family == spec.family]
        frames[known] = with_curves(mine, runs, spec.metric)
    return frames[known]


def _tier(spec: FigureSpec, frame: pd.DataFrame) -> str | None:
    """The highest tier of its runs; None where the figure says its tier, and where there is only one."""
    if spec.tier is not None or "tier" not in frame:
        return None
    scope = spec.scope
    mine = frame[
        frame["task"].isin(list(scope.tasks))
        & frame["variant"].isin(list(scope.variants))
        & frame["status"].isin(SCORED)
    ]
    tiers = set(mine["tier"])
    return foremost(tiers)[0] if len(tiers) > 1 else None
