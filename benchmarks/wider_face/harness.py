"""One face detector from the resolved run to its figures: what every method of the family goes through."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from benchmarks.base import Json, Point, Progress, Report, Run, RunResult, StopTrial, stream_seed
from benchmarks.detection.checkpoints import export_student
from benchmarks.detection.complexity import Complexity, measure
from benchmarks.detection.data import prediction_loader, training_loader
from benchmarks.detection.loss_curves import LossCurves
from benchmarks.detection.precision import in_precision, placed
from benchmarks.detection.training import Plan, Watcher, finite, train
from benchmarks.whole_file import write_whole
from benchmarks.wider_face.contract import FaceMethod, Schedule
from benchmarks.wider_face.cost import SIDE
from benchmarks.wider_face.dataset import FaceDataset
from benchmarks.wider_face.metric import evaluate
from benchmarks.wider_face.overlap import VARIANTS
from benchmarks.wider_face.prediction_export import write_archive
from benchmarks.wider_face.predictions import Predictions
from benchmarks.wider_face.protocols import PROTOCOLS, Protocol
from benchmarks.wider_face.schedules import schedule_of
from benchmarks.wider_face.sets import FaceSet, find_task, open_set
from benchmarks.wider_face.settings import TrainingSettings
from benchmarks.wider_face.testing import Rows, detections

DETECTOR = "detector.pth"
MANIFEST = "manifest.json"

LOSS_EVERY = 50
"""Iterations between two points of the loss curves, which are means over as many."""

SAVE_EVERY = 250
"""Iterations between checkpoints; a multiple of LOSS_EVERY, so that no mean is torn."""

HEADLINE = "float"
"""The metric's variant that figures are named by; the other's stand in the manifest."""


def predictions_file(protocol: Protocol) -> str:
    """The name of the archive of predictions, in WIDER FACE's text format."""
    return f"predictions-{protocol}.zip"


@dataclass(frozen=True)
class Job:
    """A run with everything it names looked up."""

    run: Run
    method: FaceMethod
    training: TrainingSettings

    @cached_property
    def data(self) -> FaceSet:
        return open_set(find_task(self.run.task), self.training)

    @cached_property
    def schedule(self) -> Schedule:
        return schedule_of(self.method, self.training, len(self.data.train.sizes))

    def seed(self, purpose: str) -> int:
        """The seed of one purpose of this run."""
        return stream_seed(purpose, self.run.task, self.run.seed)


class FaceRun(Watcher):
    """A run while it trains. `folder` keeps checkpoints, the detector, its predictions and the manifest."""

    def __init__(self, job: Job, folder: Path, report: Report, cpus: int = 1) -> None:
        self.job, self.folder, self.report = job, folder, report
        self.workers = cpus - 1
        self.curve: list[Point] = []
        self.losses = LossCurves(LOSS_EVERY)
        self.scores: tuple[float, ...] | None = None
        self.diverged_at: int | None = None
        self.detector: nn.Module

    def train(self) -> RunResult:
        """The whole way: detector, training, tests, figures."""
        job, schedule = self.job, self.job.schedule
        torch.manual_seed(job.seed("init"))
        self.detector = placed(job.method.build())
        loader = training_loader(
            self._pictures(job.method.augmentation(job.run.seed)),
            schedule.batch_size,
            schedule.iterations,
            job.seed("batches"),
            workers=self.workers,
        )
        plan = Plan(
            name=f"{job.run.key[:20]}/{os.getpid()}",
            folder=self.folder,
            optim_wrapper=in_precision(schedule.optim_wrapper, job.training.precision),
            schedulers=schedule.schedulers,
            iterations=schedule.iterations,
            seed=job.seed("noise"),
            save_every=SAVE_EVERY,
            epoch=schedule.epoch,
        )
        train(self.detector, loader, plan, self)
        return self._result()

    def _pictures(self, steps: list[dict[str, Any]], split: str = "train") -> FaceDataset:
        """A split as mmdet reads it, `steps` between loading and packing."""
        # Boxes speak of the pixels as the file holds them: a note of the camera on turning them is passed over, as in tests.
        picture = {"type": "LoadImageFromFile", "color_type": "color_ignore_orientation"}
        load: list[dict[str, Any]] = [picture, {"type": "LoadAnnotations", "with_bbox": True}]
        pack = {"type": "PackDetInputs", "meta_keys": ("img_id", "img_path", "ori_shape", "img_shape")}
        part = self.job.data.train if split == "train" else self.job.data.val
        method = self.job.method
        return FaceDataset(part, [*load, *steps, pack], method.drop_invalid, method.swap_negative)

    # -- while it trains -------------------------------------------------------------------------------------------------

    def after(self, done: int, losses: Mapping[str, float]) -> bool:
        """Curves, tests, progress; stops where a loss is no number."""
        if not finite(losses):
            self.diverged_at = done
            return True
        self.curve += self.losses.add(done, {"loss": losses["loss"]})
        every, iterations = self.job.training.eval_every, self.job.schedule.iterations
        if every is not None and done % every == 0 and done < iterations:
            first = self.job.training.protocols[0]
            self._test(first, done)
        self.report(Progress(done, iterations, self.scores))
        return self.diverged_at is not None

    def epoch(self, mean: float) -> float:
        return mean if self.job.schedule.plateau == "train_loss" else self._loss_on_val()

    @torch.no_grad()
    def _loss_on_val(self) -> float:
        """The mean loss over val, its pictures as they are; the detector's statistics stay what they are."""
        detector: Any = self.detector
        loader: DataLoader[Any] = prediction_loader(self._pictures([], "val"), 1, self.workers)
        total = 0.0
        detector.eval()
        try:
            for batch in loader:
                data = detector.data_preprocessor(batch, False)
                losses = detector(**data, mode="loss")
                total += float(detector.parse_losses(losses)[0])
        finally:
            detector.train()
        return total / len(loader)

    def state(self) -> Json:
        points = [[point.metric, point.step, point.value] for point in self.curve]
        return {"points": points, "sums": self.losses.sums, "scores": self.scores}

    def restore(self, state: Json) -> None:
        self.curve = [Point(*point) for point in state["points"]]
        self.losses.sums = state["sums"]
        self.scores = None if state["scores"] is None else tuple(state["scores"])

    # -- tests -----------------------------------------------------------------------------------------------------------

    def _test(self, name: Protocol, done: int) -> tuple[Predictions, dict[str, float]]:
        """What the detector finds by a protocol, and its figures in points, which also go on the curve."""
        truth = self.job.data.truth
        found = detections(self.detector, self.job.data.val, PROTOCOLS[name], workers=self.workers)
        if not all(np.isfinite(rows).all() for rows in found.values()):
            self.diverged_at = done  # its last loss was a number, what the last step made of the weights is none
            return self._nothing(name)
        predictions = self._predictions(found)
        figures = {f"AP_{subset}:{name}": ap for subset, ap in points(predictions, truth).items()}
        self.curve += [Point(metric, done, value) for metric, value in figures.items()]
        hard = figures.get(f"AP_hard:{name}")
        self.scores = self.scores if hard is None else (hard,)
        return predictions, figures

    def _predictions(self, found: Mapping[str, Rows]) -> Predictions:
        return Predictions.of(found, self.job.data.truth, self.job.run.key[:12])

    # -- after training --------------------------------------------------------------------------------------------------

    def _result(self) -> RunResult:
        job = self.job
        summary: dict[str, dict[str, float]] = {}
        variants: dict[str, dict[str, float]] = {}
        for name in job.training.protocols:
            predictions, figures = self._last(name)
            write_archive(self.folder / predictions_file(name), predictions)
            summary |= {metric: {"last": value} for metric, value in figures.items()}
            variants |= {
                f"{variant}:{name}": points(predictions, job.data.truth, variant)
                for variant in VARIANTS
                if variant != HEADLINE
            }
        cost = measure(self.detector, (3, SIDE, SIDE))
        summary["parameters"] = {"last": float(cost.parameters.all)}
        summary["gmacs_640"] = {"last": cost.product_macs / 1e9}
        manifest = self._manifest(cost, variants)
        write_whole(self.folder / MANIFEST, json.dumps(manifest, indent=1))
        if self.diverged_at is None:
            export_student(self.detector, self.folder / DETECTOR, {"run": job.run.key})
        status = "finished" if self.diverged_at is None else "diverged"
        return RunResult(job.run, status, self.curve, summary, extra={"manifest": manifest})

    def _last(self, name: Protocol) -> tuple[Predictions, dict[str, float]]:
        """The figures that count: of the last weights; a diverged detector finds nothing."""
        if self.diverged_at is None:
            return self._test(name, self.job.schedule.iterations)
        return self._nothing(name)

    def _nothing(self, name: Protocol) -> tuple[Predictions, dict[str, float]]:
        counted = [subset for subset, kept in self.job.data.truth.kept.items() if kept.any()]
        return self._predictions({}), {f"AP_{subset}:{name}": 0.0 for subset in counted}

    def _manifest(self, cost: Complexity, variants: Mapping[str, Mapping[str, float]]) -> dict[str, Json]:
        schedule, data = self.job.schedule, self.job.data
        return {
            "variant": self.job.method.variant,
            "pictures": len(data.train.sizes),
            "tested_on": len(data.val.sizes),
            "ground_truth": data.truth.name,
            "iterations": schedule.iterations,
            "batch_size": schedule.batch_size,
            "optim_wrapper": dict(schedule.optim_wrapper),
            "schedulers": [dict(each) for each in schedule.schedulers],
            "epoch": schedule.epoch,
            "other_variants": variants,
            "input": list(cost.input),
            "macs": cost.product_macs,
            "trainable": cost.parameters.trainable,
            "diverged_at": self.diverged_at,
        }


def points(predictions: Predictions, truth: Any, variant: Any = HEADLINE) -> dict[str, float]:
    """AP of each subset in points (0 to 100); subsets without a face that counts are left out."""
    found = evaluate(predictions, truth, variant).average_precision
    return {subset: 100.0 * value for subset, value in found.items() if value is not None}


def train_run(job: Job, folder: Path, report: Report, cpus: int = 1) -> RunResult:
    """Train and test one detector; `stopped_early` where the report's answer is to stop. All cores but one read pictures."""
    detector = FaceRun(job, folder, report, cpus)
    try:
        return detector.train()
    except StopTrial:
        return RunResult(job.run, "stopped_early", detector.curve, {})
