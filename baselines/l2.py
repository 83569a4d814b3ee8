"""L2 on features, FitNets type (Romero et al. 2015); distillation specification 2.1. A control: no published COCO figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from benchmarks.base import Json, RepriseError, register
from benchmarks.coco.distillation.adapter import AdapterMode, adapter
from benchmarks.coco.distillation.contract import (
    BatchContext,
    DistillationMethod,
    LevelLoss,
    LevelSettings,
    check_weights,
)
from benchmarks.coco.distillation.detectors import pair_kind
from benchmarks.coco.distillation.distance import sse
from benchmarks.coco.distillation.resize import Resized


@dataclass(frozen=True)
class Settings(LevelSettings):
    """`alpha` weighs the plain sum per image; `weight` every other form and must then be given.

    reduction: `sum_n` = SSE / N, `mean` = mean of squares. normalise divides each image's map by its L2 norm first.
    """

    alpha: float = 2e-5
    weight: float | None = None
    reduction: Literal["sum_n", "mean"] = "sum_n"
    normalise: bool = False
    adapter: AdapterMode = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weight is None and (self.normalise or self.reduction == "mean"):
            raise RepriseError("weight is not given; only reduction=sum_n without normalise has one of its own (alpha)")
        if self.weight is not None and self.reduction == "sum_n" and not self.normalise:
            raise RepriseError("weight is given, but reduction=sum_n without normalise is weighed by alpha; give alpha")
        check_weights(alpha=self.alpha, weight=self.weight or 0.0)


def preset_control(task: str) -> dict[str, Json]:
    """MGD's alpha of the student's family: this suite's choice."""
    return {"alpha": 5e-7 if pair_kind(task).two_stage else 2e-5}


def unit_norm(f: Tensor) -> Tensor:
    """Each image's flattened map divided by sqrt(sum x^2 + 1e-12)."""
    return f / (f.square().sum((1, 2, 3), keepdim=True) + 1e-12).sqrt()


class L2Level(LevelLoss):
    """L = w SSE(phi(FS), FT) / N, or w mean((phi(FS) - FT)^2)."""

    def __init__(
        self, stride: int, weight: float, settings: Settings, phi: nn.Module | None, resize: Resized | None
    ) -> None:
        super().__init__(stride, {"feature": weight}, phi, resize)
        self.settings = settings

    def terms(self, s: Tensor, t: Tensor, context: BatchContext) -> dict[str, Tensor]:
        if self.settings.normalise:
            s, t = unit_norm(s), unit_norm(t)
        divisor = len(s) if self.settings.reduction == "sum_n" else s.numel()
        return {"feature": self.weights["feature"] * (sse(s, t) / divisor)}


@register
class L2(DistillationMethod):
    """The student's maps follow the teacher's."""

    name = "l2"
    label = "L2"
    version = 1
    paper = "Romero et al. 2015, FitNets: Hints for Thin Deep Nets"
    Settings = Settings
    presets = {
        "control": preset_control,
        "small": lambda task: {"reduction": "mean", "weight": 0.83},
    }

    def level(self, student_channels: int, teacher_channels: int, stride: int) -> L2Level:
        s = self.settings
        weight = s.alpha if s.weight is None else s.weight
        phi = adapter(student_channels, teacher_channels, s.adapter) if weight else None
        return L2Level(stride, weight, s, phi, self.resize)
