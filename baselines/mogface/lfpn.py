"""LFPN: the pyramid of MogFace, from C2..C5 to P2..P7 (specification 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import interpolate

from baselines.mogface.initialise import convolution


class LFPN(nn.Module):
    """Running sums from P5 downwards, each smoothed once; P6 and P7 from two further maps of the trunk.

    trunk_channels: those of C2 to C5. channels: of every output; the two further maps have twice as many and as many.
    """

    def __init__(self, trunk_channels: Sequence[int], channels: int, std: float) -> None:
        super().__init__()
        c5 = trunk_channels[-1]
        self.c6 = _further(c5, 2 * channels, 2 * channels, std)
        self.c7 = _further(2 * channels, channels // 2, channels, std)
        self.laterals = nn.ModuleList(convolution(own, channels, std, side=1) for own in trunk_channels[:3])
        self.tops = nn.ModuleList(convolution(own, channels, std) for own in (c5, 2 * channels, channels))
        self.smooth = nn.ModuleList(convolution(channels, channels, std) for _ in range(3))

    def forward(self, trunk: Sequence[Tensor]) -> list[Tensor]:
        """P2..P7, each (B, channels, H, W) with the size of its level by halving, rounded up."""
        c6 = self.c6(trunk[-1])
        c7 = self.c7(c6)
        p5, p6, p7 = (top(map_) for top, map_ in zip(self.tops, (trunk[-1], c6, c7), strict=True))
        total, fine = p5, []
        for level in (2, 1, 0):
            lateral = self.laterals[level](trunk[level])
            total = doubled(total, lateral) + lateral
            fine.append(self.smooth[level](total))
        return [*reversed(fine), p5, p6, p7]


def _further(before: int, middle: int, after: int, std: float) -> nn.Sequential:
    """One level up: 1x1, then 3x3 with stride 2, each with batch norm and ReLU."""
    return nn.Sequential(
        convolution(before, middle, std, side=1),
        nn.BatchNorm2d(middle),
        nn.ReLU(inplace=True),
        convolution(middle, after, std, stride=2),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


def doubled(coarse: Tensor, fine: Tensor) -> Tensor:
    """The coarse map at twice its size, bilinearly, cropped to the finer map's where that has odd sides."""
    grown = interpolate(coarse, scale_factor=2.0, mode="bilinear", align_corners=False)
    return grown[..., : fine.shape[-2], : fine.shape[-1]]
