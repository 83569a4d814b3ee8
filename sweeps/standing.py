"""Where a sweep stands: which of its runs are finished, failed, stopped early, or still to do, packed into trials."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.base import Json, RepriseError
from sweeps.matrix import Cell, Matrix, SearchPlan
from sweeps.packing import Trial, cost, pack
from sweeps.trial_folder import Ledger

FINISHED, FAILED, STOPPED, WAITING, NO_DATA = "finished", "failed", "stopped early", "to do", "waiting for data"


@dataclass(frozen=True)
class Standing:
    """A matrix beside what is known of its runs. `recorded` are the keys in MLflow, `ledger` what trial folders say."""

    matrix: Matrix
    recorded: frozenset[str]
    ledger: Ledger

    def of(self, cell: Cell) -> str:
        """One of the five words above."""
        if cell.resolved.dataset.hash is None:
            return NO_DATA
        key = cell.run.key
        if key in self.recorded or key in self.ledger.finished:
            return FINISHED
        if key in self.ledger.failed:
            return FAILED
        return STOPPED if key in self.ledger.stopped and self.matrix.sweep.scheduler is not None else WAITING

    def to_do(self, failed_only: bool = False) -> list[Cell]:
        """Cells to train now: everything not finished and not stopped by this sweep's scheduler, or only what failed."""
        wanted = (FAILED,) if failed_only else (FAILED, WAITING)
        return [cell for cell in self.matrix.cells if self.of(cell) in wanted]

    def trials(self, failed_only: bool = False) -> list[Trial]:
        """The cells to train, packed."""
        return pack(self.to_do(failed_only), self.matrix.sweep.stack, self.matrix.benchmark)

    def samples_left(self) -> int:
        """Samples of Optuna searches that are not trained yet (all of them while a dataset is missing)."""
        return sum(max(0, search.samples - self._sampled(search)) for search in self.matrix.searches)

    def failure(self, cell: Cell) -> str:
        """Why a failed cell failed."""
        failure = self.ledger.failed[cell.run.key].failure()
        return failure["reason"] if failure else ""

    def counts(self) -> dict[str, int]:
        """How many runs stand how."""
        found: dict[str, int] = {}
        for cell in self.matrix.cells:
            word = self.of(cell)
            found[word] = found.get(word, 0) + 1
        return found

    def _sampled(self, search: SearchPlan) -> int:
        if search.probe.dataset.hash is None:
            return 0
        ended = {*self.ledger.finished.values(), *self.ledger.stopped.values()}
        return sum(folder.search() == search.key for folder in ended)


def check_datasets(matrix: Matrix) -> None:
    """Raise RepriseError where a dataset is missing that only the user can get."""
    lost = [reference for reference in matrix.datasets() if reference.hash is None and reference.artifact is None]
    if lost:
        raise RepriseError(
            "\n".join(f"dataset {reference.name} does not exist; {reference.remedy}" for reference in lost)
        )


def weights(trials: Sequence[Trial], matrix: Matrix) -> dict[str, float]:
    """Expected cost of every trial by key; the mean of the others where nobody measured, 1 where nobody measured any."""
    costs = {trial.key: cost(trial, matrix.benchmark) for trial in trials}
    known = [value for value in costs.values() if value is not None]
    usual = sum(known) / len(known) if known else 1.0
    return {key: usual if value is None else value for key, value in costs.items()}


def expected_seconds(trials: Sequence[Trial], matrix: Matrix) -> tuple[float | None, float]:
    """CPU-seconds of the runs trained one by one, and wall seconds on this machine's cores; None where one is unknown."""
    costs = [cost(trial, matrix.benchmark) for trial in trials]
    known = [value for value in costs if value is not None]
    slots = max(1, cores() // matrix.sweep.resources.cpu)
    cpu = sum(known) if len(known) == len(costs) else None
    return cpu, max([sum(known) / slots, *known], default=0.0)


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def as_json(standing: Standing) -> Mapping[str, Json]:
    """What `plan --json` and `status SWEEP --json` print."""
    trials = standing.trials()
    trial_of = {run.key: trial.key for trial in trials for run in trial.runs}
    cpu, _ = expected_seconds(trials, standing.matrix)
    runs = []
    for cell in standing.matrix.cells:
        word, resolved = standing.of(cell), cell.resolved
        key = None if word == NO_DATA else cell.run.key
        run: dict[str, Json] = {
            "key": key,
            "task": resolved.task.name,
            "method": resolved.method.name,
            "variant": resolved.variant,
        }
        run |= {"seed": cell.seed, "status": word, "trial": trial_of.get(key or "")}
        runs.append({**run, "reason": standing.failure(cell)} if word == FAILED else run)
    sweep = standing.matrix.sweep
    return {
        "sweep": sweep.name,
        "tier": sweep.tier,
        "family": sweep.family,
        "runs": runs,
        "trials": len(trials),
        "samples_left": standing.samples_left(),
        "expected_cpu_seconds": cpu,
        "datasets": [
            {"name": item.name, "hash": item.hash, "buildable": item.artifact is not None, "remedy": item.remedy}
            for item in standing.matrix.datasets()
        ],
    }
