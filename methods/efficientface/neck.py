"""SBiFPN, the symmetrically bi-directional pyramid, as reconstructed, and its alternatives (specification, 2.3).

Notation of section 2.3: F the inputs, td the top-down way, bu the bottom-up way, P the outputs; lists begin at level 2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from methods.efficientface.convolutions import SeparableConv, batch_norm, doubled, halved
from methods.efficientface.laterals import Inputs
from methods.efficientface.settings import STRIDES, FusionKind, Neck

LEVELS = len(STRIDES)
FUSION_EPS = 1e-4


class S(nn.Sequential):
    """BN(pw1x1(dw3x3(swish(x))))."""

    def __init__(self, channels: int, momentum: float) -> None:
        super().__init__()
        self.swish = nn.SiLU()
        self.conv = SeparableConv(channels, channels)
        self.bn = batch_norm(channels, momentum)


class Fusion(nn.Module):
    """Weighted sum of maps of one shape, one scalar per map, initially 1; `sum` has no scalars.

    fast_normalised: relu(w) / (sum relu(w) + 1e-4); softmax: exp(w) / sum exp(w).
    """

    def __init__(self, maps: int, kind: FusionKind) -> None:
        super().__init__()
        self.kind = kind
        if kind != "sum":
            self.w = nn.Parameter(torch.ones(maps))

    def shares(self) -> Tensor:
        """(maps,): the factor of each."""
        if self.kind == "softmax":
            return self.w.softmax(0)
        positive = self.w.relu()
        return positive / (positive.sum() + FUSION_EPS)

    def forward(self, *maps: Tensor) -> Tensor:
        """Maps (N, C, H, W) to one."""
        if self.kind != "sum":
            maps = tuple(share * x for share, x in zip(self.shares(), maps, strict=True))
        total = maps[0]
        for x in maps[1:]:
            total = total + x
        return total


class Way(nn.Module):
    """One step per level of a direction: a fusion and, unless `bare`, the S after it."""

    def __init__(self, maps: list[int], channels: int, kind: FusionKind, momentum: float, bare: bool = False) -> None:
        super().__init__()
        self.fusions = nn.ModuleList(Fusion(count, kind) for count in maps)
        self.convs = nn.ModuleList(nn.Identity() if bare else S(channels, momentum) for _ in maps)

    def step(self, place: int, *maps: Tensor) -> Tensor:
        """The level at this place of the direction, from the maps that meet there."""
        return self.convs[place](self.fusions[place](*maps))


class SBiFPN(nn.Module):
    """Both directions run side by side from the same inputs and meet once.

    `sbifpn16` fuses F, td and bu and convolves the result. `sbifpn12` convolves both ways' starts too, and leaves
    P_i = u1 td_i + u2 bu_i as it is.
    """

    def __init__(self, channels: int, kind: FusionKind, momentum: float, meet: bool) -> None:
        super().__init__()
        self.meet = meet
        self.td = Way([2] * (LEVELS - 1), channels, kind, momentum)
        self.bu = Way([2] * (LEVELS - 1), channels, kind, momentum)
        if meet:
            self.fuse = Way([3] * LEVELS, channels, kind, momentum)
        else:
            self.td_start, self.bu_start = S(channels, momentum), S(channels, momentum)
            self.fuse = Way([2] * LEVELS, channels, kind, momentum, bare=True)

    def forward(self, inputs: Inputs) -> list[Tensor]:
        """F2..F7 to P2..P7, each (N, C, H_i, W_i)."""
        F, G = inputs
        td = [F[-1] if self.meet else self.td_start(F[-1])]
        for place, f in enumerate(reversed(F[:-1])):  # td_i = S(w_i1 F_i + w_i2 up2(td_{i+1})), i = 6..2
            td.append(self.td.step(place, f, doubled(td[-1])))
        td.reverse()
        bu = [G[0] if self.meet else self.bu_start(G[0])]
        for place, f in enumerate(G[1:]):  # bu_i = S(v_i1 F_i + v_i2 maxpool3s2(bu_{i-1})), i = 3..7
            bu.append(self.bu.step(place, f, halved(bu[-1])))
        met = zip(F, td, bu, strict=True) if self.meet else zip(td, bu, strict=True)
        return [self.fuse.step(place, *maps) for place, maps in enumerate(met)]


class BiFPN(nn.Module):
    """One cell of EfficientDet (Tan et al., 2020) on six levels: bottom-up runs on the result of top-down."""

    def __init__(self, channels: int, kind: FusionKind, momentum: float) -> None:
        super().__init__()
        self.td = Way([2] * (LEVELS - 1), channels, kind, momentum)
        self.bu = Way([3] * (LEVELS - 2) + [2], channels, kind, momentum)

    def forward(self, inputs: Inputs) -> list[Tensor]:
        """F2..F7 to P2..P7, each (N, C, H_i, W_i)."""
        F, G = inputs
        td = [F[-1]]
        for place, f in enumerate(reversed(F[:-1])):
            td.append(self.td.step(place, f, doubled(td[-1])))
        td.reverse()
        P = [td[0]]
        for place in range(LEVELS - 1):
            level = place + 1
            # The top level has no top-down result of its own.
            way = () if level == LEVELS - 1 else (td[level],)
            P.append(self.bu.step(place, G[level], *way, halved(P[-1])))
        return P


def cell(neck: Neck, channels: int, kind: FusionKind, momentum: float) -> nn.Module:
    """One cell of the neck: `Inputs` to P2..P7."""
    if neck == "bifpn1":
        return BiFPN(channels, kind, momentum)
    return SBiFPN(channels, kind, momentum, meet=neck == "sbifpn16")


class Cells(nn.ModuleList):
    """Cells in sequence: the outputs of one are the inputs of the next."""

    def forward(self, inputs: Inputs) -> list[Tensor]:
        """F2..F7 to P2..P7, each (N, C, H_i, W_i)."""
        for each in self:
            P = each(inputs)
            inputs = Inputs(P, P)
        return P
