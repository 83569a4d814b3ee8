"""The box and the class subnet (specification, 2.4): convolutions for all levels in common, BN for each level."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from methods.efficientface.convolutions import SeparableConv, batch_norm

PRIOR_BIAS = -math.log(99.0)
"""Makes every anchor a face with probability 0.01 at the start."""


class Head(nn.Module):
    """Separable convolutions C -> C, each with its level's BN and swish, and a separable one to `values` per anchor.

    norms: sets of BN, one per level or one for all. entrance: a module before the first, or none.
    """

    def __init__(
        self,
        channels: int,
        layers: int,
        anchors: int,
        values: int,
        norms: int,
        momentum: float,
        entrance: nn.Module | None,
    ) -> None:
        super().__init__()
        self.values = values
        self.entrance = nn.Identity() if entrance is None else entrance
        self.convs = nn.ModuleList(SeparableConv(channels, channels) for _ in range(layers))
        self.norms = nn.ModuleList(
            nn.ModuleList(batch_norm(channels, momentum) for _ in range(layers)) for _ in range(norms)
        )
        self.predict = SeparableConv(channels, anchors * values)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps (N, C, H_i, W_i), level 2 first, to (N, K, values): levels in order, row by row, a place's anchors together."""
        return torch.cat([self._level(level, x) for level, x in enumerate(maps)], 1)

    def _level(self, level: int, x: Tensor) -> Tensor:
        x = self.entrance(x)
        norms = self.norms[level % len(self.norms)]
        for conv, norm in zip(self.convs, norms.children(), strict=True):
            x = silu(norm(conv(x)))
        return self.predict(x).permute(0, 2, 3, 1).reshape(len(x), -1, self.values)
