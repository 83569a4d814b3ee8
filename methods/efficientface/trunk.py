"""The trunk: EfficientNet (Tan and Le, 2019) without its last convolution, at any width and depth (specification, 2.2).

Parameters carry the names of mmdet's and mmpretrain's EfficientNet, so that their weights fit.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor, nn

from methods.efficientface.convolutions import SameConv2d, batch_norm

STEM = 32
SQUEEZE = 4
"""A block's squeeze-and-excitation has a quarter of the channels that enter the block."""


class Stage(NamedTuple):
    """One stage of B0; the first block has the stride. group: the entry of `Trunk.layers` that it belongs to."""

    kernel: int
    channels: int
    blocks: int
    stride: int
    expansion: int
    group: int


B0 = (
    Stage(3, 16, 1, 1, 1, group=1),
    Stage(3, 24, 2, 2, 6, group=2),
    Stage(5, 40, 2, 2, 6, group=3),
    Stage(3, 80, 3, 2, 6, group=4),
    Stage(5, 112, 3, 1, 6, group=4),
    Stage(5, 192, 4, 2, 6, group=5),
    Stage(3, 320, 1, 1, 6, group=5),
)
OUTPUTS = (2, 3, 4, 5)
"""Groups whose last maps are C2 to C5."""


def rounded(channels: float) -> int:
    """To a multiple of 8, the next one up where that loses over a tenth; 8 at least."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


def scaled(width: float, depth: float) -> list[Stage]:
    """B0's stages with their channels and blocks multiplied."""
    return [
        stage._replace(channels=rounded(stage.channels * width), blocks=math.ceil(stage.blocks * depth)) for stage in B0
    ]


class ConvNorm(nn.Sequential):
    """Convolution without bias, BN, and swish unless it is linear."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, groups: int, momentum: float, linear: bool = False
    ) -> None:
        super().__init__()
        self.conv = SameConv2d(inputs, outputs, kernel, stride, groups, bias=False)
        self.bn = batch_norm(outputs, momentum)
        if not linear:
            self.activate = nn.SiLU(inplace=True)


class SqueezeExcitation(nn.Module):
    """x * sigmoid(W2 swish(W1 mean(x))), both with bias."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential()
        self.conv1.add_module("conv", nn.Conv2d(channels, squeezed, kernel_size=1))
        self.conv2 = nn.Sequential()
        self.conv2.add_module("conv", nn.Conv2d(squeezed, channels, kernel_size=1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        inner = nn.functional.silu(self.conv1(x.mean((2, 3), keepdim=True)))
        return x * self.conv2(inner).sigmoid()


class Block(nn.Module):
    """Mobile inverted bottleneck; the shortcut where shape allows it."""

    def __init__(self, inputs: int, outputs: int, stage: Stage, stride: int, momentum: float) -> None:
        super().__init__()
        inner = inputs * stage.expansion
        self.expands = inner != inputs
        self.residual = stride == 1 and inputs == outputs
        if self.expands:
            self.expand_conv = ConvNorm(inputs, inner, 1, 1, 1, momentum)
        self.depthwise_conv = ConvNorm(inner, inner, stage.kernel, stride, inner, momentum)
        self.se = SqueezeExcitation(inner, inputs // SQUEEZE)
        self.linear_conv = ConvNorm(inner, outputs, 1, 1, 1, momentum, linear=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H / stride, W / stride)."""
        y = self.expand_conv(x) if self.expands else x
        y = self.linear_conv(self.se(self.depthwise_conv(y)))
        return x + y if self.residual else y


class Trunk(nn.Module):
    """C2 to C5, of strides 4 to 32; `channels` says how wide each is."""

    def __init__(self, width: float, depth: float, momentum: float) -> None:
        super().__init__()
        channels = rounded(STEM * width)
        groups: list[list[nn.Module]] = [[] for _ in range(OUTPUTS[-1])]
        widths = [0] * len(groups)
        stem = ConvNorm(3, channels, 3, 2, 1, momentum)
        for stage in scaled(width, depth):
            for number in range(stage.blocks):
                stride = stage.stride if number == 0 else 1
                groups[stage.group - 1].append(Block(channels, stage.channels, stage, stride, momentum))
                channels = stage.channels
            widths[stage.group - 1] = channels
        self.layers = nn.ModuleList([stem, *(nn.Sequential(*blocks) for blocks in groups)])
        self.channels = tuple(widths[group - 1] for group in OUTPUTS)
        self.draw()

    def draw(self) -> None:
        """mmdet's initial weights: convolutions normal with variance 2 / fan_out, biases 0, BN 1 and 0."""
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
                if part.bias is not None:
                    nn.init.zeros_(part.bias)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, 3, H, W) to C2, C3, C4, C5, each (N, C_i, H / 2^i, W / 2^i)."""
        maps = []
        for number, layer in enumerate(self.layers):
            x = layer(x)
            if number in OUTPUTS:
                maps.append(x)
        return maps
