"""CWD: Channel-wise Knowledge Distillation (Shu et al. 2021); distillation specification 2.5."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from benchmarks.base import Json, register
from benchmarks.coco.distillation.adapter import adapter
from benchmarks.coco.distillation.contract import (
    BatchContext,
    DistillationMethod,
    LevelLoss,
    LevelSettings,
    check_positive,
    check_weights,
)
from benchmarks.coco.distillation.resize import Resized


@dataclass(frozen=True)
class Settings(LevelSettings):
    """`weight` is w, `tau` the temperature."""

    weight: float = 10.0
    tau: float = 1.0
    capture: Literal["fpn_conv", "neck"] = "neck"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_weights(weight=self.weight)
        check_positive(tau=self.tau)


def preset_distiller(task: str) -> dict[str, Json]:
    """mmdetection-distiller: w = 5 on the first four convolutions.

    It takes the cross entropy, whose value is higher by the teacher's entropy; the gradient is that of KL.
    """
    return {"weight": 5.0, "tau": 1.0, "capture": "fpn_conv", "max_levels": 4}


class CWDLevel(LevelLoss):
    """L = w tau^2 / (C N) sum over (n, c) of KL(p_t || p_s), p = softmax over positions of F / tau."""

    def __init__(self, stride: int, weight: float, tau: float, phi: nn.Module | None, resize: Resized | None) -> None:
        super().__init__(stride, {"feature": weight}, phi, resize)
        self.tau = tau

    def terms(self, s: Tensor, t: Tensor, context: BatchContext) -> dict[str, Tensor]:
        log_p_s = (s / self.tau).flatten(2).log_softmax(2)
        log_p_t = (t / self.tau).flatten(2).log_softmax(2)
        kl = functional.kl_div(log_p_s, log_p_t, reduction="sum", log_target=True)
        n, c = s.shape[:2]
        return {"feature": self.weights["feature"] * (self.tau**2 / (c * n) * kl)}


@register
class CWD(DistillationMethod):
    """Each channel is a distribution over positions, and the student's must be the teacher's."""

    name = "cwd"
    label = "CWD"
    version = 1
    paper = "Shu et al. 2021, Channel-wise Knowledge Distillation for Dense Prediction"
    Settings = Settings
    presets = {
        "published": lambda task: {"weight": 10.0, "tau": 1.0},
        "cwd_distiller": preset_distiller,
        "small": lambda task: {"weight": 1.16, "tau": 1.0},
    }

    def level(self, student_channels: int, teacher_channels: int, stride: int) -> CWDLevel:
        s = self.settings
        phi = adapter(student_channels, teacher_channels) if s.weight else None
        return CWDLevel(stride, s.weight, s.tau, phi, self.resize)
