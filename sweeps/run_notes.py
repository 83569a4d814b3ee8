"""What `mlflow ui` shows of a run for people: its description, where it comes from, its data; and a trial's means."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.base import Run, RunResult, Tag, registered_benchmarks

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

SHOWN = ("label", "preset", "protocol", "environment", "paper")
"""Labels that a description has, where a run has them."""


def member_tags(result: RunResult) -> dict[str, str]:
    """Description and source of a member run."""
    run = result.run
    labels = {name: run.labels[name] for name in SHOWN if run.labels.get(name)}
    lines = [f"- {name}: {text}" for name, text in labels.items()]
    if run.labels.get("reconstruction") == "true":
        lines.append(
            "- reconstruction: no public code exists; written from the paper, what it leaves open is our choice"
        )
    lines.append(f"- data: {run.dataset} ({run.dataset_hash[:8]})")
    if result.status != "finished":
        lines.append(f"- status: {result.status}")
    return {Tag.NOTE: "\n".join([_scores(result), "", *lines]), **source_tags(result)}


def source_tags(result: RunResult) -> dict[str, str]:
    """What made a run: the command and the commit, where it says them."""
    sweep, commit = result.run.labels.get("sweep"), result.provenance.get("commit")
    return {
        "mlflow.source.type": "LOCAL",
        **({"mlflow.source.name": f"reprise run {sweep}"} if sweep else {}),
        **({"mlflow.source.git.commit": str(commit)} if commit else {}),
    }


def trial_note(results: Sequence[RunResult]) -> str:
    """The members of a trial, as a table."""
    metric, statistic = _headline(results[0])
    rows = [
        f"| {each.run.labels.get('variant', each.run.method)} | {each.run.seed} | {each.status} | "
        f"{_number(each.summary.get(metric, {}).get(statistic))} |"
        for each in results
    ]
    return "\n".join(
        [
            f"| variant | seed | status | {metric} ({statistic}) |",
            "|---|--:|---|--:|",
            *rows,
            "",
            f"`{Tag.RUN_KEY}` names each run.",
        ]
    )


def trial_means(results: Sequence[RunResult]) -> dict[str, float]:
    """`normalized_score.last` -> mean over the members; empty where they are not one variant and differ in more than seed."""
    if len({each.run.labels.get("variant", each.run.method) for each in results}) > 1:
        return {}
    found: dict[str, list[float]] = {}
    for each in results:
        for metric, summary in each.summary.items():
            for statistic, value in summary.items():
                found.setdefault(f"{metric}.{statistic}", []).append(value)
    return {name: statistics.fmean(values) for name, values in found.items() if len(values) == len(results)}


def dataset(run: Run) -> DatasetInput:
    """A run's data as MLflow lists it: name, and the start of its hash."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = f'{{"name": "{run.dataset}", "sha256": "{run.dataset_hash}"}}'
    found = Dataset(name=run.dataset[:500], digest=run.dataset_hash[:8], source_type="reprise", source=source)
    return DatasetInput(found, [InputTag("mlflow.data.context", "training")])


def _headline(result: RunResult) -> tuple[str, str]:
    """The metric that the run's task is scored by, at its last evaluation; the first there is for a task of an absent plug-in."""
    metrics = result.summary
    benchmark = registered_benchmarks().get(result.run.family)
    task = None if benchmark is None else benchmark.tasks().get(result.run.task)
    metric = task.metric.name if task is not None and task.metric.name in metrics else next(iter(metrics), "")
    statistics_of = metrics.get(metric, {})
    return metric, "last" if "last" in statistics_of else next(iter(statistics_of), "")


def _scores(result: RunResult) -> str:
    metric, statistic = _headline(result)
    value = _number(result.summary.get(metric, {}).get(statistic))
    return f"**{result.run.labels.get('label', result.run.method)}** on **{result.run.task}**: {metric} {value} ({statistic})"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
