"""Non-maximum suppression: greedy, soft, and with the groups it forms.

N boxes as x1, y1, x2, y2; with `offset` 1 a box's width is x2 - x1 + 1 (the pixel convention of mmdet 1.x). Equal scores keep
their order in the input.
"""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.detection.ops.precision import full_precision, widened

BLOCK = 256
"""Boxes that are settled together. Small: boxes that an earlier block suppresses are never compared again."""


def overlaps(first: Tensor, second: Tensor, offset: int = 0) -> Tensor:
    """Intersection over union of each of (M, 4) with each of (N, 4): (M, N). Two boxes without area give NaN."""
    left_top = torch.maximum(first[:, None, :2], second[None, :, :2])
    right_bottom = torch.minimum(first[:, None, 2:], second[None, :, 2:])
    width, height = right_bottom.sub_(left_top).add_(offset).clamp_(min=0).unbind(-1)
    intersection = width * height
    union = (_areas(first, offset)[:, None] + _areas(second, offset)[None]).sub_(intersection)
    return intersection.div_(union)


def _areas(boxes: Tensor, offset: int) -> Tensor:
    return (boxes[:, 2] - boxes[:, 0] + offset) * (boxes[:, 3] - boxes[:, 1] + offset)


@full_precision
def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int = 0) -> Tensor:
    """Indices (K,) of the boxes kept, by falling score: a box goes when a kept one overlaps it by more than the threshold."""
    waiting = scores.argsort(descending=True, stable=True)
    kept = [waiting[:0]]
    while len(waiting):
        sorted_boxes = widened(boxes[waiting])
        over = overlaps(sorted_boxes[:BLOCK], sorted_boxes, offset) > iou_threshold
        keep = _greedy(over[:, : len(over)].triu(1))
        kept.append(waiting[:BLOCK][keep])
        waiting = waiting[BLOCK:][~over[keep, BLOCK:].any(0)]
    return torch.cat(kept)


def _greedy(over: Tensor) -> Tensor:
    """The boxes kept, (N,) bool, where `over[i, j]` says that i < j would suppress j.

    They are the one solution of keep[j] = not any(keep[i] and over[i, j]). Iterating settles at least one more box, from
    the front, in each step, so it ends; a step is a matrix operation on any device, which N comparisons in turn are not.
    """
    keep = over.new_ones(len(over))
    while True:
        settled = ~(over & keep[:, None]).any(0)
        if torch.equal(settled, keep):
            return keep
        keep = settled


@full_precision
def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Indices (K,) in the order taken; fills the first K rows of `dets` (N, 5) with boxes and decayed scores.

    Method 0 drops a box that overlaps the one taken by `iou_threshold` or more, 1 multiplies its score by 1 - IoU, 2 multiplies
    every score by exp(-IoU^2 / sigma). Boxes that fall below `min_score` are out (Bodla et al. 2017, section 3).
    """
    places, decayed = widened(boxes), widened(scores).clone()
    waiting = torch.ones_like(decayed, dtype=torch.bool)
    taken: list[int] = []
    while waiting.any():
        best = int(decayed.where(waiting, -torch.inf).argmax())
        dets[len(taken), :4], dets[len(taken), 4] = places[best], decayed[best]
        taken.append(best)
        waiting[best] = False
        decayed *= _decay(overlaps(places[best : best + 1], places, offset)[0], iou_threshold, sigma, method)
        waiting &= decayed >= min_score
    return torch.tensor(taken, dtype=torch.long)


def _decay(iou: Tensor, iou_threshold: float, sigma: float, method: int) -> Tensor:
    if method == 2:
        return torch.exp(-(iou.nan_to_num() ** 2) / sigma)
    lowered = torch.zeros_like(iou) if method == 0 else 1 - iou
    return torch.where(iou >= iou_threshold, lowered, 1.0)


@full_precision
def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """Groups of indices into `dets` (N, 5): a kept box, then those it suppresses (IoU at the threshold or more), by score."""
    order = dets[:, 4].argsort(descending=True, stable=True)
    boxes = widened(dets[order, :4])
    over = overlaps(boxes, boxes) >= iou_threshold
    free = torch.ones_like(order, dtype=torch.bool)
    groups: list[list[int]] = []
    for place in range(len(order)):
        if free[place]:
            free[place] = False
            hit = over[place] & free
            free &= ~hit
            groups.append([int(order[place]), *order[hit].tolist()])
    return groups
