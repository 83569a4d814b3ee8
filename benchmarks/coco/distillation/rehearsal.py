"""Random maps of one level with boxes: what a level's loss sees, without a detector. Tests and timings use it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.coco.distillation.contract import BatchContext


class Rehearsal(NamedTuple):
    """Maps fs (N, Cs, H, W), ft (N, Ct, H, W) and their context."""

    fs: Tensor
    ft: Tensor
    context: BatchContext


def rehearse(
    images: int = 2,
    student_channels: int = 6,
    teacher_channels: int = 6,
    size: tuple[int, int] = (10, 16),
    stride: int = 8,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    iteration: int = 0,
) -> Rehearsal:
    """Gaussian maps whose channels differ in strength and mean; 0 to 4 boxes per image, none in every third (from the second).

    Images fill the padded batch in height, and all but their last `stride` columns in width.
    """
    draw = torch.Generator().manual_seed(seed)
    height, width = size[0] * stride, size[1] * stride
    filled = max(stride, width - stride)

    def features(channels: int) -> Tensor:
        strength = 0.5 + 1.5 * torch.rand(1, channels, 1, 1, generator=draw, dtype=torch.float64)
        mean = torch.randn(1, channels, 1, 1, generator=draw, dtype=torch.float64)
        noise = torch.randn(images, channels, *size, generator=draw, dtype=torch.float64)
        return (mean + strength * noise).to(dtype)

    def boxes(image: int) -> Tensor:
        count = 0 if image % 3 == 1 else int(torch.randint(1, 5, (), generator=draw))
        ends = torch.rand(count, 2, 2, generator=draw).sort(1).values
        return (ends * torch.tensor([float(filled), float(height)])).reshape(-1, 4)

    maps = features(student_channels), features(teacher_channels)
    shapes = [(height, filled)] * images
    return Rehearsal(
        *maps, BatchContext([boxes(image) for image in range(images)], shapes, (height, width), 0, 0, iteration)
    )
