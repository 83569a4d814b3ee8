"""Every claim with its verdict, and every direction, as rows of a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from results import published
from results.judging.coverage import Covered, every_claim
from results.judging.model import ALL_TASKS, Compared, Judged, Judgements
from results.report.grid import signed
from results.report.table_view import TableView
from results.table import figure
from results.verdict.words import Verdict


@dataclass(frozen=True)
class ClaimRow:
    """A published number, gain or ranking with what is said of it. `page` is that of our table, empty where there is none."""

    family: str
    table: str
    task: str
    method: str
    metric: str
    published: str
    ours: str
    difference: str
    verdict: str
    reason: str
    certainty: str
    source: str
    page: str

    @property
    def css(self) -> str:
        """The verdict as the name of a class."""
        return self.verdict.replace(" ", "-")


@dataclass(frozen=True)
class DirectionRow:
    """Method A above method B, on a task or on all."""

    family: str
    page: str
    title: str
    where: str
    task: str
    a: str
    b: str
    metric: str
    published: str
    ours: str
    word: str
    reason: str

    @property
    def css(self) -> str:
        """The word as the name of a class."""
        return self.word.replace(" ", "-")


NO_STATEMENT = "no statement"
"""The word of a comparison whose published difference is below the margin."""


def claim_rows(views: Sequence[TableView]) -> Iterator[ClaimRow]:
    """Every claim of every family, then the gains and rankings that tables judge; each table's first view speaks for it."""
    main = [view for view in views if view.main]
    pages = {view.spec.id: view.page for view in main}
    for family in published.families():
        claims = published.load(family)
        said = [view.judgements for view in main if view.spec.family == family]
        for covered in every_claim(claims, said):
            yield _claim_row(family, covered, pages)
        for judgements in said:
            yield from _gains(family, judgements, pages[judgements.table])
            yield from _rankings(family, judgements, pages[judgements.table])


def _claim_row(family: str, covered: Covered, pages: dict[str, str]) -> ClaimRow:
    claim = covered.claim
    spread = "" if claim.spread is None else f" ± {claim.spread:g}"
    ours, difference = _ours(covered.judged)
    return ClaimRow(
        family,
        claim.table,
        claim.task,
        claim.method,
        claim.metric,
        f"{claim.value:g}{spread}",
        ours,
        difference,
        covered.verdict.value,
        covered.reason,
        claim.certainty,
        claim.source,
        pages.get(covered.table, ""),
    )


def _gains(family: str, judgements: Judgements, page: str) -> Iterator[ClaimRow]:
    for each in judgements.numbers:
        if len(each.claims) == 1:
            continue
        claim, (ours, difference) = each.claims[0], _ours(each)
        yield ClaimRow(
            family,
            claim.table,
            claim.task,
            claim.method,
            each.place.metric,
            f"{each.published:g}",
            ours,
            difference,
            each.outcome.verdict.value,
            each.outcome.reason,
            claim.certainty,
            claim.source,
            page,
        )


def _rankings(family: str, judgements: Judgements, page: str) -> Iterator[ClaimRow]:
    for each in judgements.compared:
        if each.ranking is None:
            continue
        claim, ranking = each.claims[0], each.ranking
        ends = "" if ranking.interval is None else " ({:.2f} to {:.2f})".format(*ranking.interval)
        yield ClaimRow(
            family,
            claim.table,
            each.task or "all tasks of both",
            f"{each.a} above {each.b}",
            each.metric,
            f"+{each.published:g}",
            f"P {ranking.probability:.2f}{ends}",
            "",
            ranking.verdict.value,
            "",
            claim.certainty,
            claim.source,
            page,
        )


def _ours(judged: Judged | None) -> tuple[str, str]:
    """Ours and the difference in words; empty where there is none, and where none is judged."""
    if judged is None or judged.ours is None:
        return "", ""
    decimals = 2 if abs(judged.ours.mean) < 100 else 1
    text = figure(judged.ours.mean, decimals)
    judges = judged.outcome.verdict in (Verdict.REPRODUCED, Verdict.NOT_REPRODUCED, Verdict.INCONCLUSIVE)
    if not judges or judged.outcome.difference is None:
        return text, ""
    return text, signed(judged.outcome.difference, decimals)


def direction_rows(view: TableView) -> Iterator[DirectionRow]:
    """What a table's runs say of directions."""
    found = view.judgements
    where = f"tier {found.tier}, {found.data} data, {found.seeds} seeds"
    for each in found.compared:
        if each.comparison is not None:
            yield _direction_row(view, each, where)


def _direction_row(view: TableView, each: Compared, where: str) -> DirectionRow:
    comparison = each.comparison
    assert comparison is not None
    word = NO_STATEMENT if comparison.direction is None else comparison.direction.value
    reason = comparison.reason
    if comparison.direction is None and not reason:
        reason = "the published difference is below the margin"
    overall = each.task == ALL_TASKS
    ours = f"P {comparison.ours:.2f}" if overall else signed(comparison.ours, 1)
    if comparison.interval is not None:
        low, high = comparison.interval
        ours += f" ({low:.2f} to {high:.2f})" if overall else f" ({signed(low, 1)} to {signed(high, 1)})"
    return DirectionRow(
        view.spec.family,
        view.page,
        view.table.title,
        where,
        each.task or "all of these tasks",
        each.a,
        each.b,
        each.metric,
        signed(each.published, 1),
        ours,
        word,
        reason,
    )
