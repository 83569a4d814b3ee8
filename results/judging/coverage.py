"""Every claim of a family with what was said of it, or with the reason why nothing was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from benchmarks.metrics import METRICS
from results.judging.model import Judged, Judgements
from results.published import IDENTITY, Claim, as_claims
from results.verdict.words import Verdict


@dataclass(frozen=True)
class Covered:
    """A claim; `table` is ours and empty where no table of the suite has a place for it."""

    claim: Claim
    verdict: Verdict
    reason: str
    table: str = ""
    judged: Judged | None = None


def every_claim(claims: pd.DataFrame, judgements: Iterable[Judgements]) -> list[Covered]:
    """The claims in the order of their file, each with its verdict; a claim shown by several tables once for each.

    Only numbers that stand alone are looked up: a gain is made of two claims and stands in its table's judgements.
    """
    said: dict[tuple[object, ...], list[Covered]] = {}
    for table in judgements:
        for each in table.numbers:
            if len(each.claims) == 1:
                claim, outcome = each.claims[0], each.outcome
                covered = Covered(claim, outcome.verdict, outcome.reason, table.table, each)
                said.setdefault(_identity(claim), []).append(covered)
    return [
        covered
        for family, claim in as_claims(claims)
        for covered in said.get(_identity(claim), [_without_place(family, claim)])
    ]


def _identity(claim: Claim) -> tuple[object, ...]:
    return tuple(getattr(claim, name) for name in IDENTITY if name != "family")


def _without_place(family: str, claim: Claim) -> Covered:
    metric = METRICS.get(family, {}).get(claim.metric)
    if claim.certainty not in ("read", "quoted"):
        return Covered(claim, Verdict.NOT_JUDGED, f"the published number is {claim.certainty}")
    if metric is not None and metric.test == "ratio":
        return Covered(claim, Verdict.NOT_JUDGED, f"{claim.metric} is never judged as an absolute figure")
    return Covered(claim, Verdict.NOT_RUN, "no table of the suite has a place for it")
