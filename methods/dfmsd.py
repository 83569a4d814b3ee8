"""DFMSD: dual feature masking, stage-wise distillation (arXiv 2407.13147); a reconstruction, distillation specification 4.

DMKD's two branches between maps brought to one distribution, in stages with a teacher each and masks that turn to objects.
The abstract gives the ideas without formulas: every default is this suite's choice, and each open point is a switch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from benchmarks.base import Json, RepriseError, register
from benchmarks.coco.distillation.adapter import adapter
from benchmarks.coco.distillation.alignment import correlation_distance, standardised
from benchmarks.coco.distillation.attention import channel_mean, spatial_attention, spatial_mean
from benchmarks.coco.distillation.contract import BatchContext, check_shares, check_weights
from benchmarks.coco.distillation.detectors import pair_kind
from benchmarks.coco.distillation.masks import threshold_mask, topk_mask
from benchmarks.coco.distillation.raster import BoxScale, foreground
from benchmarks.coco.distillation.resize import Resized
from benchmarks.coco.distillation.stages import Stage, check_stages
from methods import dmkd


@dataclass(frozen=True)
class Settings(dmkd.Settings):
    """Specification 4.3, besides DMKD's switches.

    weight: of the mean form, alpha: of the sum form; reduction=auto takes the mean form where align standardises. w_pkd
    weighs the raw maps' correlation distance of align=pkd_loss and align=both. stage_schedule: `restart` gives each stage
    its own warm-up, decays and momentum. carry: what a later stage keeps. object_score: the least score of teacher
    detections that count as objects with object_source=teacher.
    """

    stages: tuple[Stage, ...] = (Stage(epochs=12, gain=1.0), Stage(epochs=12, gain=2.0))
    stage_schedule: Literal["restart", "continue"] = "restart"
    carry: Literal["all", "student"] = "all"
    gain_scale: Literal["relative", "absolute"] = "relative"
    gain_ramp: Literal["step", "linear"] = "step"
    enhance_channel: bool = False
    object_source: Literal["gt", "teacher"] = "gt"
    object_score: float = 0.3
    box_scale: BoxScale = "img_shape"
    align: Literal["standardise", "none", "pkd_loss", "both"] = "standardise"
    reduction: Literal["auto", "mean", "sum_n"] = "auto"
    weight: float = 10.0
    w_pkd: float = 10.0
    capture: Literal["fpn_conv", "neck"] = "neck"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_stages(self.stages)
        check_weights(weight=self.weight, w_pkd=self.w_pkd)
        check_shares(object_score=self.object_score)
        gains = [stage.gain for stage in self.stages]
        if self.mask_mode == "unimportant" and any(gain != 1.0 for gain in gains):
            raise RepriseError(
                f"mask_mode=unimportant hides what is not attended, and gains {gains} lift objects; set every gain to 1"
            )
        if self.gain_ramp == "linear" and any(map(math.isinf, gains)):
            raise RepriseError(f"gain_ramp=linear cannot reach an infinite gain (gains {gains}); use gain_ramp=step")

    @property
    def standardises(self) -> bool:
        """Whether the generators work between standardised maps."""
        return self.align in ("standardise", "both")

    @property
    def mean_form(self) -> bool:
        """Whether the distance is mean / 2 instead of SSE / N."""
        return self.reduction == "mean" or (self.reduction == "auto" and self.standardises)

    @property
    def weights(self) -> dict[str, float]:
        """Every term's weight under its name in the log."""
        found = {"feature": self.weight if self.mean_form else self.alpha}
        return found | ({"correlation": self.w_pkd} if self.align in ("pkd_loss", "both") else {})


SWIN_STAGES = (Stage("RetinaNet-X101-64x4d-1x", 12, 1.0), Stage("MaskRCNN-SwinS-ms3x", 12, 2.0))


def preset_r1(task: str) -> dict[str, Json]:
    """The first reconstruction: PKD's weights of the student's family; the Swin pair meets a nearer teacher first."""
    pair = pair_kind(task)
    weight = 6.0 if pair.two_stage else 10.0
    found = {**dmkd.preset_r1(task), "weight": weight, "w_pkd": weight}
    if pair.student == "RetinaNet" and pair.teacher == "MaskRCNN" and "swin" in pair.teacher_name.lower():
        found["stages"] = SWIN_STAGES
    return found


class DFMSDLevel(dmkd.DMKDLevel):
    """L = w mean((a R^S + b R^C - FT~)^2) / 2 between standardised maps; attention comes from the raw ones."""

    settings: Settings

    def __init__(
        self, stride: int, settings: Settings, channels: int, phi: nn.Module | None, resize: Resized | None
    ) -> None:
        super().__init__(stride, settings, settings.weights, channels, phi, resize)

    def terms(self, s: Tensor, t: Tensor, context: BatchContext) -> dict[str, Tensor]:
        found = {}
        if self.weights["feature"]:
            masks = self.masks(s, t, context)
            aligned = (standardised(s), standardised(t)) if self.settings.standardises else (s, t)
            found["feature"] = self.weights["feature"] * self.reconstruction(*aligned, masks)
        if self.weights.get("correlation"):
            found["correlation"] = self.weights["correlation"] * correlation_distance(s, t)
        return found

    def normalised(self, total: Tensor, t: Tensor) -> Tensor:
        return total / t.numel() / 2.0 if self.settings.mean_form else super().normalised(total, t)

    # -- masks that turn to objects ----------------------------------------------------------------------------------

    def gain(self, context: BatchContext) -> float:
        """g of this iteration: the stage's own, or on the way to it from the one before (the first stage: from 1)."""
        stages = self.settings.stages
        if context.stage >= len(stages):
            raise RepriseError(f"stage {context.stage} (from 0) of a run with {len(stages)} stages")
        g = stages[context.stage].gain
        if self.settings.gain_ramp == "step":
            return g
        before = stages[context.stage - 1].gain if context.stage else 1.0
        return before + (g - before) * context.stage_progress

    def inside(self, context: BatchContext, f: Tensor) -> Tensor:
        """Cells inside an object's box, boolean (N, H, W)."""
        boxes = context.boxes
        if self.settings.object_source == "teacher":
            if context.teacher_boxes is None:
                raise RepriseError(
                    "object_source=teacher, but the context has no teacher_boxes; run the teacher's head"
                )
            boxes = context.teacher_boxes
        size = (f.shape[2], f.shape[3])
        return foreground(boxes, context, size, self.settings.box_scale).to(f.device) > 0

    def spatial_mask(self, s: Tensor, t: Tensor, context: BatchContext) -> Tensor:
        p, g = self.settings, self.gain(context)
        if g == 1.0:
            return super().spatial_mask(s, t, context)
        score, inside = self.from_attended(spatial_mean, s, t), self.inside(context, s)
        if p.mask_rule == "topk":
            return topk_mask(self.lifted(score, inside, g), p.spatial_ratio, important=True)
        a = spatial_attention(score, p.temperature)
        return threshold_mask(torch.where(inside, math.inf if math.isinf(g) else a * g, a), p.theta_s, important=True)

    def lifted(self, score: Tensor, inside: Tensor, g: float) -> Tensor:
        """G^S + t ln g inside, G^S elsewhere; t is the image's deviation of G^S (relative) or T (absolute)."""
        if math.isinf(g):
            return score.masked_fill(inside, math.inf)
        if self.settings.gain_scale == "relative":
            t = score.flatten(1).std(1, correction=0)[:, None, None]
            return torch.where(inside, score + t * math.log(g), score)
        return torch.where(inside, score + self.settings.temperature * math.log(g), score)

    def channel_score(self, context: BatchContext, s: Tensor) -> Callable[[Tensor], Tensor]:
        if not self.settings.enhance_channel:
            return channel_mean
        inside = self.inside(context, s)
        return lambda f: channel_mean(f, inside)


@register
class DFMSD(dmkd.DMKD):
    """DMKD between standardised maps, stage by stage, its masks drawn to objects more and more."""

    name = "dfmsd"
    label = "DFMSD"
    version = 1
    paper = "DFMSD: Dual Feature Masking Stage-wise Knowledge Distillation for Object Detection (2024)"
    reconstruction = True
    Settings = Settings
    presets = {
        "dfmsd_r1": preset_r1,
        "small": lambda task: {"weight": 8.4, "w_pkd": 8.4, "inherit": "no"},
    }

    def level(self, student_channels: int, teacher_channels: int, stride: int) -> DFMSDLevel:
        s = self.settings
        phi = adapter(student_channels, teacher_channels) if any(s.weights.values()) else None
        return DFMSDLevel(stride, s, teacher_channels, phi, self.resize)

    @property
    def stages(self) -> tuple[Stage, ...]:
        return tuple(self.settings.stages)

    @property
    def carry(self) -> Literal["all", "student"]:
        return self.settings.carry

    @property
    def restarts(self) -> bool:
        return self.settings.stage_schedule == "restart"

    @property
    def teacher_score(self) -> float | None:
        return self.settings.object_score if self.settings.object_source == "teacher" else None
