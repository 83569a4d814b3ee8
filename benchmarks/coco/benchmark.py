"""Detector distillation on COCO and on drawn pictures as a family that sweeps can launch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import resolution
from benchmarks.base import (
    Artifact,
    DatasetRef,
    Json,
    Method,
    Report,
    RepriseError,
    Run,
    RunResult,
    Task,
    register_benchmark,
    registered_methods,
)
from benchmarks.coco.distillation.contract import FAMILY, DistillationMethod, LevelSpec
from benchmarks.coco.pairs import TASKS, PairTask
from benchmarks.coco.pairs import task as find_task
from benchmarks.coco.predictions import read
from benchmarks.coco.sets import KINDS, dataset_ref, open_set
from benchmarks.coco.settings import TrainingSettings

START_SECONDS, PLAIN_STEP, DISTILLED_STEP = 6.0, 0.07, 0.03
"""CPU-seconds on drawn pictures: opening the data and one evaluation, an iteration, and what distilling adds to one."""


class Distillation:
    """The `Benchmark` of this family (see `benchmarks.base.Benchmark`)."""

    family = FAMILY
    reuse_workers = True

    def tasks(self) -> Mapping[str, Task]:
        return TASKS

    def resolve(
        self, task: Task, method: type[Method], preset: str | None, overrides: Mapping[str, Json], where: str
    ) -> tuple[dict[str, Json], dict[str, Json]]:
        """As every family; the teachers' identities are looked up, so that a run's key knows whom it learned from."""
        if "teachers" in overrides:
            raise RepriseError(
                f"{where}: 'teachers' is filled in by the suite; name teachers in the task and in stages"
            )
        settings, training = resolution.resolve(method, TrainingSettings, task.name, preset, overrides, where)
        try:
            built = _built(method, settings)
            _refuse_inert(built)
            found = self._teachers(find_task(task.name), built, _training(training))
        except RepriseError as error:
            raise RepriseError(f"{where}: {error}") from None
        return settings, {**training, "teachers": {each.detector.name: each.identity for each in found}}

    def dataset(self, task: Task, training: Mapping[str, Json]) -> DatasetRef:
        return dataset_ref(find_task(task.name), _training(training))

    def describe(
        self, task: Task, method: type[Method], settings: Mapping[str, Json], training: Mapping[str, Json]
    ) -> dict[str, str]:
        chosen = _training(training)
        libraries = ", ".join(f"{name} {version(name)}" for name in ("mmdet", "mmengine", "torch"))
        return {
            "environment": libraries,
            "data_kind": KINDS[find_task(task.name).data],
            "protocol": _protocol(chosen),
            "precision": chosen.precision,
        }

    def stack_signature(self, run: Run) -> str:
        """Every run trains alone: two seeds never share a signature."""
        return run.key

    def artifacts(self, runs: Sequence[Run]) -> list[Artifact]:
        from benchmarks.coco.teachers import needed

        found: dict[str, Artifact] = {}
        for run in runs:
            task, training = find_task(run.task), _training(run.training)
            teachers = self._teachers(task, _built(_method(run), run.settings), training)
            found |= {artifact.key: artifact for artifact in needed(teachers, task, training)}
        return list(found.values())

    def train(self, runs: Sequence[Run], folder: Path, report: Report, cpus: int = 1) -> list[RunResult]:
        from benchmarks.coco.harness import Job, train_run

        (run,) = runs
        task, training, method = find_task(run.task), _training(run.training), _built(_method(run), run.settings)
        teachers = self._teachers(task, method, training)
        if {each.detector.name: each.identity for each in teachers} != dict(training.teachers):
            raise RepriseError(f"{run.task}: a teacher changed since the sweep was planned; start the sweep again")
        return [train_run(Job(run, task, method, training, teachers), folder, report, cpus)]

    def cost(self, run: Run) -> float | None:
        """Measured with a student of base width 16 and a teacher of 28; wider teachers cost somewhat more."""
        if find_task(run.task).data != "synthcoco":
            return None
        distils = _built(_method(run), run.settings).distils
        return START_SECONDS + (_training(run.training).iterations or 0) * (PLAIN_STEP + distils * DISTILLED_STEP)

    def sheet(self, run: Run, folder: Path, count: int, threshold: float) -> bytes:
        """See `benchmarks.detection.showable.Showable`."""
        from benchmarks.coco.harness import PREDICTIONS
        from benchmarks.coco.sheet import sheet

        path = folder / PREDICTIONS
        if not path.exists():
            raise RepriseError(f"{path}: the run left no predictions, or they were cleaned away; train it again")
        shown = open_set(find_task(run.task), _training(run.training)).val
        identities = [image["id"] for image in shown.truth.images]
        spread = identities[:: max(1, len(identities) // count)][:count]
        return sheet(shown.truth, shown.folder, spread, read(path), threshold=threshold)

    def _teachers(self, task: PairTask, method: DistillationMethod, training: TrainingSettings) -> list[Any]:
        from benchmarks.coco.teachers import teachers_for

        return teachers_for(task, method, training)


def _refuse_inert(method: DistillationMethod) -> None:
    """A method whose every weight is 0 would look like distillation and be none."""
    if method.distils and all(level.inert for level in method.build([LevelSpec(8, 2, 2)])):
        raise RepriseError(
            f"every loss weight of {method.name} is 0, so it would distil nothing; for that there is 'plain'"
        )


def _method(run: Run) -> type[Method]:
    return registered_methods(FAMILY)[run.method]


def _built(method: type[Method], settings: Mapping[str, Json]) -> DistillationMethod:
    assert issubclass(method, DistillationMethod)
    return method(resolution.validated(method.Settings, settings, f"settings of {method.name}"))


def _training(values: Mapping[str, Json]) -> TrainingSettings:
    chosen: TrainingSettings = resolution.validated(TrainingSettings, values, "training")
    return chosen


def _protocol(training: TrainingSettings) -> str:
    length = f"{training.iterations:,} iterations" if training.iterations else "the packaged schedule"
    batch = f" of batch {training.batch_size}" if training.batch_size else ""
    return f"{length}{batch}, last checkpoint, box AP by pycocotools"


BENCHMARK = register_benchmark(Distillation())
