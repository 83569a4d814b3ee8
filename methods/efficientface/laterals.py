"""From C2..C5 to F2..F7: one width for all levels, and two more levels (specification, 2.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from methods.efficientface.convolutions import SameConv2d, batch_norm, halved
from methods.efficientface.settings import ExtraLevels
from methods.efficientface.settings import Laterals as Copies


class Inputs(NamedTuple):
    """What a cell of the neck starts from: F2..F7 for the top-down way and the outputs, and those of the bottom-up way."""

    top_down: list[Tensor]
    bottom_up: list[Tensor]


class Lateral(nn.Sequential):
    """BN(conv(C_i -> C)) with bias."""

    def __init__(self, inputs: int, outputs: int, momentum: float, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv = SameConv2d(inputs, outputs, kernel, stride)
        self.bn = batch_norm(outputs, momentum)


class Laterals(nn.Module):
    """F_i = BN(conv1x1(C_i)), F6 and F7 from C5.

    dual gives C3, C4 and C5 a second copy, which feeds the bottom-up way; levels 2, 6 and 7 share one. conv_pool:
    F6 = maxpool3s2(BN(conv1x1(C5))), F7 = maxpool3s2(F6); conv_stride2: both by BN(conv3x3 of stride 2).
    """

    def __init__(
        self, trunk: Sequence[int], channels: int, copies: Copies, extra: ExtraLevels, momentum: float
    ) -> None:
        super().__init__()
        self.first = nn.ModuleList(Lateral(inputs, channels, momentum) for inputs in trunk)
        second = trunk[1:] if copies == "dual" else ()
        self.second = nn.ModuleList(Lateral(inputs, channels, momentum) for inputs in second)
        self.pools = extra == "conv_pool"
        if self.pools:
            self.sixth = Lateral(trunk[-1], channels, momentum)
        else:
            self.sixth = Lateral(trunk[-1], channels, momentum, kernel=3, stride=2)
            self.seventh = Lateral(channels, channels, momentum, kernel=3, stride=2)

    def forward(self, maps: Sequence[Tensor]) -> Inputs:
        """C2..C5 to F2..F7, each (N, C, H_i, W_i)."""
        first = [lateral(c) for lateral, c in zip(self.first, maps, strict=True)]
        extra = self._extra(maps[-1])
        if not len(self.second):
            return Inputs(first + extra, first + extra)
        second = [lateral(c) for lateral, c in zip(self.second, maps[1:], strict=True)]
        return Inputs(first + extra, [first[0], *second, *extra])

    def _extra(self, c5: Tensor) -> list[Tensor]:
        if self.pools:
            f6 = halved(self.sixth(c5))
            return [f6, halved(f6)]
        f6 = self.sixth(c5)
        return [f6, self.seventh(f6)]
