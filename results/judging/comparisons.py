"""Method above method: what the published numbers say of two of them, and what our runs say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from results.judging.claimed import Placed
from results.judging.model import ALL_TASKS, Compared
from results.judging.numbers import Evidence
from results.published import Claim
from results.statistics import Scores
from results.verdict.direction import compare
from results.verdict.ranking import rank


@dataclass(frozen=True)
class Pair:
    """Two published numbers of one claim table, task and metric, and our scores of both."""

    task: str
    a: Placed
    b: Placed
    ours_a: Sequence[float]
    ours_b: Sequence[float]

    @property
    def published(self) -> float:
        """m_A - m_B."""
        return self.a.value - self.b.value


def compare_methods(
    placed: Sequence[Placed], evidence: Evidence, under_test: Sequence[str], random: Mapping[str, float]
) -> list[Compared]:
    """Every method under test against every other method, per task and then over the tasks of both.

    Both numbers must stand in one published table and may be judged; both methods need runs of ours. Runs that may confirm a
    number are ranked, over their tasks only; all others speak of the direction, with their own words.
    """
    found: list[Compared | None] = []
    for (a, b, metric), pairs in _pairs(placed, evidence, under_test).items():
        if _confirming(pairs, evidence):
            found.append(_ranked(a, b, metric, pairs, evidence))
        else:
            found += [_directed(a, b, metric, [pair], evidence, random) for pair in pairs]
            found += [_directed(a, b, metric, pairs, evidence, random)] if len(pairs) > 1 else []
    return [each for each in found if each is not None]


def _pairs(
    placed: Sequence[Placed], evidence: Evidence, under_test: Sequence[str]
) -> dict[tuple[str, str, str], list[Pair]]:
    """(A, B, metric), by their labels -> a pair for each task, in the order of the table."""
    found: dict[tuple[str, str, str], list[Pair]] = {}
    usable = [each for each in placed if _competes(each, evidence)]
    for first, a in enumerate(usable):
        for second, b in enumerate(usable):
            again = second < first and b.variant in under_test
            if a.variant in under_test and a.variant != b.variant and not again and _beside(a, b):
                ours = [list(evidence.scores(each).values()) for each in (a, b)]
                key = (a.place.method, b.place.method, a.metric)
                found.setdefault(key, []).append(Pair(a.place.task, a, b, *ours))
    return found


def _competes(placed: Placed, evidence: Evidence) -> bool:
    """Whether a number can be above or below another one: it may be judged, is subject to chance, and we have runs of it."""
    metric = evidence.metric(placed)
    return (
        placed.judged
        and placed.alone
        and not placed.reference
        and metric is not None
        and metric.test == "spread"
        and bool(evidence.scores(placed))
    )


def _beside(a: Placed, b: Placed) -> bool:
    """Whether two numbers stand in one published table, for one task, in one metric."""
    return (a.place.task, a.place.group, a.metric) == (b.place.task, b.place.group, b.metric) and (
        a.claims[0].table,
        a.claims[0].task,
    ) == (
        b.claims[0].table,
        b.claims[0].task,
    )


def compare_gains(placed: Sequence[Placed], evidence: Evidence) -> Iterator[Compared]:
    """Whether a published gain over a reference has its sign in our runs, which are not of the kind that may confirm it."""
    for each in placed:
        if each.over is None or each.variant is None or evidence.figures is None or not each.judged:
            continue
        metric = evidence.metric(each)
        mine = evidence.figures.of(each.place.task, each.variant, each.metric)
        base = evidence.figures.of(each.place.task, each.over, each.metric)
        runs = evidence.runs(each.place.task, each.variant)
        if metric is None or not mine or not base or not evidence.standard.hindrances(runs, each.claims[0]):
            continue
        task = each.place.task
        a, b = (Scores.of({task: list(found.values())}) for found in (mine, base))
        margin = evidence.margin_of(metric, each.value)
        comparison = compare(a, b, each.value, margin, {task: 0.0})
        yield Compared(task, each.place.method, each.over, each.place.metric, each.claims, each.value, comparison)


def _confirming(pairs: Sequence[Pair], evidence: Evidence) -> bool:
    return not any(
        evidence.standard.hindrances(evidence.runs(pair.task, each.variant or ""), each.claims[0])
        for pair in pairs
        for each in (pair.a, pair.b)
    )


def _scores(pairs: Sequence[Pair], evidence: Evidence) -> tuple[Scores, Scores, float, float]:
    """Both sides, higher being better, the published difference of their means over the tasks, and its margin."""
    metric = evidence.metric(pairs[0].a)
    assert metric is not None
    sign = 1.0 if metric.higher_is_better else -1.0
    a, b = fmean(pair.a.value for pair in pairs), fmean(pair.b.value for pair in pairs)
    margin = max(evidence.margin_of(metric, a), evidence.margin_of(metric, b))
    ours = [
        Scores.of({pair.task: [sign * value for value in values] for pair, values in zip(pairs, side, strict=True)})
        for side in ([pair.ours_a for pair in pairs], [pair.ours_b for pair in pairs])
    ]
    return ours[0], ours[1], sign * (a - b), margin


def _directed(
    a: str, b: str, metric: str, pairs: Sequence[Pair], evidence: Evidence, random: Mapping[str, float]
) -> Compared:
    first, second, published, margin = _scores(pairs, evidence)
    comparison = compare(first, second, published, margin, random)
    return Compared(_task(pairs), a, b, metric, _claims(pairs), published, comparison)


def _ranked(a: str, b: str, metric: str, pairs: Sequence[Pair], evidence: Evidence) -> Compared | None:
    """The published order on trial; None where the published numbers are too near to make one."""
    first, second, published, margin = _scores(pairs, evidence)
    if abs(published) < margin:
        return None
    if published < 0:
        a, b, first, second, published = b, a, second, first, -published
    return Compared(_task(pairs), a, b, metric, _claims(pairs), published, ranking=rank(first, second))


def _task(pairs: Sequence[Pair]) -> str:
    return pairs[0].task if len(pairs) == 1 else ALL_TASKS


def _claims(pairs: Sequence[Pair]) -> tuple[Claim, ...]:
    return tuple(claim for pair in pairs for each in (pair.a, pair.b) for claim in each.claims)
