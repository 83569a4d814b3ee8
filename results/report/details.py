"""What a page says of each cell when it is opened: runs, curves, parameters, provenance, claims; as one JSON object."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from benchmarks.base import Json, RunResult, canonical_json
from benchmarks.record_files import Found
from results.judging.model import Judged
from results.method_spec import MethodTableSpec
from results.published import Claim
from results.report.at_hand import AtHand
from results.report.curve_points import DIGITS, points_each, thinned
from results.report.grid import Grid, Line, Square
from results.report.rerun import rerun
from results.report.table_view import TableView
from results.run_places import file_place, mlflow_id
from results.table_spec import TableSpec
from results.verdict.words import Verdict

JUDGING = (Verdict.REPRODUCED, Verdict.NOT_REPRODUCED, Verdict.INCONCLUSIVE)

KEY_DIGITS = 20
"""Digits of a run key: enough to find a run by."""

COMMON = ("commit", "dirty", "device", "threads", "precision", "python", "torch", "wall_s", "cpu_s")
"""The first entries of a provenance, in this order; the others follow by name."""

TIMES = ("wall_s", "cpu_s")
"""What differs from run to run: shown in the table of runs, not in the provenance they share."""


class Pool:
    """Values that many runs share, each once; what refers to one holds its place."""

    def __init__(self) -> None:
        self.values: list[Json] = []
        self._places: dict[str, int] = {}

    def place(self, value: Json) -> int:
        """Where the value is kept."""
        key = canonical_json(value)
        if key not in self._places:
            self._places[key] = len(self.values)
            self.values.append(value)
        return self._places[key]


def details(view: TableView, shown: Grid, at_hand: AtHand) -> dict[str, Json]:
    """`cells` in the order of their numbers; `groups`, `parameters` and `provenance` are what they share."""
    found = _Details(view, at_hand)
    cells = [found.cell(line, square) for line, square in shown.squares() if square.number is not None]
    return {
        "title": view.table.title,
        "metric": view.spec.metric_label,
        "statistic": view.statistic,
        "tier": view.tier,
        "cells": cells,
        "groups": found.groups,
        "parameters": found.parameters.values,
        "provenance": found.provenance.values,
    }


class _Details:
    def __init__(self, view: TableView, at_hand: AtHand) -> None:
        self.view, self.spec, self.at_hand = view, view.spec, at_hand
        self.keys = {
            place: list(runs.sort_values("seed")["run_key"])
            for place, runs in view.selection.runs.groupby(["task", "variant"], sort=False)
        }
        self.parameters, self.provenance = Pool(), Pool()
        self.groups: list[Json] = []
        self.places: dict[tuple[str, str], int] = {}
        self.each = points_each(sum(map(len, self.keys.values())))
        self.metrics = set(self.spec.metrics if isinstance(self.spec, MethodTableSpec) else [self.spec.metric])

    def cell(self, line: Line, square: Square) -> dict[str, Json]:
        """One cell; members without content are left out."""
        task, variant, metric, divisor = self.place(line, square)
        group = self.group(task, variant)
        ours, theirs = square.ours, square.published
        content = {
            "row": line.header.text,
            "column": square.column.text,
            "group": line.group,
            "task": task,
            "metric": metric,
            "divisor": None if divisor == 1 else divisor,
            "runs": group,
            "ours": {"text": ours.text, "spread": ours.spread, "remark": ours.remark} if not ours.empty else None,
            "published": {"text": theirs.text, "spread": theirs.spread} if not theirs.empty else None,
            "verdict": None if square.judged is None else _verdict(square.judged),
            "claims": [] if square.judged is None else [_claim(claim) for claim in square.judged.claims],
        }
        return {name: value for name, value in content.items() if value not in (None, "", [])}

    def place(self, line: Line, square: Square) -> tuple[str, str, str, float]:
        """(task, variant, metric of our runs, divisor) of a cell; the variant of a total is empty."""
        if isinstance(self.spec, MethodTableSpec):
            group = next(each for each in self.spec.groups if each.key == line.group)
            column = next(each for each in self.spec.columns if each.key == square.column.key)
            return group.task, line.header.key, group.metric(column), column.divisor
        assert isinstance(self.spec, TableSpec)
        return ("", "", "", 1.0) if line.total else (line.header.key, square.column.key, self.spec.metric, 1.0)

    def group(self, task: str, variant: str) -> int | None:
        """The runs of a task and variant, kept once; None where there are none."""
        if (task, variant) not in self.keys:
            return None
        if (task, variant) not in self.places:
            self.places[task, variant] = len(self.groups)
            self.groups.append(self.runs([self.at_hand.runs[key] for key in self.keys[task, variant]]))
        return self.places[task, variant]

    def runs(self, found: list[Found]) -> dict[str, Json]:
        """A member per thing that runs have, each a list in the order of the runs: a tenth of an object per run."""
        results = [result for _, result in found]
        made = [result.provenance for result in results]
        parameters = [{"settings": dict(each.run.settings), "training": dict(each.run.training)} for each in results]
        content = {
            "seeds": [result.run.seed for result in results],
            "keys": [result.run.key[:KEY_DIGITS] for result in results],
            "status": _shared([result.status for result in results]),
            "values": self.values(results),
            "curves": self.curves(results),
            "mlflow": _if_any([mlflow_id(place) for place, _ in found]),
            **_files([file_place(place) for place, _ in found]),
            "parameters": _shared([self.parameters.place(each) for each in parameters]),
            "provenance": _shared([self.provenance.place(_made(each)) for each in made]),
            **{name: _if_any([_seconds(each.get(name)) for each in made]) for name in TIMES},
            "command": rerun([result.run for result in results]),
            "about": _labels(results[0]),
        }
        return {name: value for name, value in content.items() if value not in ("", {}, None)}

    def values(self, results: Sequence[RunResult]) -> dict[str, Json]:
        """Metric -> the figure of each run."""
        statistic = self.view.statistic
        metrics = sorted({metric for result in results for metric in result.summary} & self.metrics)
        found = {metric: [result.summary.get(metric, {}).get(statistic) for result in results] for metric in metrics}
        return {
            metric: [None if value is None else _plain(value) for value in values] for metric, values in found.items()
        }

    def curves(self, results: Sequence[RunResult]) -> dict[str, Json]:
        """Metric -> per run [steps, values] or null, thinned where the page holds many runs; a run's steps are null where they
        are those of the run before.
        """
        found: dict[str, list[Json]] = {}
        for index, result in enumerate(results):
            for metric, (steps, values) in _points(result, self.metrics).items():
                curves = found.setdefault(metric, [None] * len(results))
                curves[index] = thinned(steps, values, self.each)
        for curves in found.values():
            last = None
            for curve in filter(None, curves):
                steps, curve[0] = curve[0], None if curve[0] == last else curve[0]
                last = steps
        return found


def _points(result: RunResult, metrics: Collection[str]) -> dict[str, tuple[list[int], list[float]]]:
    """Metric -> (steps, values) of the curves of a run that have more than a point."""
    found: dict[str, tuple[list[int], list[float]]] = {}
    for point in result.curve:
        if point.metric in metrics and math.isfinite(point.value):
            steps, values = found.setdefault(point.metric, ([], []))
            steps.append(point.step)
            values.append(point.value)
    return {metric: curve for metric, curve in found.items() if len(curve[0]) > 1}


def _shared(values: list[Json]) -> Json:
    """One value where all are equal, else the list."""
    return values[0] if all(value == values[0] for value in values) else values


def _if_any(values: list[Json]) -> Json:
    """None where no run has the thing."""
    return values if any(value not in (None, "") for value in values) else None


def _files(places: list[str]) -> dict[str, Json]:
    """The file all runs were read from, and their lines; nothing for runs of MLflow."""
    names = {place.rpartition(":")[0] for place in places}
    if len(names) == 1 and names != {""}:
        return {"file": names.pop(), "lines": [int(place.rpartition(":")[2]) for place in places]}
    return {"files": _if_any(list(places))}


def _seconds(value: Json) -> Json:
    return float(f"{value:.4g}") if isinstance(value, (int, float)) and math.isfinite(value) else None


def _labels(result: RunResult) -> dict[str, Json]:
    run = result.run
    version = f"{run.method}, version {run.method_version}"
    data = {"method": version, "data": run.dataset, "data hash": run.dataset_hash, "task version": run.task_version}
    labels = {name: text for name, text in sorted(run.labels.items()) if text and name not in ("label", "variant")}
    return {**data, **labels}


def _made(provenance: dict[str, Json]) -> dict[str, Json]:
    """The provenance without times, the usual entries first."""
    names = [name for name in COMMON if name in provenance]
    names += sorted(set(provenance) - set(names))
    return {name: provenance[name] for name in names if name not in (*TIMES, "trial")}


def _verdict(judged: Judged) -> dict[str, Json]:
    outcome = judged.outcome
    content: dict[str, Any] = {
        "word": outcome.verdict.value,
        "reason": outcome.reason,
        "rule": outcome.rule,
    }
    if outcome.verdict in JUDGING:
        content["margin"] = _plain(outcome.margin)
        content["difference"] = None if outcome.difference is None else _plain(outcome.difference)
        content["interval"] = None if outcome.interval is None else list(map(_plain, outcome.interval))
        content["readings"] = list(_readings(judged))
    return {name: value for name, value in content.items() if value not in (None, "", [])}


def _readings(judged: Judged) -> Iterator[str]:
    for reading in judged.outcome.readings:
        yield f"± read as {reading.kind.value}: p {reading.test.p:.2g}, after Holm {reading.p_adjusted:.2g}"


def _claim(claim: Claim) -> dict[str, Json]:
    spread = "" if claim.spread is None else f" ± {claim.spread:g} ({claim.spread_kind})"
    content = {
        "figure": f"{claim.value:g}{spread}",
        "of": f"{claim.method}, {claim.task}, {claim.metric}",
        "table": claim.table,
        "data": claim.dataset,
        "statistic": claim.statistic,
        "certainty": claim.certainty,
        "seeds": claim.n_seeds,
        "source": claim.source,
    }
    return {name: value for name, value in content.items() if value not in (None, "")}


def _plain(value: float) -> Json:
    """A number as JSON can hold it, short; NaN and infinities as words."""
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else str(value)
