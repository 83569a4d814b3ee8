"""DMKD: dual masking knowledge distillation (arXiv 2309.02719); a reconstruction, distillation specification 3.

The abstract fixes that both masks act on the student's map, that attention steers them and that the two rebuilt maps are
fused adaptively. How, is this suite's choice, and so is every default; each open point is a switch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from benchmarks.base import Json, RepriseError, register
from benchmarks.coco.distillation.adapter import adapter
from benchmarks.coco.distillation.attention import (
    channel_attention,
    channel_mean,
    spatial_attention,
    spatial_mean,
)
from benchmarks.coco.distillation.contract import (
    BatchContext,
    DistillationMethod,
    LevelLoss,
    LevelSettings,
    LevelSpec,
    check_positive,
    check_shares,
    check_weights,
)
from benchmarks.coco.distillation.detectors import pair_kind
from benchmarks.coco.distillation.distance import sse
from benchmarks.coco.distillation.generator import generator
from benchmarks.coco.distillation.masks import CHANNEL, SPATIAL, MaskRng, random_mask, threshold_mask, topk_mask
from benchmarks.coco.distillation.resize import Resized


@dataclass(frozen=True)
class Settings(LevelSettings):
    """Specification 3.4. theta_s and theta_c are the limits of mask_rule=threshold, where the ratios are ignored.

    temperature matters to `threshold` alone. fusion_weights are (a, b) of fusion=fixed: a branch of weight 0 is not built.
    fusion_scope=global: one (a, b) for all levels. fusion_of=losses weighs the two branches' losses in place of their maps.
    """

    attention_from: Literal["teacher", "student", "mean"] = "teacher"
    mask_mode: Literal["important", "unimportant", "random"] = "important"
    mask_rule: Literal["topk", "threshold"] = "topk"
    mask_rng: MaskRng = "own"
    spatial_ratio: float = 0.65
    channel_ratio: float = 0.65
    theta_s: float = 1.0
    theta_c: float = 1.0
    temperature: float = 0.5
    generators: Literal["separate", "shared"] = "separate"
    fusion_of: Literal["features", "losses"] = "features"
    fusion: Literal["softmax", "fast", "fixed"] = "softmax"
    fusion_weights: tuple[float, float] = (0.5, 0.5)
    fusion_scope: Literal["level", "global"] = "level"
    fusion_weight_decay: Literal["optimiser", "none"] = "optimiser"
    alpha: float = 2e-5
    inherit: Literal["auto", "yes", "no", "partial"] = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_weights(alpha=self.alpha)
        check_shares(spatial_ratio=self.spatial_ratio, channel_ratio=self.channel_ratio)
        check_positive(temperature=self.temperature)
        if not (math.isfinite(self.theta_s) and math.isfinite(self.theta_c)):
            raise RepriseError(f"theta_s is {self.theta_s}, theta_c {self.theta_c}; give finite numbers (1: the mean)")
        if not all(map(math.isfinite, self.fusion_weights)) or not any(self.fusion_weights):
            raise RepriseError(f"fusion_weights is {list(self.fusion_weights)}; give two finite numbers, not both 0")


def preset_r1(task: str) -> dict[str, Json]:
    """The first reconstruction: MGD's weights of the student's family, FGD's temperature."""
    pair = pair_kind(task)
    ratio, alpha = (0.45, 5e-7) if pair.two_stage else (0.65, 2e-5)
    temperature = 0.8 if pair.student == "FCOS" else 0.5
    return {"spatial_ratio": ratio, "channel_ratio": ratio, "alpha": alpha, "temperature": temperature}


class Fusion(nn.Module):
    """The weights (a, b) of the spatial and the channel branch, learned unless fixed."""

    def __init__(self, kind: Literal["softmax", "fast", "fixed"], fixed: tuple[float, float]) -> None:
        super().__init__()
        self.kind, self.fixed = kind, fixed
        if kind != "fixed":
            self.w = nn.Parameter(torch.zeros(2) if kind == "softmax" else torch.ones(2))

    def forward(self) -> Sequence[Tensor | float]:
        """(a, b): softmax(w), or relu(w) / (sum relu(w) + 1e-4)."""
        if self.kind == "softmax":
            return self.w.softmax(0).unbind()
        if self.kind == "fast":
            positive = self.w.relu()
            return (positive / (positive.sum() + 1e-4)).unbind()
        return self.fixed


class Borrowed:
    """Fusion weights that another level owns: called like a module, but no part of this one."""

    def __init__(self, owner: Fusion) -> None:
        self.owner = owner

    def __call__(self) -> Sequence[Tensor | float]:
        return self.owner()


class DMKDLevel(LevelLoss):
    """L = alpha SSE(a R^S + b R^C, FT) / N, R^S and R^C rebuilt from the map with hidden places and hidden channels."""

    fusion: Callable[[], Sequence[Tensor | float]]

    def __init__(
        self,
        stride: int,
        settings: Settings,
        weights: dict[str, float],
        channels: int,
        phi: nn.Module | None,
        resize: Resized | None,
    ) -> None:
        super().__init__(stride, weights, phi, resize)
        self.settings = settings
        used = (True, True) if settings.fusion != "fixed" else tuple(bool(w) for w in settings.fusion_weights)
        self.uses_spatial, self.uses_channel = used
        if weights["feature"]:
            if self.uses_spatial or settings.generators == "shared":
                self.gen_s = generator(channels)
            if self.uses_channel and settings.generators == "separate":
                self.gen_c = generator(channels)
            self.fusion = Fusion(settings.fusion, settings.fusion_weights)

    def terms(self, s: Tensor, t: Tensor, context: BatchContext) -> dict[str, Tensor]:
        return {"feature": self.weights["feature"] * self.reconstruction(s, t, self.masks(s, t, context))}

    def reconstruction(self, s: Tensor, t: Tensor, masks: tuple[Tensor | None, Tensor | None]) -> Tensor:
        """The distance of the rebuilt map to t, from s with the masks M^S (N, 1, H, W) and M^C (N, C, 1, 1)."""
        a, b = self.fusion()
        m_s, m_c = masks
        rebuilt = [] if m_s is None else [(a, self.gen_s(s * m_s))]
        if m_c is not None:
            gen_c = self.gen_s if self.settings.generators == "shared" else self.gen_c
            rebuilt.append((b, gen_c(s * m_c)))
        if self.settings.fusion_of == "losses":
            return self.normalised(_total([weight * sse(r, t) for weight, r in rebuilt]), t)
        return self.normalised(sse(_total([weight * r for weight, r in rebuilt]), t), t)

    def normalised(self, total: Tensor, t: Tensor) -> Tensor:
        """Summed squares per image."""
        return total / len(t)

    # -- masks -------------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def masks(self, s: Tensor, t: Tensor, context: BatchContext) -> tuple[Tensor | None, Tensor | None]:
        """M^S (N, 1, H, W) and M^C (N, C, 1, 1); 0 = hidden; None for a branch that is not evaluated."""
        p, (n, c, h, w) = self.settings, s.shape
        if p.mask_mode == "random":
            draw = (s, p.mask_rng, context, self.stride)
            m_s = random_mask(p.spatial_ratio, (n, 1, h, w), *draw, SPATIAL) if self.uses_spatial else None
            m_c = random_mask(p.channel_ratio, (n, c, 1, 1), *draw, CHANNEL) if self.uses_channel else None
            return m_s, m_c
        m_s = self.spatial_mask(s, t, context)[:, None] if self.uses_spatial else None
        m_c = self.channel_mask(s, t, context)[..., None, None] if self.uses_channel else None
        return m_s, m_c

    def spatial_mask(self, s: Tensor, t: Tensor, context: BatchContext) -> Tensor:
        """M^S (N, H, W), by G^S (topk) or A^S (threshold)."""
        p = self.settings
        g, important = self.from_attended(spatial_mean, s, t), p.mask_mode == "important"
        if p.mask_rule == "topk":
            return topk_mask(g, p.spatial_ratio, important)
        return threshold_mask(spatial_attention(g, p.temperature), p.theta_s, important)

    def channel_mask(self, s: Tensor, t: Tensor, context: BatchContext) -> Tensor:
        """M^C (N, C), by G^C (topk) or A^C (threshold)."""
        p = self.settings
        g, important = self.from_attended(self.channel_score(context, s), s, t), p.mask_mode == "important"
        if p.mask_rule == "topk":
            return topk_mask(g, p.channel_ratio, important)
        return threshold_mask(channel_attention(g, p.temperature), p.theta_c, important)

    def channel_score(self, context: BatchContext, s: Tensor) -> Callable[[Tensor], Tensor]:
        """What a channel is ranked by: (N, C, H, W) to G^C (N, C)."""
        return channel_mean

    def from_attended(self, score: Callable[[Tensor], Tensor], s: Tensor, t: Tensor) -> Tensor:
        """G of the map that attention_from names; `mean` averages the two maps' G."""
        if self.settings.attention_from == "mean":
            return (score(s) + score(t)) / 2.0
        return score(t if self.settings.attention_from == "teacher" else s)

    # -- what the harness asks for -----------------------------------------------------------------------------------

    def borrow_fusion(self, owner: DMKDLevel) -> None:
        """Use another level's fusion weights in place of one's own."""
        shared = owner._modules.get("fusion")
        if isinstance(shared, Fusion):
            del self.fusion
            self.fusion = Borrowed(shared)

    def undecayed(self) -> list[nn.Parameter]:
        owned = self._modules.get("fusion")
        return list(owned.parameters()) if owned and self.settings.fusion_weight_decay == "none" else []

    @torch.no_grad()
    def figures(self) -> dict[str, float]:
        """Fusion weights a and b."""
        if not self.weights["feature"]:
            return {}
        a, b = self.fusion()
        return {"fusion_a": float(a), "fusion_b": float(b)}


def _total(parts: list[Tensor]) -> Tensor:
    """The sum of one or two; one alone stays bit for bit what it is."""
    return parts[0] if len(parts) == 1 else parts[0] + parts[1]


@register
class DMKD(DistillationMethod):
    """The student rebuilds the teacher's map from what is left when attended places, or channels, are hidden."""

    name = "dmkd"
    label = "DMKD"
    version = 1
    paper = (
        "DMKD: Improving Feature-based Knowledge Distillation for Object Detection Via Dual Masking Augmentation (2023)"
    )
    reconstruction = True
    Settings = Settings
    presets = {
        "dmkd_r1": preset_r1,
        "small": lambda task: {"alpha": 7.6e-5, "inherit": "no"},
    }

    def level(self, student_channels: int, teacher_channels: int, stride: int) -> DMKDLevel:
        s = self.settings
        phi = adapter(student_channels, teacher_channels) if s.alpha else None
        return DMKDLevel(stride, s, {"feature": s.alpha}, teacher_channels, phi, self.resize)

    def build(self, levels: Sequence[LevelSpec]) -> nn.ModuleList:
        """With fusion_scope=global the first level owns the fusion weights of all."""
        built = super().build(levels)
        parts = [level for level in built if isinstance(level, DMKDLevel)]
        if self.settings.fusion_scope == "global":
            for level in parts[1:]:
                level.borrow_fusion(parts[0])
        return built
