"""Runs of the face family on a few drawn pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from benchmarks.base import Progress, Run, RunResult, StopTrial, registered_methods
from benchmarks.wider_face.benchmark import BENCHMARK
from benchmarks.wider_face.contract import FAMILY, FaceMethod
from benchmarks.wider_face.harness import DETECTOR, Job
from benchmarks.wider_face.sets import SYNTH, find_task
from benchmarks.wider_face.settings import TrainingSettings
from sweeps.registry import discover

discover()

METHODS = ("efficientface", "mogface")
TINY: Mapping[str, Any] = {
    "schedule": "short",
    "iterations": 4,
    "batch_size": 2,
    "train_images": 8,
    "val_images": 5,
    "scenes": "clear",
}


def planned(method: str, seed: int = 0, **changes: Any) -> Run:
    """A resolved run of the small preset."""
    kind = registered_methods(FAMILY)[method]
    task = find_task(SYNTH)
    settings, training = BENCHMARK.resolve(task, kind, "small", {**TINY, **changes}, "here")
    data = BENCHMARK.dataset(task, training)
    assert data.hash is not None
    return Run(FAMILY, SYNTH, 1, data.name, data.hash, method, kind.version, settings, training, seed)


def job(run: Run) -> Job:
    """The run with its method and settings."""
    kind: Any = registered_methods(FAMILY)[run.method]
    training = TrainingSettings(**{**run.training, "protocols": tuple(run.training["protocols"])})
    method: FaceMethod = kind(kind.Settings(**run.settings))
    return Job(run, method, training)


def trained(run: Run, folder: Path, stop: int | None = None, cpus: int = 1) -> RunResult:
    """Train in a folder, or go on there; `stop`: a scheduler says so after that iteration."""
    folder.mkdir(exist_ok=True)

    def report(progress: Progress) -> None:
        if progress.step == stop:
            raise StopTrial

    return BENCHMARK.train([run], folder, report, cpus)[0]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """The detector that a finished run left."""
    found: dict[str, torch.Tensor] = torch.load(folder / DETECTOR, weights_only=True)["state_dict"]
    return found


def same(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    """Equal to the bit."""
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())
