"""One student trained beside its teacher, from the resolved run to its figures: what every distillation method goes through."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from benchmarks.base import Json, Point, Progress, Report, RepriseError, RunResult, StopTrial
from benchmarks.coco.distillation.inherit import InheritReport, inherit
from benchmarks.coco.distillation.loss_scale import LossScale
from benchmarks.coco.distillation.optimiser import distilling
from benchmarks.coco.distillation.preprocessor import refuse_padding
from benchmarks.coco.distillation.stages import stage_of
from benchmarks.coco.distillation.wrapper import Distiller, build_distiller, next_stage
from benchmarks.coco.fitting import batches, nothing_found, score
from benchmarks.coco.job import Job, Segment
from benchmarks.coco.teachers import categories_of, figures
from benchmarks.detection.checkpoints import export_student
from benchmarks.detection.complexity import measure
from benchmarks.detection.configs import build_detector
from benchmarks.detection.loss_curves import LossCurves
from benchmarks.detection.precision import in_precision, placed
from benchmarks.detection.training import Plan, Watcher, finite, train
from benchmarks.whole_file import write_whole

PREDICTIONS = "predictions.json"
STUDENT = "student.pth"
MANIFEST = "manifest.json"

LOSS_EVERY = 50
"""Iterations between two points of the loss curves, which are means over as many."""

SAVE_EVERY = 250
"""Iterations between checkpoints; a multiple of LOSS_EVERY, so that no mean is torn."""


class StudentRun(Watcher):
    """A run while it trains. `folder` keeps checkpoints, the exported student, its predictions and the manifest."""

    def __init__(self, job: Job, folder: Path, report: Report, cpus: int = 1) -> None:
        self.job, self.folder, self.report, self.cpus = job, folder, report, cpus
        self.pictures = 0
        self.curve: list[Point] = []
        self.losses = LossCurves(LOSS_EVERY)
        self.scores: tuple[float, ...] | None = None
        self.diverged_at: int | None = None
        self.loss_scale, self.kept_scale = LossScale(job.training.kd_range), None
        self.loaded: dict[str, nn.Module] = {}

    def train(self) -> RunResult:
        """The whole way: student, teacher, stages, figures."""
        refuse_padding(self.job.whole.train_pipeline)
        known = [figures(each, self.job.task, self.job.training) for each in self.job.teachers]
        student, report = self._student()
        distiller = build_distiller(
            student,
            self._load(0) if self.job.method.distils else None,
            self.job.method,
            self.job.seed("masks"),
            on_mismatch=self.job.training.on_mismatch,
        )
        distiller.report = self.loss_scale
        for number, segment in enumerate(self.job.segments):
            if self.diverged_at is None:
                self._segment(distiller, number, segment)
        return self._result(distiller, known, report)

    # -- before training -------------------------------------------------------------------------------------------------

    def _student(self) -> tuple[nn.Module, InheritReport | None]:
        """The student with its first weights: those of a plain run, then what is inherited."""
        torch.manual_seed(self.job.seed("init"))
        student = build_detector(self.job.whole.model)
        if not self.job.method.inherits(self.job.task.homogeneous):
            return placed(student), None
        mode: Literal["yes", "partial"] = "partial" if self.job.method.settings.inherit == "partial" else "yes"
        report = inherit(student, self._load(0), mode, self.job.task.homogeneous)
        return placed(student), report

    def _load(self, stage: int) -> nn.Module:
        """The teacher of a stage, loaded once."""
        found = self.job.teachers[stage]
        if found.identity not in self.loaded:
            self.loaded[found.identity] = placed(found.load(categories_of(self.job.task)))
        return self.loaded[found.identity]

    # -- training --------------------------------------------------------------------------------------------------------

    def _segment(self, distiller: Distiller, number: int, segment: Segment) -> None:
        job = self.job
        self._meet(distiller, segment.start)
        plan = Plan(
            name=f"{job.run.key[:20]}/{number}/{os.getpid()}",
            folder=self.folder / f"part-{number}",
            optim_wrapper=distilling(in_precision(segment.recipe.optim_wrapper, job.training.precision)),
            schedulers=segment.recipe.schedulers,
            iterations=segment.end - segment.start,
            seed=job.seed("noise", number),
            save_every=SAVE_EVERY,
        )
        workers = self.cpus - 1 if job.task.data == "coco" else 0
        loader = batches(
            job.data.train, segment.recipe, plan.iterations, job.seed("batches"), first=segment.start, workers=workers
        )
        self.distiller, self.offset, self.pictures = distiller, segment.start, len(loader.dataset)  # type: ignore[arg-type]
        train(distiller, loader, plan, self)

    def before(self, iteration: int) -> None:
        self._meet(self.distiller, self.offset + iteration)

    def _meet(self, distiller: Distiller, iteration: int) -> None:
        """Tell the distiller where training stands, and give it the next teacher where a stage begins."""
        stage, progress = stage_of(self.job.stage_ends, iteration)
        if stage != distiller.stage and self.job.method.distils:
            change = next_stage(distiller, self._load(stage))
            if not change.kept and not self.job.method.restarts:
                raise RepriseError(
                    f"{self.job.run.method}: stage {stage} rebuilds parts of the losses, which one optimiser over all stages "
                    "cannot take; use stage_schedule=restart"
                )
        distiller.begin(iteration, stage, progress)

    def after(self, done: int, losses: Mapping[str, float]) -> bool:
        """Curves, evaluation, progress; stops where a loss is no number."""
        done += self.offset
        if not finite(losses):
            self.diverged_at = done
            return True
        self._add(done, losses)
        every, iterations = self.job.training.eval_every, self.job.whole.iterations
        if every is not None and done % every == 0 and done < iterations:
            self._evaluate(self.distiller, done)
        self.report(Progress(done, iterations, self.scores))
        return False

    def _add(self, done: int, losses: Mapping[str, float]) -> None:
        """Means of the task's losses and of the distillation's, a point of each now and then."""
        prefix = f"loss_{self.job.run.method}_"
        distilled = sum(value for name, value in losses.items() if name.startswith(prefix))
        self.curve += self.losses.add(done, {"loss_task": losses["loss"] - distilled, "loss_distillation": distilled})

    def _evaluate(self, distiller: Distiller, done: int) -> dict[str, float]:
        whole = self.job.whole
        scored = score(distiller.student, self.job.data.val, list(whole.test_pipeline), whole.test_batch_size)
        self.scores = (scored.figures["AP"],)
        self.curve += [Point(name, done, value) for name, value in scored.figures.items()]
        write_whole(self.folder / PREDICTIONS, json.dumps(scored.found))
        return scored.figures

    def state(self) -> Json:
        points = [[point.metric, point.step, point.value] for point in self.curve]
        return {"points": points, "sums": self.losses.sums, "scores": self.scores, "loss_scale": self._scale()}

    def restore(self, state: Json) -> None:
        self.curve = [Point(*point) for point in state["points"]]
        self.losses.sums, self.kept_scale = state["sums"], state["loss_scale"]
        self.scores = None if state["scores"] is None else tuple(state["scores"])

    def _scale(self) -> Json:
        """The report on the first iterations: this process's, or that of the one which began."""
        mine = self.loss_scale.to_json()
        return mine if mine["first"] == 0 or self.kept_scale is None else self.kept_scale

    # -- after training --------------------------------------------------------------------------------------------------

    def _result(
        self, distiller: Distiller, known: Sequence[Mapping[str, float]], inherited: InheritReport | None
    ) -> RunResult:
        job, student = self.job, distiller.student
        last = self._last(distiller)
        cost = measure(student, (3, *self._picture()))
        summary = {name: {"last": value} for name, value in last.items()}
        best = max([point.value for point in self.curve if point.metric == "AP"], default=last["AP"])
        summary["AP"]["best"] = best
        summary["parameters"] = {"last": float(cost.parameters.all)}
        summary["gmacs"] = {"last": cost.macs / 1e9}
        own = [
            found["AP"]
            for each, found in zip(job.teachers, known, strict=True)
            if each.detector.name == job.task.teacher
        ]
        if own:
            summary["teacher_AP"] = {"last": own[0]}
        manifest = self._manifest(distiller, known, inherited, cost)
        write_whole(self.folder / MANIFEST, json.dumps(manifest, indent=1))
        for warning in manifest["loss_scale"]["warnings"]:
            logging.getLogger(__name__).warning("%s", warning)  # it goes to the trial's log
        if self.diverged_at is None:
            export_student(student, self.folder / STUDENT, {"run": job.run.key})
        status = "finished" if self.diverged_at is None else "diverged"
        return RunResult(job.run, status, self.curve, summary, extra={"manifest": manifest})

    def _last(self, distiller: Distiller) -> dict[str, float]:
        """The figures that count: of the last weights; a diverged student finds nothing."""
        if self.diverged_at is not None:
            return nothing_found(self.job.data.val)
        return self._evaluate(distiller, self.job.whole.iterations)

    def _picture(self) -> tuple[int, int]:
        """Height and width that cost is counted at: the drawn pictures' own, or 800 x 1280."""
        if self.job.task.data == "coco":
            return (800, 1280)
        side = self.job.training.synth.scene.size
        return (side, side)

    def _manifest(
        self, distiller: Distiller, known: Any, inherited: InheritReport | None, cost: Any
    ) -> dict[str, Json]:
        job = self.job
        return {
            "student": job.task.student,
            "teachers": [
                {"name": each.detector.name, "identity": each.identity, "figures": dict(found)}
                for each, found in zip(job.teachers, known, strict=True)
            ],
            "levels": [spec._asdict() for spec in distiller.specs],
            "inherited": None if inherited is None else {name: len(keys) for name, keys in inherited._asdict().items()},
            "deviations": list(job.whole.deviations),
            "batch_size": job.whole.batch_size,
            "iterations": job.whole.iterations,
            "pictures": self.pictures,
            "optim_wrapper": dict(job.whole.optim_wrapper),
            "schedulers": [dict(each) for segment in job.segments for each in segment.recipe.schedulers],
            "loss_scale": self._scale(),
            "input": list(cost.input),
            "trainable": cost.parameters.trainable,
            "diverged_at": self.diverged_at,
            "training_only": sum(parameter.numel() for parameter in distiller.losses.parameters()),
        }


def train_run(job: Job, folder: Path, report: Report, cpus: int = 1) -> RunResult:
    """Train one student; `stopped_early` where the report's answer is to stop. On COCO all cores but one read pictures."""
    student = StudentRun(job, folder, report, cpus)
    try:
        return student.train()
    except StopTrial:
        return RunResult(job.run, "stopped_early", student.curve, {})
