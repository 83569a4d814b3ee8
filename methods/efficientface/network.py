"""The whole network from pixels to logits and codes, its parts named as in the budget table (specification, 2.6)."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from torch import Tensor, nn

from methods.efficientface.anchors import check_padded
from methods.efficientface.convolutions import draw
from methods.efficientface.heads import PRIOR_BIAS, Head
from methods.efficientface.laterals import Laterals
from methods.efficientface.modules import RFE, Attention, PerLevel
from methods.efficientface.neck import LEVELS, Cells, cell
from methods.efficientface.settings import Settings
from methods.efficientface.trunk import Trunk


class Outputs(NamedTuple):
    """Of B images with K anchors each: logits (B, K) of being a face, and codes (B, K, 4) of the boxes."""

    logits: Tensor
    codes: Tensor


class Network(nn.Module):
    """Trunk, laterals, neck, RFE and attention per level, two heads; fresh weights from torch's default generator."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        s, size = settings, settings.scale
        channels, momentum = size.neck, s.bn_momentum
        self.trunk = Trunk(size.width, size.depth, momentum)
        self.laterals = Laterals(self.trunk.channels, channels, s.laterals, s.extra_levels, momentum)
        self.neck = Cells(cell(s.neck, channels, s.fusion, momentum) for _ in range(s.neck_repeats))
        self.refine = _refinement(s, channels)
        self.box_head = _head(s, channels, 4)
        self.class_head = _head(s, channels, 1)
        for name, part in self.named_children():
            if name != "trunk":
                draw(part)
        bias = self.class_head.predict.pointwise.bias
        assert bias is not None
        nn.init.constant_(bias, PRIOR_BIAS)

    def levels(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W) to six maps (B, C, H / 2^i, W / 2^i), i = 2..7. Raises RepriseError unless 128 divides both sides."""
        check_padded(int(x.shape[2]), int(x.shape[3]))
        return self.refine(self.neck(self.laterals(self.trunk(x))))

    def heads(self, maps: list[Tensor]) -> Outputs:
        """Six maps to what is predicted for each anchor, level 2 first, row by row."""
        return Outputs(self.class_head(maps)[..., 0], self.box_head(maps))

    def forward(self, x: Tensor) -> Outputs:
        return self.heads(self.levels(x))


def _refinement(s: Settings, channels: int) -> nn.Sequential:
    """RFE and attention between neck and heads, under their names."""
    parts: dict[str, nn.Module] = {}
    if s.rfe in ("per_level", "shared"):
        parts["rfe"] = PerLevel(lambda: _rfe(s, channels), LEVELS, s.rfe == "shared")
    if s.am_depth:
        parts["attention"] = PerLevel(lambda: _attention(s, channels), LEVELS, s.am_shared)
    order = ("rfe", "attention") if s.am_place == "after_rfe" else ("attention", "rfe")
    return nn.Sequential(OrderedDict((name, parts[name]) for name in order if name in parts))


def _rfe(s: Settings, channels: int) -> RFE:
    return RFE(channels, s.rfe_norm == "bn", s.rfe_residual, s.bn_momentum)


def _attention(s: Settings, channels: int) -> nn.Sequential:
    return nn.Sequential(*(Attention(channels, s.am_residual) for _ in range(s.am_depth)))


def _head(s: Settings, channels: int, values: int) -> Head:
    entrance = _rfe(s, channels) if s.rfe == "in_head" else None
    norms = LEVELS if s.head_bn == "per_level" else 1
    return Head(channels, s.head_layers, s.anchors_per_place, values, norms, s.bn_momentum, entrance)
