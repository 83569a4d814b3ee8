"""A table of the suite as a page shows it: the table itself, its runs and what is said of its published numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import pandas as pd

from benchmarks.base import RepriseError
from results import published
from results.caption import REMARK, TIES
from results.judging.judge import judge
from results.judging.model import Judgements
from results.method_spec import MethodTableSpec
from results.method_table import method_table
from results.paper_table import paper_table
from results.report.at_hand import AtHand
from results.run_figures import RunFigures
from results.selection import SCORED, Choice, Selection, foremost, select
from results.table import Table
from results.table_files import load_spec, table_names
from results.table_spec import STATISTICS, PaperSpec, TableSpec

STANDING = ("Published", "Gain", TIES, REMARK)
"""The notes that a table without runs of ours keeps; the others speak of runs."""


@dataclass(frozen=True)
class TableView:
    """One table under one tier and statistic. `problem` says why no run of ours is shown although there are some."""

    spec: PaperSpec
    tier: str
    statistic: str
    table: Table
    selection: Selection
    judgements: Judgements
    main: bool
    problem: str = ""

    @property
    def page(self) -> str:
        """The name of its page, without a suffix; the first variant of a table has the table's name alone."""
        return self.spec.id if self.main else "-".join(filter(None, [self.spec.id, self.tier, self.statistic]))

    @property
    def name(self) -> str:
        """What tells it from the other variants of its table."""
        several = len(self.spec.claims.tables) > 1
        return ", ".join(filter(None, [self.tier or "published only", STATISTICS[self.statistic] if several else ""]))

    @property
    def runs(self) -> int:
        return len(self.selection.runs)

    @cached_property
    def sweeps(self) -> list[str]:
        """The sweeps that its runs say they are of."""
        runs = self.selection.runs
        return sorted(set(runs["sweep"]) - {""}) if "sweep" in runs else []


def views(at_hand: AtHand) -> Iterator[TableView]:
    """Every table of the suite: a view per tier and statistic at hand, the highest tier first; one at least."""
    claims = {family: published.load(family) for family in published.families()}
    for name in table_names():
        spec = load_spec(name)
        known = claims[spec.family] if spec.family in claims else next(iter(claims.values())).iloc[:0]
        for place, choice in enumerate(_choices(spec, at_hand.frame)):
            yield _view(spec, at_hand.frame, known, choice, place == 0)


def _choices(spec: PaperSpec, frame: pd.DataFrame) -> list[Choice]:
    """The tiers of the runs that a table could show, the nearest to the paper first, each with the statistics they have.

    Without runs, the statistics that the paper's numbers have.
    """
    mine = frame[
        (frame["family"] == spec.family)
        & frame["task"].isin(spec.tasks)
        & frame["variant"].isin(spec.variants)
        & (frame["metric"] == spec.metric)
        & frame["status"].isin(SCORED)
    ]
    tiers = set(mine["tier"]) if "tier" in mine else set()
    found = [
        Choice(statistic, tier)
        for tier in foremost(tiers)
        for statistic in spec.claims.tables
        if statistic in set(mine.loc[mine["tier"] == tier, "statistic"])
    ]
    tier = next(iter(sorted(tiers)), None)  # runs without any of the statistics: `select` says so
    return found or [Choice(statistic, tier) for statistic in spec.claims.tables]


def _view(spec: PaperSpec, frame: pd.DataFrame, claims: pd.DataFrame, choice: Choice, main: bool) -> TableView:
    problem, used = "", frame
    empty = frame.iloc[:0]
    if choice.tier is None:
        selection, used = Selection(empty, "", choice.statistic), empty
    else:
        try:
            selection = select(spec.scope, frame, choice)
        except RepriseError as error:
            problem, used = str(error), empty
            selection = Selection(empty, "", choice.statistic)
    table = _table(spec, used, selection, claims)
    if selection.runs.empty:
        notes = tuple(note for note in table.notes if note.subject in STANDING)
        table = replace(table, caption=f"{spec.metric_label}. No run of ours: published values alone.", notes=notes)
    said = judge(spec, used, claims, replace(choice, tier=selection.tier or None))
    return TableView(spec, selection.tier, choice.statistic, table, selection, said, main, problem)


def _table(spec: PaperSpec, frame: pd.DataFrame, selection: Selection, claims: pd.DataFrame) -> Table:
    if isinstance(spec, MethodTableSpec):
        figures = RunFigures(frame, selection, spec.metrics)
        return method_table(spec, selection, figures, claims, all_tasks=True)
    assert isinstance(spec, TableSpec)
    return paper_table(spec, selection, claims, all_tasks=True, others=True)
