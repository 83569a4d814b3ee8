"""Face detection on WIDER FACE and on drawn faces as a family that sweeps can launch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

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
from benchmarks.wider_face.contract import FAMILY, FaceMethod
from benchmarks.wider_face.protocols import PROTOCOLS
from benchmarks.wider_face.sets import COST, KINDS, SYNTH, TASKS, dataset_ref, find_task, open_set
from benchmarks.wider_face.settings import TrainingSettings

LIBRARIES = ("mmdet", "mmengine", "torch")

START_SECONDS, PICTURE, LOOK = 6.0, 0.025, 0.018
"""CPU-seconds with the small detectors on drawn pictures: starting and opening the data, training on a picture, and looking at
one of the same size in a test."""


class FaceDetection:
    """The `Benchmark` of this family (see `benchmarks.base.Benchmark`)."""

    family = FAMILY
    reuse_workers = True

    def tasks(self) -> Mapping[str, Task]:
        return TASKS

    def resolve(
        self, task: Task, method: type[Method], preset: str | None, overrides: Mapping[str, Json], where: str
    ) -> tuple[dict[str, Json], dict[str, Json]]:
        """As every family; where cost is measured, the run's key knows the machine, which decides the time."""
        if "machine" in overrides:
            raise RepriseError(f"{where}: 'machine' is filled in by the suite; leave it out")
        settings, training = resolution.resolve(method, TrainingSettings, task.name, preset, overrides, where)
        if task.name == COST:
            from benchmarks.wider_face.cost import machine

            training["machine"] = machine()
        return settings, training

    def dataset(self, task: Task, training: Mapping[str, Json]) -> DatasetRef:
        return dataset_ref(task, _training(training))

    def describe(
        self, task: Task, method: type[Method], settings: Mapping[str, Json], training: Mapping[str, Json]
    ) -> dict[str, str]:
        chosen = _training(training)
        return {
            "environment": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
            "data_kind": KINDS[task.name],
            "protocol": f"one picture of 640 x 640 on {chosen.machine}" if task.name == COST else _protocol(chosen),
            "precision": chosen.precision,
            "model": _built(method, settings).variant,
        }

    def stack_signature(self, run: Run) -> str:
        """Every run trains alone: two seeds never share a signature."""
        return run.key

    def artifacts(self, runs: Sequence[Run]) -> list[Artifact]:
        """The drawn faces are the data set's own artifact."""
        return []

    def train(self, runs: Sequence[Run], folder: Path, report: Report, cpus: int = 1) -> list[RunResult]:
        from benchmarks.wider_face.cost import cost_run
        from benchmarks.wider_face.harness import Job, train_run

        (run,) = runs
        method = _built(registered_methods(FAMILY)[run.method], run.settings)
        if run.task == COST:
            return [cost_run(run, method, cpus)]
        return [train_run(Job(run, method, _training(run.training)), folder, report, cpus)]

    def cost(self, run: Run) -> float | None:
        """Of drawn faces, between what both small detectors cost, a fifth to either side; larger ones cost more."""
        from benchmarks.wider_face.schedules import schedule_of

        if run.task != SYNTH:
            return None
        method, training = _built(registered_methods(FAMILY)[run.method], run.settings), _training(run.training)
        schedule = schedule_of(method, training, training.train_images)
        looks = training.val_images * _looks(training, schedule.iterations)
        return START_SECONDS + schedule.iterations * schedule.batch_size * PICTURE + looks * LOOK

    def sheet(self, run: Run, folder: Path, count: int, threshold: float) -> bytes:
        """See `benchmarks.detection.showable.Showable`; detections are those of the first protocol."""
        from benchmarks.wider_face.face_sheet import sheet
        from benchmarks.wider_face.harness import predictions_file
        from benchmarks.wider_face.predictions import load_predictions

        training = _training(run.training)
        path = folder / predictions_file(training.protocols[0])
        if not path.exists():
            raise RepriseError(f"{path}: the run left no predictions, or they were cleaned away; train it again")
        data = open_set(find_task(run.task), training)
        found = load_predictions(path, data.truth, may_be_bare=True)  # a diverged detector finds nothing
        places = _spread(len(data.val.sizes), count)
        keys = [data.val.truth.images[place].key for place in places]
        return sheet(
            data.val, places, {key: found.of_image(data.truth.index[key]) for key in keys}, threshold=threshold
        )

    def match_sheet(self, run: Run, folder: Path, count: int) -> bytes:
        """See `benchmarks.detection.showable.MatchShowable`."""
        from benchmarks.detection.checkpoints import load_strict
        from benchmarks.wider_face.harness import DETECTOR
        from benchmarks.wider_face.match_sheet import match_sheet

        if not (folder / DETECTOR).exists():
            raise RepriseError(
                f"{folder / DETECTOR}: the run left no weights, or they were cleaned away; train it again"
            )
        detector = _built(registered_methods(FAMILY)[run.method], run.settings).build().eval()
        load_strict(detector, folder / DETECTOR)
        val = open_set(find_task(run.task), _training(run.training)).val
        return match_sheet(detector, val, _spread(len(val.sizes), count))


def _spread(total: int, count: int) -> list[int]:
    """Places of `count` pictures of `total`, evenly spread."""
    return list(range(0, total, max(1, total // count)))[:count]


def _built(method: type[Method], settings: Mapping[str, Json]) -> FaceMethod:
    assert issubclass(method, FaceMethod)
    return method(resolution.validated(method.Settings, settings, f"settings of {method.name}"))


def _training(values: Mapping[str, Json]) -> TrainingSettings:
    chosen: TrainingSettings = resolution.validated(TrainingSettings, values, "training")
    return chosen


def _looks(training: TrainingSettings, iterations: int) -> float:
    """How often the tests of a run look at every drawn picture, a resized one counted by its area."""
    side = training.synth.scene.size
    on_the_way = 0 if training.eval_every is None else (iterations - 1) // training.eval_every
    names = [*training.protocols, *training.protocols[:1] * on_the_way]
    return sum(each.scale**2 for name in names for each in PROTOCOLS[name].passes(side, side))


def _protocol(training: TrainingSettings) -> str:
    whole = "the published schedule"
    length = f"{training.iterations:,} iterations" if training.iterations else whole
    if training.iterations and training.schedule == "published":
        length += f" of {whole}"
    batch = f" of batch {training.batch_size}" if training.batch_size else ""
    return f"{length}{batch}, last checkpoint, WIDER FACE's AP"


BENCHMARK = register_benchmark(FaceDetection())
