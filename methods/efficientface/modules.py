"""What refines the neck's maps: receptive field enhancement and attention (specification, 2.4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from methods.efficientface.convolutions import SameConv2d, batch_norm

KERNELS = ((1, 5), (5, 1), (1, 3), (3, 1))
"""Rows and columns of the middle convolution of each branch."""

REDUCTION = 16
GATE_KERNEL = 7


class RFE(nn.Module):
    """Receptive field enhancement in the form of SRN (Chi et al., 2019): four branches for faces of unusual aspect.

    A branch is conv1x1(C -> C/4), conv k(C/4), conv1x1(C/4), each with bias and ReLU; the branches side by side pass a
    conv1x1(C -> C) with ReLU, and the input is added. `normed` puts a BN before every ReLU.
    """

    def __init__(self, channels: int, normed: bool, residual: bool, momentum: float) -> None:
        super().__init__()
        self.residual = residual
        quarter = channels // len(KERNELS)

        def step(inputs: int, outputs: int, kernel: int | tuple[int, int]) -> list[nn.Module]:
            norm = [batch_norm(outputs, momentum)] if normed else []
            return [SameConv2d(inputs, outputs, kernel), *norm, nn.ReLU(inplace=True)]

        self.branches = nn.ModuleList(
            nn.Sequential(*step(channels, quarter, 1), *step(quarter, quarter, kernel), *step(quarter, quarter, 1))
            for kernel in KERNELS
        )
        self.merge = nn.Sequential(*step(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        y = self.merge(torch.cat([branch(x) for branch in self.branches], 1))
        return x + y if self.residual else y


class Attention(nn.Module):
    """Gates over channels, then over places, in the form of CBAM (Woo et al., 2018); with `residual` x + gated x."""

    def __init__(self, channels: int, residual: bool) -> None:
        super().__init__()
        self.residual = residual
        hidden = channels // REDUCTION
        self.M = nn.Sequential(
            nn.Linear(channels, hidden, bias=False), nn.ReLU(inplace=True), nn.Linear(hidden, channels, bias=False)
        )
        self.place = SameConv2d(2, 1, GATE_KERNEL, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        y = x * (self.M(x.mean((2, 3))) + self.M(x.amax((2, 3)))).sigmoid()[:, :, None, None]
        y = y * self.place(torch.cat([y.mean(1, keepdim=True), y.amax(1, keepdim=True)], 1)).sigmoid()
        return x + y if self.residual else y


class PerLevel(nn.Module):
    """A module for each of some levels, or one that all share."""

    def __init__(self, build: Callable[[], nn.Module], levels: int, shared: bool) -> None:
        super().__init__()
        self.owned = nn.ModuleList(build() for _ in range(1 if shared else levels))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Each level's map (N, C, H_i, W_i) through its module."""
        owned = list(self.owned) if len(self.owned) > 1 else [self.owned[0]] * len(maps)
        return [module(x) for module, x in zip(owned, maps, strict=True)]
