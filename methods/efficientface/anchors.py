"""Anchors of every place of every level, and the code of a box beside an anchor (specification, 2.4).

Boxes are x1, y1, x2, y2 in pixels with exclusive right and lower edges: a width is x2 - x1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from benchmarks.base import RepriseError
from methods.efficientface.settings import DIVISOR, STRIDES

LARGEST_RATIO = 1000.0 / 16.0
"""A decoded side is at most this many times the anchor's, or its inverse: mmdet's clip, against overflow early in training."""


@lru_cache(maxsize=16)
def anchors(
    height: int, width: int, ratios: tuple[float, ...], scales: tuple[float, ...], device: torch.device
) -> Tensor:
    """(K, 4) anchors of a padded picture: level 2 first, row by row, at each place by ratio, then by scale.

    The one of a place has the area (scale x stride)^2, the ratio height / width, and its centre at (j + 0.5) stride. Raises
    RepriseError for sides that are no multiples of 128.
    """
    check_padded(height, width)
    levels = [_level(height // stride, width // stride, stride, ratios, scales) for stride in STRIDES]
    return torch.cat(levels).float().to(device)


def _level(rows: int, columns: int, stride: int, ratios: Sequence[float], scales: Sequence[float]) -> Tensor:
    """(rows * columns * A, 4) in float64."""
    shapes = [
        (stride * scale / math.sqrt(ratio), stride * scale * math.sqrt(ratio)) for ratio in ratios for scale in scales
    ]
    half = torch.tensor(shapes, dtype=torch.float64) / 2  # (A, 2): width, height
    y = (torch.arange(rows, dtype=torch.float64) + 0.5) * stride
    x = (torch.arange(columns, dtype=torch.float64) + 0.5) * stride
    centres = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1)[:, :, None]  # (rows, columns, 1, 2): x, y
    return torch.cat([centres - half, centres + half], -1).reshape(-1, 4)


def check_padded(height: int, width: int) -> None:
    """Raise RepriseError for a batch whose sides the six levels cannot halve evenly."""
    if height < DIVISOR or width < DIVISOR or height % DIVISOR or width % DIVISOR:
        raise RepriseError(
            f"EfficientFace got a batch of {height} x {width} (h x w); pad both sides to multiples of {DIVISOR}"
        )


def encode(boxes: Tensor, beside: Tensor) -> Tensor:
    """(K, 4) codes: (dx, dy) of the centres over the anchor's sides, log(w / side), log(h / side)."""
    sides = beside[:, 2:] - beside[:, :2]
    shift = (boxes[:, :2] + boxes[:, 2:] - beside[:, :2] - beside[:, 2:]) / 2 / sides
    return torch.cat([shift, ((boxes[:, 2:] - boxes[:, :2]) / sides).log()], 1)


def decode(codes: Tensor, beside: Tensor) -> Tensor:
    """(K, 4) boxes, the inverse of `encode`; sides beyond LARGEST_RATIO of the anchor's are cut."""
    sides = beside[:, 2:] - beside[:, :2]
    limit = math.log(LARGEST_RATIO)
    centres = (beside[:, :2] + beside[:, 2:]) / 2 + codes[:, :2] * sides
    half = sides * codes[:, 2:].clamp(-limit, limit).exp() / 2
    return torch.cat([centres - half, centres + half], 1)
