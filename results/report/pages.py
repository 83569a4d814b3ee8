"""Every page of the site, from the runs at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from results.render.wording import legend
from results.report.at_hand import AtHand
from results.report.claims_view import ClaimRow, DirectionRow, claim_rows, direction_rows
from results.report.data_cards import DataCard, cards
from results.report.details import details
from results.report.figures_at_hand import drawn_figures
from results.report.grid import Grid, grid
from results.report.site import page
from results.report.standing import (
    DIRECTION_WORDS,
    FAMILIES,
    WORDS,
    Standing,
    everything,
    family_order,
    standings,
)
from results.report.table_view import TableView, views
from results.verdict.words import Verdict

HEADLINES = {
    "offline_rl": ("ilq-table-1",),
    "distillation": ("distillation-retinanet", "distillation-synth"),
    "face_detection": ("wider-face", "synth-faces", "face-cost"),
}
"""Family -> its tables in the order in which they would be its headline: the first with runs is."""

ORDER = [
    verdict.value
    for verdict in (
        Verdict.NOT_REPRODUCED,
        Verdict.REPRODUCED,
        Verdict.INCONCLUSIVE,
        Verdict.NOT_COMPARABLE,
        Verdict.NOT_JUDGED,
        Verdict.NOT_RUN,
    )
]
"""The verdicts as the list of claims begins: failures first, what nobody ran last."""

FIRST = 250
"""Claims that are shown before a reader asks for all of them."""


def site(at_hand: AtHand, say: Callable[[str], None]) -> Iterator[tuple[str, str | bytes]]:
    """(name, content) of every file; `say` hears what is being made."""
    shown = list(views(at_hand))
    for view in shown:
        yield f"tables/{view.page}.html", _table_page(view, shown, at_hand)
        runs = f"{view.runs} runs, {view.name}" if view.runs else "published numbers alone"
        say(f"{view.page}: {runs}" + (f"; {view.problem}" if view.problem else ""))
    claims = sorted(claim_rows(shown), key=lambda row: (ORDER.index(row.verdict), family_order(row.family)))
    directions = [row for view in shown if view.main for row in direction_rows(view)]
    counts = standings(claims, directions)
    yield "claims.html", _claims_page(claims, directions, counts)
    say(f"claims: {len(claims)} with their verdicts, {len(directions)} directions")
    data = cards(at_hand)
    yield "data.html", page("data.html", "data.html", families=_by_family(data), at_hand=at_hand)
    figures = list(drawn_figures(at_hand, say))
    for figure in figures:
        yield from figure.files
    yield "figures.html", page("figures.html", "figures.html", figures=figures)
    yield "index.html", _front_page(at_hand, shown, counts, bool(figures))


def _table_page(view: TableView, shown: list[TableView], at_hand: AtHand) -> str:
    path = f"tables/{view.page}.html"
    made = grid(view)
    return page(
        "table.html",
        path,
        view=view,
        family=FAMILIES.get(view.spec.family, view.spec.family),
        example=next((line.header.text for line, _ in made.squares()), ""),
        grid=made,
        details=details(view, made, at_hand),
        variants=[other for other in shown if other.spec.id == view.spec.id],
        unfinished=at_hand.unfinished(view.sweeps),
        directions=list(direction_rows(view)),
        marks=legend(view.table, "in bold", "underlined"),
        words=WORDS,
        counts={verdict.value: count for verdict, count in view.judgements.counts.items()},
    )


def _claims_page(claims: list[ClaimRow], directions: list[DirectionRow], counts: list[Standing]) -> str:
    sources = list(dict.fromkeys(row.source for row in claims))
    return page(
        "claims.html",
        "claims.html",
        claims=claims,
        first=FIRST,
        directions=directions,
        standings=counts,
        words=WORDS,
        direction_words=DIRECTION_WORDS,
        sources=sources,
        places={source: place for place, source in enumerate(sources, start=1)},
        choices={
            name: list(dict.fromkeys(getattr(row, name) for row in claims))
            for name in ("family", "table", "method", "verdict")
        },
    )


def _front_page(at_hand: AtHand, shown: list[TableView], counts: list[Standing], figures: bool) -> str:
    main = [view for view in shown if view.main]
    rooms: list[dict[str, Any]] = []
    for each in counts:
        mine = [view for view in main if view.spec.family == each.family]
        first = _headline(each.family, mine)
        made: Grid | None = None if first is None else grid(first)
        measured = None if made is None else made.measured()
        rooms.append({"standing": each, "headline": first, "grid": measured, "whole": measured == made, "tables": mine})
    return page(
        "index.html",
        "index.html",
        rooms=rooms,
        everything=everything(counts),
        at_hand=at_hand,
        words=WORDS,
        direction_words=DIRECTION_WORDS,
        unfinished=[sweep for sweep in at_hand.sweeps if not sweep.complete],
        figures=figures,
    )


def _headline(family: str, mine: list[TableView]) -> TableView | None:
    wanted = {name: place for place, name in enumerate(HEADLINES.get(family, ()))}
    ordered = sorted(mine, key=lambda view: (not view.runs, wanted.get(view.spec.id, len(wanted))))
    return ordered[0] if ordered else None


def _by_family(data: list[DataCard]) -> dict[str, dict[str, list[DataCard]]]:
    """Family -> kind of data -> its cards."""
    found: dict[str, dict[str, list[DataCard]]] = {}
    for card in sorted(data, key=lambda card: family_order(card.family)):
        found.setdefault(card.family, {}).setdefault(card.kind, []).append(card)
    return found
