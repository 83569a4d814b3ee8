"""Several figures of the runs that a table shows: `select` chooses runs by one metric, this reads the others of the same runs."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pandas as pd

from benchmarks.base import RepriseError
from results.selection import Selection


class RunFigures:
    """Figures of selected runs by task, variant, metric and seed. A figure that a run does not have is absent."""

    def __init__(self, frame: pd.DataFrame, selection: Selection, metrics: Collection[str]) -> None:
        """`frame` is the tidy table of which `selection` is a part. Raises RepriseError for a figure that is not finite."""
        rows = frame[
            frame["run_key"].isin(selection.runs["run_key"])
            & frame["metric"].isin(list(metrics))
            & (frame["statistic"] == selection.statistic)
        ]
        rows = rows.assign(variant=rows["run_key"].map(selection.runs.set_index("run_key")["variant"]))
        _refuse_endless(rows)
        self._cells: dict[tuple[str, str, str], dict[int, float]] = {}
        for task, variant, metric, seed, value in zip(
            rows["task"], rows["variant"], rows["metric"], rows["seed"], rows["value"], strict=True
        ):
            self._cells.setdefault((task, variant, metric), {})[int(seed)] = float(value)

    def of(self, task: str, variant: str, metric: str) -> dict[int, float]:
        """Seed -> value; empty where no run has the figure."""
        return self._cells.get((task, variant, metric), {})

    def carried(self, task: str, variants: Sequence[str], metric: str) -> dict[str, list[float]]:
        """Variant -> the values its runs carry, in the order of the variants; only those that carry some."""
        found = {variant: list(self.of(task, variant, metric).values()) for variant in variants}
        return {variant: values for variant, values in found.items() if values}


def _refuse_endless(rows: pd.DataFrame) -> None:
    bad = rows[~rows["value"].abs().lt(float("inf"))]
    if len(bad):
        run = bad.iloc[0]
        raise RepriseError(
            f"{run['place']}: run {run['run_key'][:12]} ({run['variant']} on {run['task']}, seed {run['seed']}) has the "
            f"{run['metric']} {run['value']}; a figure that does not exist must be left out, remove the run and run it again"
        )
