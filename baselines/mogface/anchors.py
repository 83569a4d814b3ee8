"""Anchors, box codes and corners (specification 3.3): one square per cell, corners inclusive as the released code has them.

A box with inclusive corners (x1, y1, x2, y2) is x2 - x1 + 1 pixels wide. Everywhere else in this suite corners are exclusive.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from baselines.mogface.settings import STRIDES

SIDE_PER_STRIDE = 4


def grid_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """(rows, columns) of P2 to P7 for an image in pixels, by repeated halving, rounded up."""
    sizes = []
    for level in range(len(STRIDES) + 1):
        height, width = -(-height // 2), -(-width // 2)
        if level:
            sizes.append((height, width))
    return sizes


def make_anchors(sizes: Sequence[tuple[int, int]], scale: float, device: torch.device | str = "cpu") -> Tensor:
    """Anchors (N, 4) of all levels, the finest first, row by row: side 4 x stride x scale, centres (j + 0.5) x stride."""
    return _anchors(tuple(sizes), scale).to(device)


@lru_cache(maxsize=8)
def _anchors(sizes: tuple[tuple[int, int], ...], scale: float) -> Tensor:
    levels = []
    for (height, width), stride in zip(sizes, STRIDES, strict=True):
        y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
        centre = torch.stack([x, y], -1).reshape(-1, 2) * stride
        reach = (SIDE_PER_STRIDE * stride * scale - 1) / 2
        levels.append(torch.cat([centre - reach, centre + reach], 1))
    return torch.cat(levels)


def inclusive(boxes: Tensor) -> Tensor:
    """(F, 4) with inclusive corners from exclusive ones: negative sizes swapped, faces without width or height dropped."""
    low = torch.minimum(boxes[:, :2], boxes[:, 2:])
    high = torch.maximum(boxes[:, :2], boxes[:, 2:])
    return torch.cat([low, high - 1], 1)[(high > low).all(1)]


def exclusive(boxes: Tensor) -> Tensor:
    """The inverse of `inclusive` for boxes (N, 4) that have a size."""
    return torch.cat([boxes[:, :2], boxes[:, 2:] + 1], 1)


def centres(boxes: Tensor) -> Tensor:
    """(N, 2), x and y."""
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def sides(boxes: Tensor) -> Tensor:
    """(N, 2), width and height."""
    return boxes[:, 2:] - boxes[:, :2] + 1


def encode(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Box codes (N, 4): shift of the centre by the anchor's side, logarithm of the sizes' ratios; no variances."""
    side = sides(anchors)
    return torch.cat([(centres(boxes) - centres(anchors)) / side, torch.log(sides(boxes) / side)], 1)


def decode(codes: Tensor, anchors: Tensor) -> Tensor:
    """The inverse of `encode`."""
    side = sides(anchors)
    centre = codes[:, :2] * side + centres(anchors)
    size = codes[:, 2:].exp() * side
    low = centre - (size - 1) / 2
    return torch.cat([low, low + size - 1], 1)
