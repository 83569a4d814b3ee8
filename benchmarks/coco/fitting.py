"""A detector beside its data: batches to train on, and the COCO figures of what it finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import nn
from torch.utils.data import DataLoader

from benchmarks.base import Json
from benchmarks.coco.metric import evaluate
from benchmarks.coco.sets import Part
from benchmarks.detection.data import coco_pictures, prediction_loader, training_loader
from benchmarks.detection.predict import detections
from benchmarks.detection.recipe import Recipe


class Scored(NamedTuple):
    """The COCO figures of a detector in points (those the ground truth allows), and its detections in COCO's result format."""

    figures: dict[str, float]
    found: list[dict[str, Json]]


def batches(
    part: Part, recipe: Recipe, iterations: int, seed: int, *, first: int = 0, workers: int = 0
) -> DataLoader[Any]:
    """The training batches of `iterations` iterations from `first` on; order and augmentation follow from the seed."""
    source = coco_pictures(
        part.truth.path, part.folder, list(part.truth.categories.values()), recipe.train_pipeline, recipe.filter_cfg
    )
    return training_loader(source, recipe.batch_size, iterations, seed, first=first, workers=workers)


def trainable_images(part: Part, filter_cfg: Mapping[str, Any]) -> int:
    """The pictures that mmdet's filter leaves for training."""
    return len(coco_pictures(part.truth.path, part.folder, list(part.truth.categories.values()), [], filter_cfg))


def score(
    detector: nn.Module,
    part: Part,
    pipeline: list[dict[str, Any]],
    batch_size: int,
    said: Callable[[int, int], None] = lambda done, of: None,
) -> Scored:
    """Predict a split and score it by pycocotools."""
    truth = part.truth
    source = coco_pictures(truth.path, part.folder, list(truth.categories.values()), pipeline)
    found = detections(detector, prediction_loader(source, batch_size), list(truth.categories), said)
    return Scored(in_points(evaluate(truth, found)), found)


def in_points(figures: dict[str, float | None]) -> dict[str, float]:
    """Fractions as points (0 to 100); figures that the ground truth does not allow are left out."""
    return {name: 100.0 * value for name, value in figures.items() if value is not None}


def nothing_found(part: Part) -> dict[str, float]:
    """The figures of a detector that finds nothing: what a diverged one is scored with."""
    return in_points(evaluate(part.truth, []))
