"""Made-up runs for every cell of a figure, whatever its kind."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from benchmarks.base import Point, Run, RunResult
from benchmarks.record_files import Found
from results.collect import tidy
from results.figure_spec import FigureSpec, ScatterSpec

Score = Callable[[str, str, int], float]
"""The score of a run, from its task, variant and seed."""


def make_run(
    spec: FigureSpec, task: str, variant: str, seed: int, score: float, *, step: int = 5_000, **labels: str
) -> RunResult:
    """A run with a curve of 20 points, every `step` steps, that rises in a line to its score; costs are 1 + score."""
    metrics = {spec.metric: score}
    if isinstance(spec, ScatterSpec):
        metrics |= {spec.y.metric + panel.suffix: score for panel in spec.panels}
        metrics[spec.x.metric] = 1.0 + score
    run = Run(
        family=spec.family,
        task=task,
        task_version=1,
        dataset=f"local/{task}",
        dataset_hash="0" * 64,
        method=variant,
        method_version=1,
        settings={},
        training={},
        seed=seed,
        labels={"tier": spec.tier or "mini", "variant": variant, "label": variant, "data_kind": "rebuilt", **labels},
    )
    curve = [Point(spec.metric, place * step, score * place / 20) for place in range(1, 21)]
    summary = {name: {"last": value, "final10": value, "best": value} for name, value in metrics.items()}
    return RunResult(run=run, status="finished", curve=curve, summary=summary, extra={}, provenance={})


@pytest.fixture
def made_up() -> Callable[..., pd.DataFrame]:
    """`made_up(spec, seeds=3, score=None)`: a run per task, variant and seed of the figure, as the tidy table."""

    def make(spec: FigureSpec, seeds: int = 3, score: Score | None = None, **labels: str) -> pd.DataFrame:
        tasks, variants = list(spec.scope.tasks), list(spec.scope.variants)
        found = []
        for row, task in enumerate(tasks):
            for column, variant in enumerate(variants):
                for seed in range(seeds):
                    usual = 30.0 + 5.0 * column + 3.0 * row + seed
                    value = usual if score is None else score(task, variant, seed)
                    found.append(
                        Found(f"{task} {variant} {seed}", make_run(spec, task, variant, seed, value, **labels))
                    )
        return tidy(found)

    return make
