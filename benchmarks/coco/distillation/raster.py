"""Boxes as cells of a feature map (specification, 2.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from benchmarks.coco.distillation.contract import BatchContext

BoxScale = Literal["img_shape", "batch_input_shape"]
"""What the map is taken to cover: the image before padding (the published rule) or the padded batch."""


def foreground(boxes: Sequence[Tensor], context: BatchContext, size: tuple[int, int], box_scale: BoxScale) -> Tensor:
    """fg (N, H, W), float32, on the boxes' device: 1 / (cells of the box), the larger value where boxes overlap, else 0.

    boxes: per image (n, 4). Both ends of a box count as inside; cells beyond the map are cut without correcting the value.
    """
    covered = context.img_shapes if box_scale == "img_shape" else [context.batch_input_shape] * len(boxes)
    flat, (height, width) = torch.cat(list(boxes)).to(torch.float32), size
    image = torch.arange(len(boxes)).repeat_interleave(torch.tensor([len(found) for found in boxes])).to(flat.device)
    # A tensor as divisor: CUDA turns a division by a number into a product with its rounded reciprocal, and then boxes that
    # end at the image's border reach one cell too far.
    sides = torch.tensor([(w, h) for h, w in covered], dtype=torch.float32, device=flat.device)[image]
    corners = flat.view(-1, 2, 2) / sides[:, None] * torch.tensor([width, height], device=flat.device)
    low, high = corners[:, 0].floor().clamp(min=0.0), corners[:, 1].ceil().clamp(min=0.0)
    value = 1.0 / (high + 1.0 - low).prod(1)
    inside = _between(low[:, 1], high[:, 1], height)[:, :, None] & _between(low[:, 0], high[:, 0], width)[:, None, :]
    marked = torch.where(inside, value[:, None, None], 0.0)
    fg = torch.zeros(len(boxes), height, width, device=flat.device)
    return fg.scatter_reduce_(0, image[:, None, None].expand_as(marked), marked, "amax")


def _between(low: Tensor, high: Tensor, cells: int) -> Tensor:
    """(boxes, cells), boolean: cells from low to high, both ends included."""
    cell = torch.arange(cells, device=low.device)
    return (cell >= low[:, None]) & (cell <= high[:, None])


def background(fg: Tensor) -> Tensor:
    """bg (N, H, W): equal values where fg is 0, summing to 1 per image; 0 everywhere where fg covers the map."""
    outside = (fg == 0).to(fg.dtype)
    return outside / outside.sum((1, 2), keepdim=True).clamp(min=1.0)
