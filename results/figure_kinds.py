"""From a figure's specification and the tidy table to its drawing and its table of numbers, kind by kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from results import published, published_curves
from results.curve_table import curve_table, subtitle
from results.curves import panels
from results.figure_spec import (
    AggregatesSpec,
    BarsSpec,
    CurvesSpec,
    FigureSpec,
    LearningCurvesSpec,
    ProfileSpec,
    ScatterSpec,
    Series,
)
from results.plots.bars import bar_panels, bars_subtitle, bars_table
from results.plots.learning import learning_panels, learning_subtitle, learning_table
from results.plots.many_tasks import (
    aggregated,
    aggregates_subtitle,
    aggregates_table,
    many_tasks,
    profile_subtitle,
    profile_table,
    profiles,
)
from results.plots.runs import REBUILT_SAID, Request, any_rebuilt, name_of, selected, selected_if_any, shown
from results.plots.scatter import point_panels, scatter_subtitle, scatter_table
from results.render.figures import aggregates as draw_aggregates
from results.render.figures import bars as draw_bars
from results.render.figures import curves as draw_curves
from results.render.figures import learning as draw_learning
from results.render.figures import profile as draw_profile
from results.render.figures import scatter as draw_scatter
from results.selection import Selection
from results.table import Table

NO_RUNS = "published"
"""Stands for the tier in the name of a figure's folder where nothing was run."""


@dataclass(frozen=True)
class Drawn:
    """A figure with the numbers in it, and the tier of its runs."""

    figure: Figure
    table: Table
    tier: str


def drawn(spec: FigureSpec, request: Request) -> Drawn:
    """The figure of a specification. Raises RepriseError where it has nothing to show, and as its kind's numbers do."""
    return MAKERS[type(spec)](spec, request)


def _curves(spec: FigureSpec, request: Request) -> Drawn:
    assert isinstance(spec, CurvesSpec)
    claims = published_curves.load(spec.claims.file)
    selection = selected(spec, request)
    found = panels(spec, selection, request.frame, claims)
    figure = draw_curves.draw(spec, found, subtitle(spec, selection))
    return Drawn(figure, curve_table(spec, selection, found), selection.tier)


def _learning_curves(spec: FigureSpec, request: Request) -> Drawn:
    assert isinstance(spec, LearningCurvesSpec)
    claims = {} if spec.curves is None else published_curves.load(spec.curves.file)
    selection = selected(spec, request)
    found = learning_panels(spec, selection, request.frame, claims)
    source = "" if spec.curves is None else f"{spec.curves.paper}, {spec.curves.figure}"
    figure = draw_learning.draw(
        spec.title,
        _said(learning_subtitle(spec, selection), spec.variants, selection),
        found,
        _names(spec.variants, selection),
        (spec.steps.label, spec.metric_label),
        spec.steps.unit,
        source,
    )
    return Drawn(figure, learning_table(spec, selection, found), selection.tier)


def _scatter(spec: FigureSpec, request: Request) -> Drawn:
    assert isinstance(spec, ScatterSpec)
    claims = None if spec.claims is None else published.load(spec.family)
    selection = selected_if_any(spec, request)
    found = point_panels(spec, selection, request.frame, claims)
    said = _said(scatter_subtitle(spec, selection, found), spec.variants, selection)
    return Drawn(draw_scatter.draw(spec, said, found), scatter_table(spec, selection, found), _tier(selection))


def _aggregates(spec: FigureSpec, request: Request) -> Drawn:
    assert isinstance(spec, AggregatesSpec)
    selection = selected(spec, request)
    scores = many_tasks(spec, selection)
    numbers = aggregated(spec, scores)
    said = _said(aggregates_subtitle(spec, selection, scores), spec.variants, selection)
    figure = draw_aggregates.draw(spec.title, said, numbers, _names(spec.variants, selection), spec.under_test)
    return Drawn(figure, aggregates_table(spec, selection, scores, numbers), selection.tier)


def _profile(spec: FigureSpec, request: Request) -> Drawn:
    assert isinstance(spec, ProfileSpec)
    selection = selected(spec, request)
    scores = many_tasks(spec, selection)
    numbers = profiles(spec, scores)
    said = _said(profile_subtitle(spec, selection, scores), spec.variants, selection)
    figure = draw_profile.draw(spec.title, said, numbers, _names(spec.variants, selection), spec.metric_label)
    return Drawn(figure, profile_table(spec, selection, scores, numbers), selection.tier)


def _bars(spec: FigureSpec, request: Request) -> Drawn:
    assert isinstance(spec, BarsSpec)
    claims = None if spec.claims is None else published.load(spec.family)
    selection = selected_if_any(spec, request)
    found = bar_panels(spec, selection, claims)
    names = {series.id: name_of(series, selection) for series in spec.variants}
    said = _said(bars_subtitle(spec, selection, found), spec.variants, selection)
    figure = draw_bars.draw(spec.title, said, found, names, spec.metric_label, spec.setting)
    return Drawn(figure, bars_table(spec, selection, found), _tier(selection))


MAKERS: dict[type[FigureSpec], Callable[[FigureSpec, Request], Drawn]] = {
    CurvesSpec: _curves,
    LearningCurvesSpec: _learning_curves,
    ScatterSpec: _scatter,
    AggregatesSpec: _aggregates,
    ProfileSpec: _profile,
    BarsSpec: _bars,
}


def _names(series: Sequence[Series], selection: Selection) -> dict[str, str]:
    """Of the variants that have runs, in the figure's order."""
    return {each.id: name_of(each, selection) for each in shown(series, selection)}


def _said(text: str, series: Sequence[Series], selection: Selection | None) -> str:
    return f"{text} {REBUILT_SAID}" if any_rebuilt(series, selection) else text


def _tier(selection: Selection | None) -> str:
    return NO_RUNS if selection is None else selection.tier
