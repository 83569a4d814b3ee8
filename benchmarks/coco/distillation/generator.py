"""The block that rebuilds the teacher's map from the student's masked one (specification, 2.2)."""

from __future__ import annotations

from torch import nn


def generator(channels: int) -> nn.Sequential:
    """conv3x3 - ReLU - conv3x3, C -> C, padding 1, with bias: 2 (9 C^2 + C) parameters, PyTorch's initialisation."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, kernel_size=3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, channels, kernel_size=3, padding=1),
    )
