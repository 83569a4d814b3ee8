"""The context modules between pyramid and heads, one for all levels (specification 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from baselines.mogface.initialise import convolution


class SSHContext(nn.Module):
    """Three branches of growing reach, concatenated: C to 2 C channels, ReLU after every convolution."""

    def __init__(self, channels: int, std: float) -> None:
        super().__init__()
        half = channels // 2
        self.near = convolution(channels, channels, std)
        self.reach = convolution(channels, half, std, dilation=2)
        self.middle = convolution(half, half, std)
        self.far = nn.Sequential(
            convolution(half, half, std, dilation=2),
            nn.ReLU(inplace=True),
            convolution(half, half, std),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, 2 C, H, W)."""
        reach = relu(self.reach(x))
        return relu(torch.cat([self.near(x), self.middle(reach), self.far(reach)], 1))


class CPM(nn.Module):
    """A residual block to 2 C channels, then three branches back to C."""

    def __init__(self, channels: int, std: float) -> None:
        super().__init__()
        wide, half, quarter = 2 * channels, channels // 2, channels // 4
        self.shortcut = nn.Sequential(convolution(channels, wide, std, side=1), nn.BatchNorm2d(wide))
        self.block = nn.Sequential(
            convolution(channels, half, std, side=1),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
            convolution(half, half, std),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
            convolution(half, wide, std, side=1),
            nn.BatchNorm2d(wide),
        )
        self.near = convolution(wide, half, std)
        self.reach = convolution(wide, quarter, std)
        self.middle = convolution(quarter, quarter, std)
        self.far = nn.Sequential(
            convolution(quarter, quarter, std), nn.ReLU(inplace=True), convolution(quarter, quarter, std)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        x = relu(self.shortcut(x) + self.block(x))
        reach = relu(self.reach(x))
        return relu(torch.cat([self.near(x), self.middle(reach), self.far(reach)], 1))


def build_context(kind: str, channels: int, std: float) -> nn.Module:
    """The module of a `Settings.context`."""
    if kind == "ssh":
        return SSHContext(channels, std)
    return CPM(channels, std) if kind == "cpm" else nn.Identity()
