"""Teachers: of mmdet's model zoo by their file, small ones trained once per content key; each examined before it teaches."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from benchmarks.base import Artifact, Json, Progress, Report, RepriseError, home, stream_seed, unheard
from benchmarks.coco.distillation.contract import DistillationMethod
from benchmarks.coco.pairs import PairTask, teachers_of
from benchmarks.coco.recipes import Budget, CocoRecipe, detector_model, prediction_pipeline, recipe
from benchmarks.coco.scene import CATEGORIES
from benchmarks.coco.sets import dataset_ref, drawn_parts, open_set
from benchmarks.coco.settings import TrainingSettings
from benchmarks.coco.zoo import Detector, checkpoint_path
from benchmarks.detection.checkpoints import export_student, load_strict, sha256_of
from benchmarks.detection.configs import build_detector
from benchmarks.detection.training import Plan, Watcher, finite, train

VERSION = 1
"""Raised whenever a small teacher trained by the same recipe on the same data would come out otherwise."""

TRAINED_BY = ("model", "train_pipeline", "filter_cfg", "batch_size", "iterations", "optim_wrapper", "schedulers")
"""The parts of a recipe that training depends on."""

WEIGHTS = "teacher.pth"
FIGURES = "figures.json"
LOG = "log.csv"
LOG_EVERY = 50

COMMITTED = Path(__file__).with_name("trained_teachers")
"""Small teachers that come with the suite: `<detector>-<first digits of the key>.pth` and the log of their training."""

ZOO_TOLERANCE = 0.1
"""Points by which a teacher's AP may differ from the model zoo's, whose figures have one decimal (specification, 8.1)."""


@dataclass(frozen=True)
class Teacher:
    """A teacher of a task. `identity` determines its weights: an artifact's key, or the sha256 of a checkpoint file."""

    detector: Detector
    identity: str
    path: Path
    artifact: Artifact | None = None

    def load(self, categories: int) -> nn.Module:
        """The detector with its weights, for evaluation; RepriseError names the file and the key that does not fit."""
        model = build_detector(detector_model(self.detector, categories))
        load_strict(model, self.path)
        return model.eval()


def categories_of(task: PairTask) -> int:
    """How many categories the detectors of a task tell apart."""
    return len(CATEGORIES) if task.data == "synthcoco" else 80


def teacher(detector: Detector, task: PairTask, training: TrainingSettings) -> Teacher:
    """The teacher that a task and its settings mean; RepriseError names the checkpoint file where one is missing."""
    if not detector.small:
        path = checkpoint_path(detector)
        return Teacher(detector, sha256_of(path), path)
    artifact = teacher_artifact(detector, task, training)
    return Teacher(detector, artifact.key, artifact.folder / WEIGHTS, artifact)


def teachers_for(task: PairTask, method: DistillationMethod, training: TrainingSettings) -> list[Teacher]:
    """The teacher of each stage; none where the method neither distils nor inherits."""
    stages = method.stages if method.distils or method.inherits(task.homogeneous) else ()
    return [teacher(each, task, training) for each in teachers_of(task, stages)]


def teacher_artifact(detector: Detector, task: PairTask, training: TrainingSettings) -> Artifact:
    """A small teacher, trained on the task's pictures, or taken from those that come with the suite."""
    plan = small_recipe(detector, training)
    identity = {
        "version": VERSION,
        "detector": detector.name,
        "dataset": dataset_ref(task, training).hash,
        "recipe": {name: getattr(plan, name) for name in TRAINED_BY},
        "precision": "fp32",
    }
    build = partial(_build, detector, task, training)
    needs = tuple(drawn_parts(training))
    return Artifact("teacher", identity, build, needs=needs, label=f"teacher {detector.name}")


def small_recipe(detector: Detector, training: TrainingSettings) -> CocoRecipe:
    """How the suite trains a small teacher: the students' recipe, longer."""
    return recipe(detector, len(CATEGORIES), Budget(iterations=training.teacher_iterations))


def committed_path(artifact: Artifact) -> Path:
    """Where the weights of a small teacher lie if they come with the suite."""
    return COMMITTED / f"{artifact.identity['detector']}-{artifact.key[:12]}.pth"


def committed(artifact: Artifact) -> Path | None:
    """The weights of a small teacher among those that come with the suite; None where it is to be trained."""
    path = committed_path(artifact)
    return path if path.exists() else None


def _build(detector: Detector, task: PairTask, training: TrainingSettings, folder: Path, report: Report) -> None:
    artifact = teacher_artifact(detector, task, training)
    weights = committed(artifact)
    if weights is not None:
        shutil.copyfile(weights, folder / WEIGHTS)
        shutil.copyfile(weights.with_suffix(".csv"), folder / LOG)
        return
    # Outside the folder being built, so that a training that was ended goes on.
    scratch = home() / "artifacts" / "teacher" / f".training-{artifact.key[:20]}"
    scratch.mkdir(parents=True, exist_ok=True)
    model = train_teacher(detector, task, training, scratch, report)
    export_student(model, folder / WEIGHTS, {"detector": detector.name, "key": artifact.key}, half=True)
    shutil.copyfile(scratch / LOG, folder / LOG)
    shutil.rmtree(scratch)


def train_teacher(
    detector: Detector, task: PairTask, training: TrainingSettings, folder: Path, report: Report = unheard
) -> nn.Module:
    """Train a small teacher; checkpoint and log (iteration, total loss) lie in `folder`. RepriseError where it diverges."""
    from benchmarks.coco.fitting import batches
    from benchmarks.detection.precision import placed

    plan, data = small_recipe(detector, training), open_set(task, training)
    name = f"teacher/{detector.name}"
    torch.manual_seed(stream_seed("init", name, 0))
    model = placed(build_detector(plan.model))
    log = folder / LOG

    loader = batches(data.train, plan, plan.iterations, stream_seed("batches", name, 0))
    seed = stream_seed("noise", name, 0)
    steps = Plan(name, folder, plan.optim_wrapper, plan.schedulers, plan.iterations, seed)
    done = train(model, loader, steps, _Log(log, plan.iterations, report))
    if done < plan.iterations:
        raise RepriseError(f"teacher {detector.name} diverged at iteration {done} of {plan.iterations}; see {log}")
    return model


class _Log(Watcher):
    """Writes the total loss now and then, and reports; stops a training whose loss is no number."""

    def __init__(self, path: Path, iterations: int, report: Report) -> None:
        self.path, self.iterations, self.report = path, iterations, report
        self.lines: list[str] = []

    def after(self, done: int, losses: Mapping[str, float]) -> bool:
        if done % LOG_EVERY == 0 or done == self.iterations:
            self.lines.append(f"{done},{losses['loss']:.5f}")
            self.path.write_text("\n".join(["iteration,loss", *self.lines, ""]))
        self.report(Progress(done, self.iterations))
        return not finite(losses)

    def state(self) -> Json:
        return self.lines

    def restore(self, state: Json) -> None:
        self.lines = list(state)


# -- the examination ----------------------------------------------------------------------------------------------------


def examination(found: Teacher, task: PairTask, training: TrainingSettings) -> Artifact:
    """The COCO figures of a teacher on the task's validation pictures, with its own preprocessing and head, measured once."""
    identity = {"teacher": found.identity, "detector": found.detector.name, "dataset": dataset_ref(task, training).hash}
    build = partial(_examine, found, task, training)
    needs = tuple(drawn_parts(training)) if task.data == "synthcoco" else ()
    needs += (found.artifact,) if found.artifact is not None else ()
    return Artifact("teacher-figures", identity, build, needs=needs, label=f"figures of teacher {found.detector.name}")


def figures(found: Teacher, task: PairTask, training: TrainingSettings) -> dict[str, float]:
    """The examined figures in points; RepriseError where the teacher knows too little, or is not the model zoo's."""
    measured: dict[str, float] = json.loads((examination(found, task, training).ensure() / FIGURES).read_text())
    name, ap, zoo = found.detector.name, measured["AP"], found.detector.zoo_ap
    if ap < training.min_probe_ap:
        raise RepriseError(
            f"teacher {name} ({found.path}) reaches AP {ap:.1f}, less than min_probe_ap {training.min_probe_ap:g}; are these "
            "its weights?"
        )
    if zoo is not None and abs(ap - zoo) > ZOO_TOLERANCE + 0.05 and not training.allow_teacher_mismatch:
        raise RepriseError(
            f"teacher {name} ({found.path}) reaches AP {ap:.1f}, the model zoo states {zoo:.1f}; give its own weights, or set "
            "allow_teacher_mismatch (it is recorded)"
        )
    return measured


def _examine(found: Teacher, task: PairTask, training: TrainingSettings, folder: Path, _: Report) -> None:
    from benchmarks.coco.fitting import score
    from benchmarks.detection.precision import placed

    model = placed(found.load(categories_of(task)))
    scored = score(
        model, open_set(task, training).val, prediction_pipeline(found.detector), 50 if found.detector.small else 1
    )
    (folder / FIGURES).write_text(json.dumps(scored.figures, indent=1))


def needed(of: Iterable[Teacher], task: PairTask, training: TrainingSettings) -> list[Artifact]:
    """What must exist before these teachers teach: their weights and their figures."""
    return [each for one in of for each in (one.artifact, examination(one, task, training)) if each is not None]
