"""MGD: Masked Generative Distillation (Yang et al. 2022); distillation specification 2.2, the authors' repository."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from benchmarks.base import Json, register
from benchmarks.coco.distillation.adapter import adapter
from benchmarks.coco.distillation.contract import (
    BatchContext,
    DistillationMethod,
    LevelLoss,
    LevelSettings,
    check_shares,
    check_weights,
)
from benchmarks.coco.distillation.detectors import pair_kind
from benchmarks.coco.distillation.distance import sse
from benchmarks.coco.distillation.generator import generator
from benchmarks.coco.distillation.masks import CHANNEL, SPATIAL, MaskRng, random_mask
from benchmarks.coco.distillation.resize import Resized


@dataclass(frozen=True)
class Settings(LevelSettings):
    """`ratio` is the paper's lambda, the expected share of hidden entries.

    mask_on: `position` hides places in all channels, `channel` whole channels.
    """

    alpha: float = 2e-5
    ratio: float = 0.65
    mask_on: Literal["position", "channel"] = "position"
    mask_rng: MaskRng = "own"
    inherit: Literal["auto", "yes", "no", "partial"] = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_weights(alpha=self.alpha)
        check_shares(ratio=self.ratio)


def preset_published(task: str) -> dict[str, Json]:
    """The authors' weights for RetinaNet and RepPoints students, or for Faster and Mask R-CNN students.

    Other students get those of their family (one-stage, two-stage): this suite's choice.
    """
    return {"alpha": 5e-7, "ratio": 0.45} if pair_kind(task).two_stage else {"alpha": 2e-5, "ratio": 0.65}


class MGDLevel(LevelLoss):
    """L = alpha SSE(Gen(phi(FS) M), FT) / N; every position counts, hidden or not."""

    def __init__(
        self, stride: int, settings: Settings, gen: nn.Module, phi: nn.Module | None, resize: Resized | None
    ) -> None:
        super().__init__(stride, {"feature": settings.alpha}, phi, resize)
        self.settings = settings
        self.gen = gen

    def mask(self, s: Tensor, context: BatchContext) -> Tensor:
        """M (N, 1, H, W), or (N, C, 1, 1) with mask_on=channel."""
        n, c, h, w = s.shape
        p = self.settings
        if p.mask_on == "channel":
            return random_mask(p.ratio, (n, c, 1, 1), s, p.mask_rng, context, self.stride, CHANNEL)
        return random_mask(p.ratio, (n, 1, h, w), s, p.mask_rng, context, self.stride, SPATIAL)

    def terms(self, s: Tensor, t: Tensor, context: BatchContext) -> dict[str, Tensor]:
        r = self.gen(s * self.mask(s, context))
        return {"feature": self.weights["feature"] * (sse(r, t) / len(s))}


@register
class MGD(DistillationMethod):
    """The student's randomly masked map must suffice to rebuild the teacher's."""

    name = "mgd"
    label = "MGD"
    version = 1
    paper = "Yang et al. 2022, Masked Generative Distillation"
    Settings = Settings
    presets = {
        "published": preset_published,
        "small": lambda task: {"alpha": 6.5e-5, "ratio": 0.65, "inherit": "no"},
    }

    def level(self, student_channels: int, teacher_channels: int, stride: int) -> MGDLevel:
        s = self.settings
        if not s.alpha:
            return MGDLevel(stride, s, nn.Identity(), None, self.resize)
        phi = adapter(student_channels, teacher_channels)
        return MGDLevel(stride, s, generator(teacher_channels), phi, self.resize)
