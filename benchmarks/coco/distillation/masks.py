"""Masks and their randomness (specification, 1.4 and 3.3). Everywhere: 1 is visible, 0 hidden."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from benchmarks.coco.distillation.contract import BatchContext

MaskRng = Literal["own", "global"]
"""`own`: each mask has its own generator; `global`: torch's default CPU generator, as the published code."""

SPATIAL, CHANNEL = 0, 1
"""Branches: masks over positions and over channels have different draws."""


def mask_seed(seed: int, rank: int, iteration: int, stride: int, branch: int) -> int:
    """63 bits of SHA-256 over the tuple, so that neighbouring tuples have unrelated draws and a resumed run repeats its own."""
    text = f"mask/{seed}/{rank}/{iteration}/{stride}/{branch}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def random_mask(
    ratio: float, shape: Sequence[int], like: Tensor, rng: MaskRng, context: BatchContext, stride: int, branch: int
) -> Tensor:
    """M = 1[u <= 1 - ratio], u ~ U[0, 1) of `shape`, with dtype and device of `like`. Ratio 0 draws nothing."""
    if ratio == 0.0:
        return torch.ones(tuple(shape), dtype=like.dtype, device=like.device)
    generator = None
    if rng == "own":
        generator = torch.Generator()
        generator.manual_seed(mask_seed(context.seed, context.rank, context.iteration, stride, branch))
    u = torch.rand(tuple(shape), generator=generator)
    return (u <= 1.0 - ratio).to(like.device, like.dtype)


def hidden_count(ratio: float, entries: int) -> int:
    """k = floor(ratio K + 1/2): halves go up, unlike Python's round."""
    return math.floor(ratio * entries + 0.5)


def topk_mask(score: Tensor, ratio: float, important: bool) -> Tensor:
    """Hide exactly k entries per image, those of highest score (important) or lowest; (N, ...) as score.

    Among equal scores the smaller flat index is hidden first.
    """
    flat = score.flatten(1)
    order = flat.sort(dim=1, descending=important, stable=True).indices[:, : hidden_count(ratio, flat.shape[1])]
    return torch.ones_like(flat).scatter_(1, order, 0.0).view_as(score)


def threshold_mask(attention: Tensor, theta: float, important: bool) -> Tensor:
    """Hide entries whose attention is above theta (important) or below; the mean attention is 1."""
    hidden = attention > theta if important else attention < theta
    return (~hidden).to(attention.dtype)
