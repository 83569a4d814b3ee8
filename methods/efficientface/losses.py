"""Class and box loss of a batch (specification, 2.8). B images, K anchors each; everything in float32 at least."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, smooth_l1_loss

from methods.efficientface.anchors import decode, encode
from methods.efficientface.matching import IGNORED
from methods.efficientface.settings import LocLoss

ALPHA = 0.25
GAMMA = 2.0
BETA = 1.0 / 9.0
MEAN_WEIGHT = 50.0
SUM_WEIGHT = 2.0
GIOU_WEIGHT = 2.0


def focal(logits: Tensor, positive: Tensor) -> Tensor:
    """Focal loss per anchor (Lin et al., 2017): logits (K,), positive (K,) bool."""
    sign = torch.where(positive, 1.0, -1.0).to(logits.dtype)
    weight = torch.where(positive, ALPHA, 1.0 - ALPHA).to(logits.dtype)
    return -weight * (-sign * logits).sigmoid().pow(GAMMA) * logsigmoid(sign * logits)


def class_loss(logits: Tensor, owners: Sequence[Tensor]) -> Tensor:
    """Sum over the anchors not ignored / max(1, positives) per image, mean over images; logits (B, K), owners B x (K,)."""
    terms = []
    for scores, owner in zip(logits, owners, strict=True):
        positive = owner >= 0
        each = focal(scores, positive)
        terms.append(each[owner != IGNORED].sum() / positive.sum().clamp(min=1))
    return torch.stack(terms).mean()


def box_loss(
    codes: Tensor, owners: Sequence[Tensor], faces: Sequence[Tensor], anchors: Tensor, kind: LocLoss
) -> Tensor:
    """codes (B, K, 4), owners B x (K,), faces B x (G, 4), anchors (K, 4).

    `smoothl1_mean_x50`: mean over positives and coordinates per image, mean over images, times 50. `smoothl1_sum_x2`: sum over
    the batch / max(B, positives), times 2. `giou`: 2 (1 - GIoU), mean over positives per image, mean over images. An image
    without positives counts 0.
    """
    sums, counts = [], []
    for code, owner, boxes in zip(codes, owners, faces, strict=True):
        positive = owner >= 0
        beside, truth = anchors[positive], boxes[owner[positive]]
        sums.append(_box_terms(code[positive], truth, beside, kind).sum())
        counts.append(positive.sum())
    total, count = torch.stack(sums), torch.stack(counts)
    if kind == "smoothl1_sum_x2":
        return SUM_WEIGHT * total.sum() / count.sum().clamp(min=len(codes))
    each = (total / count.clamp(min=1)).mean()
    return GIOU_WEIGHT * each if kind == "giou" else MEAN_WEIGHT * each / 4


def _box_terms(code: Tensor, truth: Tensor, beside: Tensor, kind: LocLoss) -> Tensor:
    if kind == "giou":
        return 1.0 - giou(decode(code, beside), truth)
    return smooth_l1_loss(code, encode(truth, beside), beta=BETA, reduction="none")


def giou(first: Tensor, second: Tensor) -> Tensor:
    """(P,) generalised intersection over union (Rezatofighi et al., 2019) of boxes (P, 4) with areas above 0."""
    inner = (torch.minimum(first[:, 2:], second[:, 2:]) - torch.maximum(first[:, :2], second[:, :2])).clamp(min=0)
    outer = torch.maximum(first[:, 2:], second[:, 2:]) - torch.minimum(first[:, :2], second[:, :2])
    shared, hull = inner.prod(1), outer.prod(1)
    union = (first[:, 2:] - first[:, :2]).prod(1) + (second[:, 2:] - second[:, :2]).prod(1) - shared
    return shared / union - (hull - union) / hull
