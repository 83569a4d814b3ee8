"""Which anchor learns which face (specification 3.3): IoU of at least 0.35, and no face is left without an anchor."""

from __future__ import annotations

import torch
from torch import Tensor

POSITIVE_IOU = 0.35
NEGATIVE = -1
"""The face of an anchor that learns none. There is no ignored band."""

_FACES_AT_ONCE = 16
"""Keeps the table of overlaps small on crowded pictures."""


def overlap(first: Tensor, second: Tensor) -> Tensor:
    """IoU (F, N) of (F, 4) with (N, 4), sides taken as x2 - x1 **without** + 1: the released code's rule for matching."""
    left, top, right, bottom = first.t()[:, :, None]
    shared = torch.minimum(right, second[:, 2]).sub_(torch.maximum(left, second[:, 0])).clamp_(min=0)
    height = torch.minimum(bottom, second[:, 3]).sub_(torch.maximum(top, second[:, 1])).clamp_(min=0)
    shared.mul_(height)
    union = (_area(first)[:, None] + _area(second)).sub_(shared)
    return shared.div_(union)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def match(faces: Tensor, anchors: Tensor) -> Tensor:
    """The face of each anchor, (N,) as a place in `faces` (F, 4), or NEGATIVE.

    An anchor learns the face that it overlaps most, from 0.35 on (the first of equals). Besides, each face's best anchor (the
    first of equals) learns that face; where faces share it, the last one has it. A face that no anchor overlaps has none.
    """
    best = anchors.new_full((len(anchors),), -1.0)
    face_of = torch.full((len(anchors),), NEGATIVE, dtype=torch.int64, device=anchors.device)
    rescued: list[tuple[int, int]] = []
    for start in range(0, len(faces), _FACES_AT_ONCE):
        table = overlap(faces[start : start + _FACES_AT_ONCE], anchors)
        value, face = table.max(0)
        better = value > best
        best = torch.where(better, value, best)
        face_of = torch.where(better, face + start, face_of)
        value, anchor = table.max(1)
        rows = zip(value.tolist(), anchor.tolist(), strict=True)
        rescued += [(place, start + row) for row, (iou, place) in enumerate(rows) if iou > 0]
    face_of[best < POSITIVE_IOU] = NEGATIVE
    last = dict(rescued)  # a later face replaces an earlier one
    if last:
        places = torch.tensor(list(last.items()), device=anchors.device)
        face_of[places[:, 0]] = places[:, 1]
    return face_of
