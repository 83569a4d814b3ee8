"""How MogFace's layers outside the trunk start (specification 3.2)."""

from __future__ import annotations

import math

from torch import nn

PRIOR = 99.0
"""A class bias of -log(99) gives every anchor a probability of 0.01."""


def normal(module: nn.Module, std: float) -> None:
    """Every convolution below `module` from N(0, std^2) without bias; norms stay at 1 and 0."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.normal_(part.weight, std=std)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def convolution(before: int, after: int, std: float, side: int = 3, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    """A convolution with bias that keeps the size at stride 1."""
    made = nn.Conv2d(before, after, side, stride, padding=dilation * (side // 2), dilation=dilation)
    normal(made, std)
    return made


def classifier(channels: int, std: float) -> nn.Conv2d:
    """A 3x3 convolution to one logit, rare at first."""
    made = convolution(channels, 1, std)
    assert made.bias is not None
    nn.init.constant_(made.bias, -math.log(PRIOR))
    return made
