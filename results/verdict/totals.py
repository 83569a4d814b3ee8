"""The verdict on a printed total or average over tasks."""

from __future__ import annotations

from collections.abc import Sequence

from results.statistics import FEWEST_RUNS, Spread
from results.verdict.one_sided_spread import half_interval, rule_b
from results.verdict.outcome import Outcome, Reading, of_readings
from results.verdict.samples import Published, Sample, Term
from results.verdict.welch import rule_a, welch_test
from results.verdict.words import Verdict


def judge_total(
    printed: float, margin: float, parts: Sequence[tuple[Published | None, Sample | None]], *, average: bool = False
) -> Outcome:
    """The outcome of a total over T tasks, each with what is published and ours; of their mean where `average`.

    D is our sum minus the printed total; its variance has a term per task from either side, its degrees of freedom are after
    Welch and Satterthwaite over all terms. Without the published spread of every task rule B judges the total. Only where every
    task was run.
    """
    ours = [sample for _, sample in parts if sample is not None]
    if len(ours) < len(parts) or not parts:
        return Outcome(Verdict.NOT_RUN, margin, reason=f"{len(ours)} of {len(parts)} tasks were run")
    share = 1 / len(parts) if average else 1.0
    difference = share * sum(sample.mean for sample in ours) - printed
    fewest = min(sample.n for sample in ours)
    if fewest < FEWEST_RUNS:
        reason = f"a task has {fewest} of at least {FEWEST_RUNS} seeds"
        return Outcome(Verdict.INCONCLUSIVE, margin, difference=difference, reason=reason)
    published = [each for each, _ in parts if each is not None and each.has_spread]
    mine = _scaled([sample.term for sample in ours], share)
    if len(published) < len(parts):
        half = half_interval(mine)
        interval = (difference - half, difference + half)
        return Outcome(rule_b(difference, half, margin), margin, "B", difference, interval)
    readings = [_reading(kind, published, mine, difference, margin, share) for kind in _kinds(published)]
    return of_readings(tuple(readings), margin)


def _kinds(published: Sequence[Published]) -> tuple[Spread, ...]:
    """The readings to apply: both where the spread of any task is of unknown kind."""
    return max((each.readings for each in published), key=len)


def _reading(
    kind: Spread, published: Sequence[Published], mine: Sequence[Term], difference: float, margin: float, share: float
) -> Reading:
    theirs = [each.term(kind if kind in each.readings else each.readings[0]) for each in published]
    test = welch_test(difference, [*_scaled(theirs, share), *mine])
    return Reading(kind, test, test.p, test.p, rule_a(test, margin, test.p))


def _scaled(terms: Sequence[Term], share: float) -> list[Term]:
    return [Term(share**2 * term.variance, term.freedom) for term in terms]
