"""A verdict on each published number of a table, family by family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from benchmarks.base import Metric
from benchmarks.metrics import METRICS
from results.judging.claimed import Placed, claim_of
from results.judging.comparable import Standard
from results.judging.model import Judged, Place
from results.run_figures import RunFigures
from results.selection import Selection
from results.table_spec import ColumnSpec, TableSpec, TotalSpec
from results.verdict.family import Cell, judge_family
from results.verdict.outcome import Outcome
from results.verdict.samples import Published, Sample
from results.verdict.totals import judge_total
from results.verdict.words import Verdict


@dataclass(frozen=True)
class Evidence:
    """Our runs of a table: `selection` is None where there are none. `margin`, where given, replaces every metric's own."""

    family: str
    statistic: str
    standard: Standard
    selection: Selection | None
    figures: RunFigures | None
    margin: float | None = None

    def scores(self, placed: Placed) -> dict[int, float]:
        """Seed -> our figure; empty where there is no run."""
        return {} if self.figures is None else placed.ours(self.figures)

    def runs(self, task: str, variant: str) -> pd.DataFrame:
        """The selected runs of a cell."""
        assert self.selection is not None
        return self.selection.of(task, variant)

    def metric(self, placed: Placed) -> Metric | None:
        """What is known of the metric of a published number; None in a family whose metrics declare nothing."""
        return METRICS.get(self.family, {}).get(placed.claims[0].metric)

    def margin_of(self, metric: Metric, value: float) -> float:
        """The margin of a published value."""
        return metric.margin(value) if self.margin is None or metric.test != "spread" else self.margin


def judge_numbers(placed: Sequence[Placed], evidence: Evidence) -> list[Judged]:
    """What is said of each number, in their order. A family is one claim table, method, metric and statistic."""
    families: dict[tuple[str, ...], list[int]] = {}
    for index, each in enumerate(placed):
        key = (each.claims[0].table, each.place.method, each.place.metric, each.claims[0].statistic)
        families.setdefault(key, []).append(index)
    found: dict[int, Judged] = {}
    for indices in families.values():
        found.update(zip(indices, _family([placed[index] for index in indices], evidence), strict=True))
    return [found[index] for index in range(len(placed))]


def _family(members: Sequence[Placed], evidence: Evidence) -> list[Judged]:
    """Numbers that may not be judged at all are no part of their family; those that are not run or not comparable are."""
    samples = [_sample(evidence.scores(each)) for each in members]
    said = [_unjudged(each, sample, evidence) for each, sample in zip(members, samples, strict=True)]
    tested = [i for i, outcome in enumerate(said) if outcome is None or outcome.verdict is not Verdict.NOT_JUDGED]
    cells = [_cell(members[i], samples[i] if said[i] is None else None, evidence) for i in tested]
    outcomes = dict(zip(tested, judge_family(cells), strict=True))
    return [
        Judged(each.place, each.claims, each.value, sample, outcome or outcomes[index])
        for index, (each, sample, outcome) in enumerate(zip(members, samples, said, strict=True))
    ]


def _sample(scores: dict[int, float]) -> Sample | None:
    return Sample.of(list(scores.values())) if scores else None


def _cell(placed: Placed, sample: Sample | None, evidence: Evidence) -> Cell:
    metric, claim = evidence.metric(placed), placed.claims[0]
    assert metric is not None
    alone = (
        len(placed.claims) == 1
    )  # a gain is the claim itself: the spread of one of its parts is not the spread of it
    return Cell(
        Published(placed.value, claim.spread, claim.spread_kind, claim.n_seeds) if alone else Published(placed.value),
        sample,
        evidence.margin_of(metric, placed.value),
        metric.seeds_needed,
        exact=metric.test == "exact",
    )


def _unjudged(placed: Placed, sample: Sample | None, evidence: Evidence) -> Outcome | None:
    """Why nothing is judged, before any rule; None where a rule may speak."""
    metric = evidence.metric(placed)
    margin = 0.0 if metric is None else evidence.margin_of(metric, placed.value)
    if not placed.judged:
        words = " and ".join(dict.fromkeys(claim.certainty for claim in placed.claims))
        return Outcome(Verdict.NOT_JUDGED, margin, reason=f"the published number is {words}")
    if metric is None:
        return Outcome(Verdict.NOT_JUDGED, margin, reason=f"no margin is declared for {placed.metric}")
    if metric.test == "ratio" and placed.times is None:
        return Outcome(Verdict.NOT_JUDGED, margin, reason=f"{placed.metric} is never judged as an absolute figure")
    if sample is None or placed.variant is None:
        return Outcome(Verdict.NOT_RUN, margin, reason="no run of ours")
    reasons = evidence.standard.hindrances(evidence.runs(placed.place.task, placed.variant), placed.claims[0], metric)
    if not reasons:
        return None
    difference = sample.mean - placed.value
    return Outcome(Verdict.NOT_COMPARABLE, margin, difference=difference, reason=", ".join(reasons))


def judge_totals(spec: TableSpec, placed: Sequence[Placed], claims: pd.DataFrame, evidence: Evidence) -> list[Judged]:
    """A verdict on the printed total of each column, those of groups first."""
    totals = [(group.total, [row.key for row in group.rows]) for group in spec.groups if group.total is not None]
    totals += [] if spec.total is None else [(spec.total, [row.key for group in spec.groups for row in group.rows])]
    found = [
        _total(spec, total, tasks, column, placed, claims, evidence)
        for total, tasks in totals
        for column in spec.columns
    ]
    return [judged for judged in found if judged is not None]


def _total(
    spec: TableSpec,
    total: TotalSpec,
    tasks: Sequence[str],
    column: ColumnSpec,
    placed: Sequence[Placed],
    claims: pd.DataFrame,
    evidence: Evidence,
) -> Judged | None:
    name = total.metric or spec.metric
    claim = claim_of(spec, claims, evidence.statistic, total.claim, column.claim, name)
    metric = METRICS.get(evidence.family, {}).get(name)
    if claim is None or metric is None:
        return None
    known = {each.place.task: each for each in placed if each.variant == column.id}
    parts: list[tuple[Published | None, Sample | None]] = []
    reasons: dict[str, None] = {}
    for task in tasks:
        each = known.get(task) or Placed(Place(task, column.label, spec.metric), column.id, (), 0.0, spec.metric)
        sample = _sample(evidence.scores(each))
        printed = each.claims[0] if each.claims else None
        theirs = (
            None if printed is None else Published(printed.value, printed.spread, printed.spread_kind, printed.n_seeds)
        )
        parts.append((theirs, sample))
        if sample is not None:
            reasons.update(dict.fromkeys(evidence.standard.hindrances(evidence.runs(task, column.id or ""), claim)))
    margin = metric.margin(claim.value)
    outcome = judge_total(claim.value, margin, parts, average=name.endswith("_average"))
    if claim.certainty not in ("read", "quoted"):
        outcome = Outcome(Verdict.NOT_JUDGED, margin, reason=f"the published number is {claim.certainty}")
    elif reasons and outcome.verdict is not Verdict.NOT_RUN:
        outcome = Outcome(Verdict.NOT_COMPARABLE, margin, reason=", ".join(reasons))
    return Judged(Place(total.label, column.label, name), (claim,), claim.value, None, outcome)
