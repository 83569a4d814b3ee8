"""One method's scores: per task the scores of its runs, as one row of numbers that statistics read and resample."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmarks.base import RepriseError


@dataclass(frozen=True, eq=False)
class Scores:
    """The final scores of one method on T tasks, N_t runs (seeds) each, 1.0 being the reference (an expert's score).

    `pooled` (N_1 + ... + N_T,) holds the runs task after task, float64; `sizes` (T,) the number of runs of each. Make one by
    `Scores.of`.
    """

    tasks: tuple[str, ...]
    sizes: tuple[int, ...]
    pooled: np.ndarray

    @classmethod
    def of(cls, by_task: Mapping[str, Sequence[float] | np.ndarray], scale: float = 1.0) -> Scores:
        """From a mapping task -> scores (N_t,), divided by `scale`: 100 for scores printed as 0..100.

        Raises RepriseError where there is no task, a task has no run, or a score is not finite (a run that diverged counts 0:
        statistics specification, protocol).
        """
        if not by_task:
            raise RepriseError("no task has a score; statistics need one task at least")
        columns = {task: np.asarray(values, dtype=np.float64) for task, values in by_task.items()}
        for task, column in columns.items():
            if column.ndim != 1 or not column.size:
                raise RepriseError(f"task '{task}': scores of shape {column.shape}; give one score for each run")
            if not np.isfinite(column).all():
                raise RepriseError(f"task '{task}': a score is not finite; a run that diverged has the score 0")
        pooled = np.concatenate(list(columns.values())) / scale
        pooled.flags.writeable = False
        return cls(tuple(columns), tuple(map(len, columns.values())), pooled)

    @cached_property
    def starts(self) -> np.ndarray:
        """(T,): where in `pooled` each task begins."""
        return np.cumsum([0, *self.sizes[:-1]])

    @property
    def fewest(self) -> int:
        """The number of runs of the task that has the fewest."""
        return min(self.sizes)

    def columns(self) -> Iterator[tuple[str, np.ndarray]]:
        """Each task with its scores (N_t,)."""
        for task, start, size in zip(self.tasks, self.starts, self.sizes, strict=True):
            yield task, self.pooled[start : start + size]

    def of_tasks(self, tasks: Collection[str]) -> Scores:
        """The scores on some of the tasks, in the order given; raises RepriseError where one is missing."""
        columns = dict(self.columns())
        missing = [task for task in tasks if task not in columns]
        if missing:
            raise RepriseError(f"no scores on {', '.join(missing)}; there are scores on {', '.join(self.tasks)}")
        return Scores.of({task: columns[task] for task in tasks})

    def task_means(self, pooled: np.ndarray | None = None) -> np.ndarray:
        """(..., T): the mean over the runs of each task, of these scores or of `pooled` (..., runs) laid out alike."""
        values = self.pooled if pooled is None else pooled
        if len(set(self.sizes)) == 1:
            return values.reshape(*values.shape[:-1], len(self.sizes), self.sizes[0]).mean(axis=-1)
        return np.add.reduceat(values, self.starts, axis=-1) / np.asarray(self.sizes)
