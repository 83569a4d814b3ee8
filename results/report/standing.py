"""How a family stands: how many of its claims have each verdict, and how many directions each word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from results.published import families
from results.report.at_hand import AtHand
from results.report.claims_view import NO_STATEMENT, ClaimRow, DirectionRow, claim_rows, direction_rows
from results.report.table_view import views
from results.table import Cell, ColumnGroup, HeaderCell, Note, Row, RowGroup, Table
from results.verdict.words import Direction, Verdict

FAMILIES = {
    "offline_rl": "Offline reinforcement learning",
    "distillation": "Detector distillation",
    "face_detection": "Face detection",
}
"""Family -> its name for people; another one goes by its own."""

WORDS = {
    Verdict.REPRODUCED: "ours and the printed number are equivalent within the margin",
    Verdict.NOT_REPRODUCED: "ours differs by more than the margin, and significantly",
    Verdict.INCONCLUSIVE: "comparable runs exist, and they decide nothing yet",
    Verdict.NOT_COMPARABLE: "ours was measured on other data, at a small tier or under another protocol",
    Verdict.NOT_RUN: "no run of ours",
    Verdict.NOT_JUDGED: "derived or unverified numbers, and figures no verdict can rest on",
}
"""What each verdict means, for the legend."""

DIRECTION_WORDS = {
    Direction.AGREES: "ours points where the published numbers point",
    Direction.DISAGREES: "ours points the other way",
    Direction.UNDECIDED: "the interval contains both",
}


@dataclass(frozen=True)
class Standing:
    """A family's counts, of numbers and of directions, each with zeros."""

    family: str
    title: str
    verdicts: dict[str, int]
    directions: dict[str, int]

    @property
    def claims(self) -> int:
        return sum(self.verdicts.values())

    @property
    def compared(self) -> int:
        return sum(self.directions.values())

    @property
    def contradicts(self) -> bool:
        """Whether our runs contradict a published number or ranking."""
        return self.verdicts[Verdict.NOT_REPRODUCED.value] + self.directions[Direction.DISAGREES.value] > 0


def family_order(family: str) -> tuple[int, str]:
    """A key that sorts the suite's own families first, in their order."""
    known = list(FAMILIES)
    return (known.index(family) if family in known else len(known)), family


def standings_of(at_hand: AtHand) -> list[Standing]:
    """The counts of every family by the runs at hand, each table under its highest tier."""
    main = [view for view in views(at_hand) if view.main]
    return standings(claim_rows(main), (row for view in main for row in direction_rows(view)))


def standings(claims: Iterable[ClaimRow], directions: Iterable[DirectionRow]) -> list[Standing]:
    """The counts of every family that has published numbers."""
    words = Counter((row.family, row.verdict) for row in claims)
    said = Counter((row.family, row.word) for row in directions)
    return [
        Standing(
            family,
            FAMILIES.get(family, family),
            {verdict.value: words[family, verdict.value] for verdict in Verdict},
            {word: said[family, word] for word in (*(direction.value for direction in Direction), NO_STATEMENT)},
        )
        for family in sorted(families(), key=family_order)
    ]


def everything(each: Sequence[Standing]) -> Standing:
    """The counts of all families together."""
    verdicts: Counter[str] = Counter()
    directions: Counter[str] = Counter()
    for family in each:
        verdicts.update(family.verdicts)
        directions.update(family.directions)
    return Standing("", "All families", dict(verdicts), dict(directions))


def standing_table(counts: Sequence[Standing], sources: Sequence[str]) -> Table:
    """The counts as a table, a row per family, from runs that were read in `sources`."""
    verdicts, directions = [word.value for word in WORDS], [word.value for word in DIRECTION_WORDS]

    def line(each: Standing) -> Row:
        numbers = [each.verdicts[word] for word in verdicts] + [each.directions[word] for word in directions]
        return Row(HeaderCell(each.title, each.family), tuple(Cell(float(number)) for number in numbers))

    return Table(
        name="standing",
        title="Do published results come out again?",
        caption=f"Published numbers by verdict, and apart from them directions, of {', '.join(sources)}.",
        stub=HeaderCell("family"),
        columns=tuple(ColumnGroup(HeaderCell(word, word), (HeaderCell(""),)) for word in [*verdicts, *directions]),
        groups=(RowGroup(HeaderCell(""), tuple(line(each) for each in counts)),),
        total=line(everything(counts)) if len(counts) > 1 else None,
        notes=(
            *(Note(word.value.capitalize(), f"{about}.") for word, about in WORDS.items()),
            *(Note(word.value.capitalize(), f"of a direction: {about}.") for word, about in DIRECTION_WORDS.items()),
        ),
        decimals=0,
    )
