"""How a detector is trained: small ones by a recipe of the suite's, packaged ones as mmdet's configuration says.

Detection protocol, sections 5 and 6. Whatever differs from the packaged configuration is said in `CocoRecipe.deviations`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.base import RepriseError
from benchmarks.coco.backbones import FRESH, ZOO_WEIGHTS, backbone_weights
from benchmarks.coco.small_detectors import small_model
from benchmarks.coco.zoo import Detector
from benchmarks.detection import configs
from benchmarks.detection.recipe import Recipe, one_cycle

SMALL_BATCH = 8
SMALL_RATE = 0.08
SMALL_CLIP = 10.0

_LOAD = {"type": "LoadImageFromFile"}
"""By OpenCV, 0.30 ms for a PNG of 96 x 96; Pillow takes 0.46."""


@dataclass(frozen=True)
class Budget:
    """What a run may change of a recipe; None leaves what the recipe has.

    iterations: the length of a small recipe, which has none of its own; a packaged schedule is cut there. learning_rate: at the
    batch size in use, else a packaged one is scaled linearly. clip: the largest L2 norm of all gradients, 0 for no clipping.

    Packaged recipes only. images: training images that the loader's filter leaves, which give an epoch its length. epochs: the
    length that the schedule is stretched to (a stage of a longer run). backbone: `zoo` (the weights that the configuration
    names, from the checkpoints' folder), `fresh`, or a file. scale: (width, height) that pictures are resized to fit, at
    training and at test.
    """

    iterations: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    clip: float | None = None
    images: int | None = None
    epochs: float | None = None
    backbone: str = ZOO_WEIGHTS
    scale: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for name in ("iterations", "batch_size", "images"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise RepriseError(f"{name} is {value}; give 1 or more")
        for name in ("learning_rate", "epochs"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0.0):
                raise RepriseError(f"{name} is {value}; give a finite number above 0")
        if self.clip is not None and not (math.isfinite(self.clip) and self.clip >= 0.0):
            raise RepriseError(f"clip is {self.clip}; give the largest norm of the gradients, or 0 for no clipping")
        if self.scale is not None and min(self.scale) < 1:
            raise RepriseError(f"scale is {self.scale}; give a width and a height in pixels")


@dataclass(frozen=True)
class CocoRecipe(Recipe):
    """A recipe and, in words, everything in which it is not the packaged one.

    epoch: iterations of one epoch of the packaged schedule (all repetitions of the data); None for small recipes.
    """

    deviations: tuple[str, ...] = ()
    epoch: int | None = None


def recipe(detector: Detector, categories: int, budget: Budget) -> CocoRecipe:
    """How a detector is trained for some number of categories.

    Raises RepriseError for a budget that does not fit, and where weights of the backbone are not there.
    """
    if detector.config is None:
        return _small(detector, categories, budget)
    return _packaged(detector, detector.config, categories, budget)


def detector_model(detector: Detector, categories: int) -> dict[str, Any]:
    """The model alone, without weights to start from: for a teacher, whose own weights are loaded into it."""
    if detector.config is None:
        return small_model(detector.name, categories)
    return _model(configs.local(configs.packaged(detector.config)).model.to_dict(), categories)


def prediction_pipeline(detector: Detector) -> list[dict[str, Any]]:
    """How pictures reach a detector that predicts."""
    if detector.config is None:
        return _small_test_pipeline()
    return _plain(configs.packaged(detector.config).test_dataloader.dataset.pipeline)


# -- small detectors --------------------------------------------------------------------------------------------------


def _small(detector: Detector, categories: int, budget: Budget) -> CocoRecipe:
    if budget.iterations is None:
        raise RepriseError(f"{detector.name} has no schedule of its own; give iterations")
    rate = SMALL_RATE if budget.learning_rate is None else budget.learning_rate
    optimiser = {"type": "SGD", "lr": rate, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-4}
    clip = SMALL_CLIP if budget.clip is None else budget.clip
    return CocoRecipe(
        model=small_model(detector.name, categories),
        train_pipeline=_small_train_pipeline(),
        test_pipeline=_small_test_pipeline(),
        optim_wrapper=_clipped({"type": "OptimWrapper", "optimizer": optimiser}, clip),
        schedulers=[one_cycle(rate, budget.iterations)],
        iterations=budget.iterations,
        batch_size=budget.batch_size or SMALL_BATCH,
        test_batch_size=50,
    )


def _small_train_pipeline() -> list[dict[str, Any]]:
    """Half of the pictures are mirrored left to right and, independently, half upside down: drawn shapes may be turned."""
    flips = {"prob": [0.25, 0.25, 0.25], "direction": ["horizontal", "vertical", "diagonal"]}
    return [
        dict(_LOAD),
        {"type": "LoadAnnotations", "with_bbox": True},
        {"type": "RandomFlip", **flips},
        {"type": "PackDetInputs"},
    ]


def _small_test_pipeline() -> list[dict[str, Any]]:
    # Resize leaves the picture as it is, and says so: mmdet brings boxes back by its scale_factor.
    return [
        dict(_LOAD),
        {"type": "Resize", "scale_factor": 1.0, "keep_ratio": True},
        {"type": "PackDetInputs", "meta_keys": ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")},
    ]


# -- packaged detectors -----------------------------------------------------------------------------------------------

_RESIZING = ("Resize", "RandomResize", "RandomChoiceResize", "RandomChoice")


def _packaged(detector: Detector, config: str, categories: int, budget: Budget) -> CocoRecipe:
    if budget.images is None:
        raise RepriseError(
            f"{detector.name}: give images, the training images that the filter leaves, for an epoch's length"
        )
    asked = configs.packaged(config)
    plain = configs.local(asked)
    said: list[str] = []
    wrapper = plain.optim_wrapper.to_dict()
    batch = _scale_rate(wrapper["optimizer"], plain.auto_scale_lr.base_batch_size, budget, said)
    if budget.clip is not None:
        before = (wrapper.get("clip_grad") or {}).get("max_norm", 0)
        wrapper = _clipped(wrapper, budget.clip)
        _say(said, before != budget.clip, f"gradients clipped at {budget.clip:g}, packaged {before:g} (0: not)")
    epoch = math.ceil(budget.images * plain.train_dataloader.dataset.get("times", 1) / batch)
    schedulers, iterations = _schedule(plain, epoch, budget, said)
    model = _model(plain.model.to_dict(), categories)
    _say(said, categories != 80, f"{categories} categories, packaged 80")
    weights = backbone_weights(detector, asked.model.backbone.to_dict(), budget.backbone)
    if weights is not None:
        model["backbone"]["init_cfg"] = {"type": "Pretrained", "checkpoint": str(weights)}
    _say(said, budget.backbone == FRESH, "backbone without pretrained weights")
    data = plain.train_dataloader.dataset
    inner = data.dataset if data.type == "RepeatDataset" else data
    _say(said, budget.scale is not None, f"pictures resized to fit {budget.scale}")
    return CocoRecipe(
        model=model,
        train_pipeline=_resized(_plain(inner.pipeline), budget.scale),
        test_pipeline=_resized(_plain(plain.test_dataloader.dataset.pipeline), budget.scale),
        optim_wrapper=wrapper,
        schedulers=schedulers,
        iterations=iterations,
        batch_size=batch,
        test_batch_size=plain.test_dataloader.batch_size,
        filter_cfg=inner.filter_cfg.to_dict(),
        deviations=tuple(said),
        epoch=epoch,
    )


def _say(said: list[str], differs: bool, words: str) -> None:
    if differs:
        said.append(words)


def _scale_rate(optimiser: dict[str, Any], published: int, budget: Budget, said: list[str]) -> int:
    """The batch size; sets the learning rate that belongs to it."""
    batch, before = budget.batch_size or published, optimiser["lr"]
    scaled = before * batch / published
    optimiser["lr"] = scaled if budget.learning_rate is None else budget.learning_rate
    _say(said, batch != published, f"batch {batch}, packaged {published}")
    how = "scaled with the batch" if budget.learning_rate is None else "as given"
    _say(said, optimiser["lr"] != before, f"learning rate {optimiser['lr']:g} ({how}), packaged {before:g}")
    return batch


def _schedule(plain: Any, epoch: int, budget: Budget, said: list[str]) -> tuple[list[dict[str, Any]], int]:
    """The schedulers in iterations, `epoch` of them each epoch, and how many iterations to train.

    Warm-up is in iterations already.
    """
    own = plain.train_cfg.max_epochs
    epochs = own if budget.epochs is None else budget.epochs
    _say(said, epochs != own, f"{epochs:g} epochs, packaged {own}")
    length = epoch * epochs / own
    schedulers = [_in_iterations(scheduler.to_dict(), length) for scheduler in plain.param_scheduler]
    whole = round(length * own)
    if whole < 1:
        raise RepriseError(f"{epochs:g} epochs of {epoch} iterations are less than one iteration; give more epochs")
    if budget.iterations is None:
        return schedulers, whole
    if budget.iterations > whole:
        raise RepriseError(
            f"iterations is {budget.iterations}, and the schedule has {whole}; give epochs to stretch it, or fewer iterations"
        )
    _say(said, budget.iterations < whole, f"cut after {budget.iterations} of {whole} iterations of the schedule")
    return schedulers, budget.iterations


def _in_iterations(scheduler: dict[str, Any], epoch: float) -> dict[str, Any]:
    """A scheduler whose lengths are in iterations, `epoch` iterations each."""
    if not scheduler.pop("by_epoch", True):
        return {**scheduler, "by_epoch": False}
    for name in ("begin", "end", "T_max"):
        if name in scheduler:
            scheduler[name] = round(scheduler[name] * epoch)
    if "milestones" in scheduler:
        scheduler["milestones"] = [round(milestone * epoch) for milestone in scheduler["milestones"]]
    return {**scheduler, "by_epoch": False}


def _model(model: dict[str, Any], categories: int) -> dict[str, Any]:
    """The model with heads for `categories`."""
    for part in _dictionaries(model):
        if "num_classes" in part:
            part["num_classes"] = categories
    return model


def _dictionaries(value: Any) -> list[dict[str, Any]]:
    """Every dictionary in a configuration."""
    if isinstance(value, dict):
        return [value, *_dictionaries(list(value.values()))]
    if isinstance(value, (list, tuple)):
        return [found for item in value for found in _dictionaries(item)]
    return []


def _resized(pipeline: list[dict[str, Any]], scale: tuple[int, int] | None) -> list[dict[str, Any]]:
    """The pipeline with one fixed size in the place of its own rules."""
    if scale is None:
        return pipeline
    fixed = {"type": "Resize", "scale": tuple(scale), "keep_ratio": True}
    return [dict(fixed) if step["type"] in _RESIZING else step for step in pipeline]


def _clipped(wrapper: dict[str, Any], norm: float) -> dict[str, Any]:
    return {**wrapper, "clip_grad": {"max_norm": norm, "norm_type": 2} if norm else None}


def _plain(pipeline: Sequence[Any]) -> list[dict[str, Any]]:
    return [step.to_dict() for step in pipeline]
