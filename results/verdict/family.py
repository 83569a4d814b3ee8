"""The verdicts on the numbers of one family: one table, method, metric and statistic, fixed before the runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from results.statistics import Spread
from results.verdict.comparisons import benjamini_hochberg, holm
from results.verdict.one_sided_spread import half_interval, rule_b, rule_exact
from results.verdict.outcome import Outcome, Reading, of_readings
from results.verdict.samples import Published, Sample
from results.verdict.welch import rule_a, welch_test
from results.verdict.words import Verdict


@dataclass(frozen=True)
class Cell:
    """A published number, ours (None: not run), the margin between them, and how ours is judged (`Metric.test`)."""

    published: Published
    ours: Sample | None
    margin: float
    seeds_needed: int = 3
    exact: bool = False

    @property
    def difference(self) -> float:
        """D: ours minus published."""
        if self.ours is None:
            raise ValueError("a cell that was not run has no difference")
        return self.ours.mean - self.published.value

    @property
    def tested(self) -> bool:
        """Whether rule A has a p for it."""
        return self.ours is not None and self.ours.n >= self.seeds_needed and not self.exact


def judge_family(cells: Sequence[Cell]) -> list[Outcome]:
    """An outcome per cell.

    The p values of rule A are adjusted over all cells of the family that have a published spread. One of these that is not run,
    or has too few seeds, keeps its place with p = 1: what has run so far does not choose the family. Rule B stays outside.
    """
    members = [index for index, cell in enumerate(cells) if cell.published.has_spread and not cell.exact]
    readings: dict[int, list[Reading]] = {index: [] for index in members}
    for kind in (Spread.std1, Spread.std0):
        for index, reading in _read({index: cells[index] for index in members}, kind).items():
            if reading.kind not in [known.kind for known in readings[index]]:
                readings[index].append(reading)
    return [_outcome(cell, tuple(readings.get(index, ()))) for index, cell in enumerate(cells)]


def _read(members: dict[int, Cell], unknown: Spread) -> dict[int, Reading]:
    """Rule A for the tested cells, every spread of unknown kind read as one."""
    kinds = {
        index: unknown if unknown in cell.published.readings else cell.published.readings[0]
        for index, cell in members.items()
    }
    tests = {
        index: welch_test(cell.difference, [cell.published.term(kinds[index]), cell.ours.term])
        for index, cell in members.items()
        if cell.tested and cell.ours is not None
    }
    p = [tests[index].p if index in tests else 1.0 for index in members]
    adjusted = dict(zip(members, zip(holm(p), benjamini_hochberg(p), strict=True), strict=True))
    return {
        index: Reading(kinds[index], test, *adjusted[index], rule_a(test, members[index].margin, adjusted[index][0]))
        for index, test in tests.items()
    }


def _outcome(cell: Cell, readings: tuple[Reading, ...]) -> Outcome:
    if cell.ours is None:
        return Outcome(Verdict.NOT_RUN, cell.margin, reason="no run of ours")
    if cell.ours.n < cell.seeds_needed:
        reason = f"{cell.ours.n} of at least {cell.seeds_needed} seeds"
        return Outcome(Verdict.INCONCLUSIVE, cell.margin, difference=cell.difference, reason=reason)
    if cell.exact:
        return Outcome(rule_exact(cell.difference, cell.margin), cell.margin, "exact", cell.difference)
    if readings:
        return of_readings(readings, cell.margin)
    half = half_interval([cell.ours.term])
    interval = (cell.difference - half, cell.difference + half)
    return Outcome(rule_b(cell.difference, half, cell.margin), cell.margin, "B", cell.difference, interval)


def whole_column(outcomes: Sequence[Outcome]) -> Verdict:
    """Whether all cells reproduce (an intersection-union test, without adjustment): one that does not settles it."""
    verdicts = {outcome.verdict for outcome in outcomes}
    if Verdict.NOT_REPRODUCED in verdicts:
        return Verdict.NOT_REPRODUCED
    return Verdict.REPRODUCED if verdicts == {Verdict.REPRODUCED} else Verdict.INCONCLUSIVE
