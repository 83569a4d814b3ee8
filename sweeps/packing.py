"""Packs runs into trials. How runs are packed is a matter of speed and never changes a run's key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from benchmarks.base import Benchmark, Run, canonical_json, content_key, home
from sweeps.matrix import Cell


@dataclass(frozen=True)
class Trial:
    """What Ray schedules: a stack of runs. `group` names the trials it may be compared with (one task and method)."""

    runs: tuple[Run, ...]
    search: str | None = field(default=None)

    @cached_property
    def key(self) -> str:
        """sha256 over the sorted keys of its runs."""
        return content_key(sorted(run.key for run in self.runs))

    @property
    def group(self) -> str:
        return f"{self.runs[0].task}/{self.runs[0].method}"

    @property
    def folder(self) -> Path:
        """Where its result, log and checkpoints lie: `<home>/trials/<first 20 digits of the key>`."""
        return trials_folder() / self.key[:20]

    @property
    def title(self) -> str:
        """`hopper-medium ilq[delta=-2] seeds 0 1 2`, shortened where the stack holds several variants."""
        variants = list(dict.fromkeys(run.labels.get("variant", run.method) for run in self.runs))
        seeds = list(dict.fromkeys(run.seed for run in self.runs))
        name = variants[0] if len(variants) == 1 else f"{self.runs[0].method} ({len(variants)} variants)"
        return f"{self.runs[0].task} {name} seed{'s' if len(seeds) > 1 else ''} {' '.join(map(str, seeds))}"


def trials_folder() -> Path:
    """The folder of all trials."""
    return home() / "trials"


def pack(cells: Iterable[Cell], stack: Sequence[str], benchmark: Benchmark) -> list[Trial]:
    """Trials of cells whose differing axes are all in `stack` and that the family lets train together."""
    packed: dict[str, list[Run]] = {}
    for cell in cells:
        packed.setdefault(_bin(cell, stack, benchmark), []).append(cell.run)
    return [Trial(tuple(runs)) for runs in packed.values()]


def costliest_first(trials: Iterable[Trial], benchmark: Benchmark) -> list[Trial]:
    """Long trials first, so that none is left alone at the end; trials of unknown cost keep their order, in front."""
    return sorted(trials, key=lambda trial: -(cost(trial, benchmark) or float("inf")))


def cost(trial: Trial, benchmark: Benchmark) -> float | None:
    """Expected CPU-seconds of its runs trained one by one (an upper bound for the stack); None where one is unknown."""
    costs = [benchmark.cost(run) for run in trial.runs]
    known = [value for value in costs if value is not None]
    return sum(known) if len(known) == len(costs) else None


def _bin(cell: Cell, stack: Sequence[str], benchmark: Benchmark) -> str:
    """Cells with equal values here share a trial: entry, values off the stack, and the family's own condition."""
    resolved = cell.resolved
    apart = {name: value for name, value in resolved.axes.items() if name not in stack}
    seed = None if "seed" in stack else cell.seed
    signature = benchmark.stack_signature(cell.run) if stack else ""
    return canonical_json([resolved.setup.task, resolved.setup.where, resolved.setup.variant, apart, seed, signature])
