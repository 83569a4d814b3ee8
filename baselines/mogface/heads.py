"""The prediction parts: per level, deep and shared, and the first-shot branch (specification 3.2; D1 of 3.6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.functional import relu

from baselines.mogface.initialise import classifier, convolution
from baselines.mogface.settings import STRIDES, Defect

DEEP_LAYERS = 4


class Maps(NamedTuple):
    """Per level, the finest first: class logits (B, 1, H, W) and box codes (B, 4, H, W)."""

    logits: list[Tensor]
    codes: list[Tensor]


class LevelHead(nn.Module):
    """A 3x3 convolution per level and output, not shared (R50 models)."""

    def __init__(self, channels: int, std: float) -> None:
        super().__init__()
        self.classify = nn.ModuleList(classifier(channels, std) for _ in STRIDES)
        self.locate = nn.ModuleList(convolution(channels, 4, std) for _ in STRIDES)

    def forward(self, levels: Sequence[Tensor]) -> Maps:
        """From (B, C, H, W) per level."""
        return Maps(
            [part(x) for part, x in zip(self.classify, levels, strict=True)],
            [part(x) for part, x in zip(self.locate, levels, strict=True)],
        )


class DeepHead(nn.Module):
    """Four times 3x3 convolution, group norm and ReLU, for all levels alike; `released` repeats the first convolution (D1)."""

    def __init__(self, channels: int, groups: int, std: float, convs: Defect) -> None:
        super().__init__()
        self.convs = nn.ModuleList(convolution(channels, channels, std) for _ in range(DEEP_LAYERS))
        self.norms = nn.ModuleList(nn.GroupNorm(groups, channels) for _ in range(DEEP_LAYERS))
        self.repeats = convs == "released"

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        for layer, norm in enumerate(self.norms):
            x = relu(norm(self.convs[0 if self.repeats else layer](x)))
        return x


class DeepHeads(nn.Module):
    """One DeepHead for the class and one for the box, then a convolution each, all shared by the levels."""

    def __init__(self, channels: int, groups: int, std: float, convs: Defect) -> None:
        super().__init__()
        self.class_head = DeepHead(channels, groups, std, convs)
        self.box_head = DeepHead(channels, groups, std, convs)
        self.classify, self.locate = classifier(channels, std), convolution(channels, 4, std)

    def forward(self, levels: Sequence[Tensor]) -> Maps:
        """From (B, C, H, W) per level."""
        return Maps(
            [self.classify(self.class_head(x)) for x in levels], [self.locate(self.box_head(x)) for x in levels]
        )


class FirstShot(nn.Module):
    """The auxiliary branch: a convolution on each of C2..C5, P6, P7, then shared ones to class and box; anchors half as large."""

    def __init__(self, trunk_channels: Sequence[int], channels: int, std: float) -> None:
        super().__init__()
        before = [*trunk_channels, channels, channels]
        self.convs = nn.ModuleList(convolution(own, channels, std) for own in before)
        self.classify, self.locate = classifier(channels, std), convolution(channels, 4, std)

    def forward(self, trunk: Sequence[Tensor], pyramid: Sequence[Tensor]) -> Maps:
        """From C2..C5 and P2..P7."""
        maps = [conv(x) for conv, x in zip(self.convs, [*trunk, *pyramid[4:]], strict=True)]
        return Maps([self.classify(x) for x in maps], [self.locate(x) for x in maps])
