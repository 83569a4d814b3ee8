"""Scores as other tools take them: a matrix (runs x tasks) per method, the form of the library rliable."""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.base import RepriseError
from results.selection import SCORED


@dataclass(frozen=True)
class ScoreMatrices:
    """`matrices`: method -> (N, T), row n of `seeds`, column t of `tasks`; `remarks` say what was left out, and what diverged."""

    matrices: Mapping[str, np.ndarray]
    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    remarks: tuple[str, ...]


def score_matrices(
    frame: pd.DataFrame, metric: str, statistic: str, where: str, common: bool = False, diverged: float = 0.0
) -> ScoreMatrices:
    """From the tidy table of one sweep or table. A diverged run without a score counts `diverged` (specification: 0).

    A matrix needs the same seeds in every cell. Raises RepriseError naming a cell that lacks some, unless `common` keeps only
    the tasks that every method has, and of these only the seeds that every cell has; and where a cell holds two runs of one
    seed.
    """
    chosen = (frame["metric"] == metric) & (frame["statistic"] == statistic) & frame["status"].isin(SCORED)
    runs = frame[chosen]
    if runs.empty:
        raise RepriseError(f"{where}: no finished run with the statistic '{statistic}' of {metric}")
    twice = runs[runs.duplicated(["variant", "task", "seed"], keep=False)]
    if len(twice):
        run, places = twice.iloc[0], " and ".join(map(str, twice["place"].iloc[:2]))
        raise RepriseError(
            f"{where}: {run['variant']} on {run['task']} has several runs of seed {run['seed']} ({places}); name the runs of one "
            "sweep with --sweep or --keys, or a tier with --tier"
        )
    values = runs["value"].mask((runs["status"] == "diverged") & ~np.isfinite(runs["value"]), diverged)
    table = runs.assign(value=values).pivot(index="seed", columns=["variant", "task"], values="value")
    methods = tuple(dict.fromkeys(runs["variant"]))
    scored = runs[np.isfinite(values)]
    cells = zip(scored["variant"], scored["task"], map(int, scored["seed"]), strict=True)
    tasks, seeds, remarks = _shared(dict.fromkeys(cells), where, common)
    kept = table.loc[list(seeds)]
    matrices = {method: kept[method][list(tasks)].to_numpy(dtype=float) for method in methods}
    lost = runs[(runs["status"] == "diverged") & runs["task"].isin(tasks) & runs["seed"].isin(seeds)]
    remarks += [f"{row.variant} on {row.task}, seed {row.seed}, diverged" for row in lost.itertuples()]
    return ScoreMatrices(matrices, tasks, seeds, tuple(remarks))


def as_npz(found: ScoreMatrices, scale: float) -> bytes:
    """A member per method, its matrix divided by `scale`: `dict(numpy.load(FILE))` is rliable's dictionary of scores."""
    file = io.BytesIO()
    np.savez(file, **{method: matrix / scale for method, matrix in found.matrices.items()})  # type: ignore[arg-type]
    return file.getvalue()


def as_csv(found: ScoreMatrices) -> str:
    """A line per run: method, task, seed, score, unscaled. `reprise stats` reads it."""
    rows = [
        (method, task, seed, matrix[n, t])
        for method, matrix in found.matrices.items()
        for t, task in enumerate(found.tasks)
        for n, seed in enumerate(found.seeds)
    ]
    return pd.DataFrame(rows, columns=["method", "task", "seed", "score"]).to_csv(index=False, lineterminator="\n")


def as_legend(found: ScoreMatrices, metric: str, statistic: str, scale: float) -> str:
    """What the rows and columns of the matrices are, as JSON."""
    about = {"metric": metric, "statistic": statistic, "scale": scale, "methods": list(found.matrices)}
    shape = {"runs": "rows: seeds", "tasks": found.tasks, "seeds": found.seeds, "remarks": found.remarks}
    return json.dumps({**about, **shape}, indent=1) + "\n"


def _shared(
    present: Collection[tuple[str, str, int]], where: str, common: bool
) -> tuple[tuple[str, ...], tuple[int, ...], list[str]]:
    """Tasks and seeds of the matrices, and what was left out; `present` are the (method, task, seed) that have a score."""
    methods, tasks = (tuple(dict.fromkeys(run[place] for run in present)) for place in (0, 1))
    every = sorted({seed for _, _, seed in present})
    gaps = {(m, t): [seed for seed in every if (m, t, seed) not in present] for m in methods for t in tasks}
    gaps = {cell: missing for cell, missing in gaps.items() if missing}
    if gaps and not common:
        (method, task), missing = next(iter(gaps.items()))
        raise RepriseError(
            f"{where}: a matrix needs the same seeds everywhere, but {method} has no run of seed "
            f"{', '.join(map(str, missing))} on {task} ({len(gaps)} such cells); run them, or keep what all have with --common"
        )
    empty = {task for (_, task), missing in gaps.items() if len(missing) == len(every)}
    kept = tuple(str(task) for task in tasks if task not in empty)
    dropped = {seed for (_, task), missing in gaps.items() if task in kept for seed in missing}
    seeds = tuple(seed for seed in every if seed not in dropped)
    if not kept or not seeds:
        raise RepriseError(f"{where}: its methods have no task and seed in common; there is no matrix to write")
    remarks = [f"left out task {task}: not every method has run it" for task in sorted(empty, key=str)]
    remarks += [f"left out seed {seed}: not in every cell" for seed in sorted(dropped)]
    return kept, seeds, remarks
