"""What a table's judgements come to: two lines for people, and everything as JSON."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.base import Json
from results.judging.model import Compared, Judged, Judgements
from results.published import Claim
from results.verdict.outcome import Outcome
from results.verdict.words import Direction, Verdict


def summary(found: Judgements) -> tuple[str, str]:
    """The counts of the numbers, and apart from them those of the directions."""
    counts, directions = found.counts, found.directions
    numbers = ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict)
    rule_b = f"; {found.without_p} by rule B, outside Holm's adjustment" if found.without_p else ""
    margin = "" if found.margin is None else f"; margin {found.margin:g} as asked"
    agree = (
        f"{directions[Direction.AGREES]} agree, {directions[Direction.DISAGREES]} disagree, "
        f"{directions[Direction.UNDECIDED]} undecided"
    )
    silent = f"; {found.silent} without a published difference above the margin" if found.silent else ""
    where = f"tier {found.tier}, {found.data} data, {found.seeds} seeds" if found.seeds else "no runs"
    return f"{found.table} ({found.statistic}): {numbers}{rule_b}{margin}.", f"Directions ({where}): {agree}{silent}."


def as_json(found: Judgements) -> dict[str, Json]:
    """Everything, with `null` for what does not exist. `directions` are never part of `counts`."""
    return {
        "table": found.table,
        "statistic": found.statistic,
        "tier": found.tier,
        "data": found.data,
        "seeds": found.seeds,
        "margin": found.margin,
        "counts": {verdict.value: count for verdict, count in found.counts.items()},
        "rule_b": found.without_p,
        "directions": {direction.value: count for direction, count in found.directions.items()},
        "directions_without_statement": found.silent,
        "contradicts": found.contradicts,
        "warnings": list(found.warnings),
        "numbers": [_number(each) for each in found.numbers],
        "comparisons": [_compared(each) for each in found.compared],
    }


def _number(each: Judged) -> dict[str, Json]:
    ours = each.ours
    return {
        "task": each.place.task,
        "group": each.place.group or None,
        "method": each.place.method,
        "metric": each.place.metric,
        "published": each.published,
        "quoted": each.quoted,
        "claims": [_claim(claim) for claim in each.claims],
        "ours": None if ours is None else {"mean": ours.mean, "spread": _finite(ours.spread), "n": ours.n},
        **_outcome(each.outcome),
    }


def _claim(claim: Claim) -> dict[str, Json]:
    return dict(vars(claim))


def _outcome(outcome: Outcome) -> dict[str, Json]:
    return {
        "verdict": outcome.verdict.value,
        "reason": outcome.reason,
        "rule": outcome.rule or None,
        "margin": outcome.margin,
        "difference": outcome.difference,
        "interval": _ends(outcome.interval),
        "readings": [
            {
                "spread_kind": reading.kind.value,
                "t": _finite(reading.test.t),
                "freedom": _finite(reading.test.freedom),
                "p": reading.test.p,
                "p_holm": reading.p_adjusted,
                "q": reading.q,
                "verdict": reading.verdict.value,
            }
            for reading in outcome.readings
        ],
    }


def _compared(each: Compared) -> dict[str, Json]:
    about = {"task": each.task or None, "a": each.a, "b": each.b, "metric": each.metric, "published": each.published}
    if each.ranking is not None:
        ranking = each.ranking
        return about | {
            "verdict": ranking.verdict.value,
            "probability": ranking.probability,
            "interval": _ends(ranking.interval),
            "ahead": ranking.ahead,
            "tasks": [vars(win) for win in ranking.wins],
        }
    assert each.comparison is not None
    comparison = each.comparison
    return about | {
        "direction": None if comparison.direction is None else comparison.direction.value,
        "reason": comparison.reason,
        "margin": comparison.margin,
        "ours": comparison.ours,
        "statistic": "P(A > B)" if comparison.middle else "difference",
        "interval": _ends(comparison.interval),
        "seeds": comparison.seeds,
        "tasks": comparison.tasks,
    }


def _ends(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else list(interval)


def _finite(value: float) -> Any:
    return value if math.isfinite(value) else None
