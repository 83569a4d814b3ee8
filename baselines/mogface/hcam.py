"""HCAM: context around predicted faces, and a second classifier that judges the prediction (specification 3.5; D2, D8 of 3.6).

Nothing here remembers earlier iterations: masks and labels are of the present batch, and parameters are the whole state.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from baselines.mogface.initialise import classifier
from baselines.mogface.settings import Defect
from benchmarks.base import RepriseError

RANGES = (3, 5)
"""Sides in cells of the two neighbourhoods of a predicted cell."""

CONTEXT_LEVELS = 4
"""P2 to P5 have context, of C2 to C5; P6 and P7 have none."""


class Second(NamedTuple):
    """Per level: the second classifier's logits (B, 1, H, W), and the cells predicted by the first, bool of the same shape."""

    logits: list[Tensor]
    predicted: list[Tensor]


class HCAM(nn.Module):
    """The second classifier on P_i + mask_3 ctx_3 + mask_5 ctx_5; trunk_channels: those of C2 to C5.

    Its context convolutions keep the framework's initialisation.
    """

    def __init__(self, trunk_channels: Sequence[int], channels: int, levels: int, std: float, clamp: Defect) -> None:
        super().__init__()
        self.clamp = clamp
        self.reduce = nn.ModuleList(nn.Conv2d(own, channels, 1) for own in trunk_channels)
        self.near = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in trunk_channels)
        self.far = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in trunk_channels)
        self.classify = nn.ModuleList(classifier(channels, std) for _ in range(levels))

    def forward(
        self, trunk: Sequence[Tensor], pyramid: Sequence[Tensor], first: Sequence[Tensor], score: float
    ) -> Second:
        """From C2..C5, P2..P7 and the first classifier's logits; a cell is predicted where its probability exceeds `score`."""
        predicted = [logit.detach().sigmoid() > score for logit in first]
        logits = []
        for level, classify in enumerate(self.classify):
            features = pyramid[level]
            if level < CONTEXT_LEVELS:
                reduced = self.reduce[level](trunk[level])
                for side, convolution in zip(RANGES, (self.near[level], self.far[level]), strict=True):
                    mask = dilated(predicted[level], side, self.clamp)
                    features = features + mask.to(features.dtype) * convolution(reduced)
            logits.append(classify(features))
        return Second(logits, predicted)


def dilated(mask: Tensor, side: int, clamp: Defect = "fixed") -> Tensor:
    """A mask (B, 1, H, W) grown to the side x side cells around each of its cells, cut at the border.

    Raises RepriseError where clamp is `released` and a neighbourhood leaves the map on the right or below: that code then
    writes to row H or column W, which do not exist.
    """
    reach = side // 2
    if clamp == "released" and (mask[..., -reach:, :].any() or mask[..., -reach:].any()):
        raise RepriseError(
            f"hcam_clamp is 'released': a predicted cell lies within {reach} of the border of a {mask.shape[-2]} x "
            f"{mask.shape[-1]} map, and the released index leaves the map there; use 'fixed'"
        )
    return max_pool2d(mask.float(), side, stride=1, padding=reach) > 0


def second_labels(predicted: Tensor, positive: Tensor) -> Tensor:
    """1 where predicted and positive, 0 where predicted and negative, -1 (ignored) where not predicted; any equal shapes."""
    return torch.where(predicted, positive.long(), -1)


def judged_scores(
    first: Tensor, second: Tensor, predicted: Tensor, branch: Literal["fixed", "product", "released"]
) -> Tensor:
    """Probabilities for the test from the logits of both classifiers: the second's, or both's product, on predicted cells.

    `released`: the first's alone (D2). Elsewhere the first's (reconstructed).
    """
    if branch == "released":
        return first.sigmoid()
    judged = second.sigmoid() * first.sigmoid() if branch == "product" else second.sigmoid()
    return torch.where(predicted, judged, first.sigmoid())
