"""PKD: Pearson Knowledge Distillation (Cao et al. 2022); distillation specification 2.4, mmrazor's port by the authors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from benchmarks.base import Json, register
from benchmarks.coco.distillation.adapter import adapter
from benchmarks.coco.distillation.alignment import correlation_distance
from benchmarks.coco.distillation.contract import (
    BatchContext,
    DistillationMethod,
    LevelLoss,
    LevelSettings,
    check_weights,
)
from benchmarks.coco.distillation.detectors import pair_kind
from benchmarks.coco.distillation.resize import Resized


@dataclass(frozen=True)
class Settings(LevelSettings):
    """`weight` is w."""

    weight: float = 10.0
    capture: Literal["fpn_conv", "neck"] = "neck"
    max_levels: int | None = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        check_weights(weight=self.weight)


def preset_published(task: str) -> dict[str, Json]:
    """mmrazor's weights: 6 for two-stage students and for Mask R-CNN Swin -> RetinaNet, which pairs levels by position; else 10.

    One-stage students other than RetinaNet and RepPoints get 10 as well: this suite's choice.
    """
    pair = pair_kind(task)
    if pair.student == "RetinaNet" and pair.teacher == "MaskRCNN" and "swin" in pair.teacher_name.lower():
        return {"weight": 6.0, "level_match": "index"}
    return {"weight": 6.0 if pair.two_stage else 10.0}


CROSSKD_WEIGHTS = {"RetinaNet": 2.0, "FCOS": 2.0, "GFL": 6.0, "ATSS": 1.0}


def preset_crosskd(task: str) -> dict[str, Json]:
    """The weights that CrossKD adds PKD with; published's for other students."""
    weight = CROSSKD_WEIGHTS.get(pair_kind(task).student)
    return preset_published(task) if weight is None else {"weight": weight}


class PKDLevel(LevelLoss):
    """L = w mean((z_s - z_t)^2) / 2, z standardised per channel."""

    def __init__(self, stride: int, weight: float, phi: nn.Module | None, resize: Resized | None) -> None:
        super().__init__(stride, {"feature": weight}, phi, resize)

    def terms(self, s: Tensor, t: Tensor, context: BatchContext) -> dict[str, Tensor]:
        return {"feature": self.weights["feature"] * correlation_distance(s, t)}


@register
class PKD(DistillationMethod):
    """Student's and teacher's channels must correlate; scale and shift do not matter."""

    name = "pkd"
    label = "PKD"
    version = 1
    paper = (
        "Cao et al. 2022, PKD: General Distillation Framework for Object Detectors via Pearson Correlation Coefficient"
    )
    Settings = Settings
    presets = {
        "published": preset_published,
        "crosskd": preset_crosskd,
        "small": lambda task: {"weight": 6.1},
    }

    def level(self, student_channels: int, teacher_channels: int, stride: int) -> PKDLevel:
        weight = self.settings.weight
        phi = adapter(student_channels, teacher_channels) if weight else None
        return PKDLevel(stride, weight, phi, self.resize)
