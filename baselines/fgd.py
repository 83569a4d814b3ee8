"""FGD: Focal and Global Knowledge Distillation (Yang et al. 2022); distillation specification 2.3, the authors' repository."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from benchmarks.base import Json, register
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
    check_positive,
    check_weights,
)
from benchmarks.coco.distillation.detectors import pair_kind
from benchmarks.coco.distillation.distance import sse
from benchmarks.coco.distillation.raster import BoxScale, background, foreground
from benchmarks.coco.distillation.resize import Resized


@dataclass(frozen=True)
class Settings(LevelSettings):
    """The paper's weights: alpha of the foreground, beta background, gamma attention, lam (its lambda) global.

    temperature is the paper's T; box_scale is what a map is taken to cover when boxes are drawn into it.
    """

    temperature: float = 0.5
    alpha: float = 1e-3
    beta: float = 5e-4
    gamma: float = 5e-4
    lam: float = 5e-6
    box_scale: BoxScale = "img_shape"
    inherit: Literal["auto", "yes", "no", "partial"] = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(temperature=self.temperature)
        check_weights(alpha=self.alpha, beta=self.beta, gamma=self.gamma, lam=self.lam)

    @property
    def weights(self) -> dict[str, float]:
        """Every term's weight under its name in the log."""
        return {"foreground": self.alpha, "background": self.beta, "attention": self.gamma, "global": self.lam}


def _weights(temperature: float, alpha: float, beta: float, gamma: float, lam: float) -> dict[str, Json]:
    return {"temperature": temperature, "alpha": alpha, "beta": beta, "gamma": gamma, "lam": lam}


def preset_published(task: str) -> dict[str, Json]:
    """The authors' weights per student; those of RetinaNet and GFL serve ATSS too (this suite's choice)."""
    pair = pair_kind(task)
    if pair.two_stage:
        return _weights(0.5, 5e-5, 2.5e-5, 5e-5, 5e-7)
    if pair.student in ("FCOS", "RepPoints"):
        return _weights(0.8 if pair.student == "FCOS" else 0.5, 1.6e-3, 8e-4, 8e-4, 8e-6)
    return _weights(0.5, 1e-3, 5e-4, 5e-4, 5e-6)


def preset_small(task: str) -> dict[str, Json]:
    """Rebalanced for small maps and few channels, where T = 0.5 puts the whole attention on one cell."""
    return {**_weights(2.0, 20 * 2.5e-5, 20 * 2.2e-4, 20 * 2.9e-4, 20 * 3.1e-6), "inherit": "no"}


class ContextBlock(nn.Module):
    """GC(x) = x + W2 ReLU(LN(W1 ctx)), ctx_c = sum over hw of softmax_hw(conv1x1(x)) x_c; starts as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.key = nn.Conv2d(channels, 1, kernel_size=1)
        nn.init.kaiming_normal_(self.key.weight, mode="fan_in")
        nn.init.zeros_(self.key.bias)  # type: ignore[arg-type]
        w2 = nn.Conv2d(channels // 2, channels, kernel_size=1)
        nn.init.zeros_(w2.weight)
        nn.init.zeros_(w2.bias)  # type: ignore[arg-type]
        self.transform = nn.Sequential(
            nn.Conv2d(channels, channels // 2, kernel_size=1),
            nn.LayerNorm([channels // 2, 1, 1]),
            nn.ReLU(inplace=True),
            w2,
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        place = self.key(x).flatten(2).softmax(2)
        ctx = (x.flatten(2) * place).sum(2)
        return x + self.transform(ctx[..., None, None])


class FGDLevel(LevelLoss):
    """Four terms; the teacher's attention weighs both maps."""

    def __init__(self, stride: int, settings: Settings, channels: int, phi: nn.Module | None, resize: Resized | None):
        super().__init__(stride, settings.weights, phi, resize)
        self.settings = settings
        if settings.lam:
            self.gc_s, self.gc_t = ContextBlock(channels), ContextBlock(channels)

    def attention(self, f: Tensor) -> tuple[Tensor, Tensor]:
        """A^S (N, H, W) and A^C (N, C)."""
        T = self.settings.temperature
        return spatial_attention(spatial_mean(f), T), channel_attention(channel_mean(f), T)

    def terms(self, s: Tensor, t: Tensor, context: BatchContext) -> dict[str, Tensor]:
        w, found = self.weights, {}
        n, _, height, width = s.shape
        spatial_t, channel_t = self.attention(t)
        if w["foreground"] or w["background"]:
            fg = foreground(context.boxes, context, (height, width), self.settings.box_scale).to(s.device)
            d = ((s - t).square() * channel_t[:, :, None, None]).sum(1) * spatial_t
            if w["foreground"]:
                found["foreground"] = w["foreground"] * ((d * fg).sum() / n)
            if w["background"]:
                found["background"] = w["background"] * ((d * background(fg)).sum() / n)
        if w["attention"]:
            spatial_s, channel_s = self.attention(s)
            difference = (channel_s - channel_t).abs().sum() + (spatial_s - spatial_t).abs().sum()
            found["attention"] = w["attention"] * (difference / n)
        if w["global"]:
            found["global"] = w["global"] * (sse(self.gc_s(s), self.gc_t(t)) / n)
        return found


@register
class FGD(DistillationMethod):
    """Focal terms inside and outside objects, an attention term, and a global term over each map's context."""

    name = "fgd"
    label = "FGD"
    version = 1
    paper = "Yang et al. 2022, Focal and Global Knowledge Distillation for Detectors"
    Settings = Settings
    presets = {"published": preset_published, "small": preset_small}

    def level(self, student_channels: int, teacher_channels: int, stride: int) -> FGDLevel:
        s = self.settings
        phi = adapter(student_channels, teacher_channels) if any(s.weights.values()) else None
        return FGDLevel(stride, s, teacher_channels, phi, self.resize)
