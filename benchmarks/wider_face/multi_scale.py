"""The passes of the multi-scale tests and the voting over their boxes (face methods, section 3.7). Numbers alone, no network.

Boxes have exclusive corners; areas are in original pixels.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float64]
Kind = Literal["ms", "ms_hard"]

LARGEST_AREA = 0x7FFFFFFF / 200
"""Pixels above which a picture is shrunk, even in a test at its original size: 10.7 million."""

KEPT_BOXES = 750


class Constants(NamedTuple):
    """What differs between the two settings: the areas' factor k, the largest scale, the IoUs of voting and of suppression."""

    k: float
    largest: float
    vote_iou: float
    nms_iou: float


CONSTANTS: dict[Kind, Constants] = {"ms": Constants(15, 2.6, 0.6, 0.3), "ms_hard": Constants(10, 2.3, 0.5, 0.4)}


class Pass(NamedTuple):
    """One look at a picture: its scale, whether mirrored, and which boxes count: those with area in (above, below)."""

    scale: float
    flip: bool = False
    above: float = -math.inf
    below: float = math.inf

    def keeps(self, boxes: Boxes) -> NDArray[np.bool_]:
        """Which boxes (N, 4) of the pass count, in pixels of the original picture; area by (x2 - x1)(y2 - y1) as inclusive."""
        area = (boxes[:, 2] - boxes[:, 0] - 1) * (boxes[:, 3] - boxes[:, 1] - 1)
        return (area > self.above) & (area < self.below)


def original_scale(height: int, width: int) -> float:
    """The scale of a test at original size: 1, or less for pictures above 10.7 million pixels."""
    return min(1.0, math.sqrt(LARGEST_AREA / (height * width)))


def largest_scale(height: int, width: int, kind: Kind) -> float:
    """The setting's largest scale, or what brings the picture to 10.7 million pixels where that is at most 2.2."""
    fits = math.sqrt(LARGEST_AREA / (height * width))
    return fits if fits <= 2.2 else CONSTANTS[kind].largest


def passes(height: int, width: int, kind: Kind) -> list[Pass]:
    """The passes of a picture, in the order of the specification's table."""
    k = CONSTANTS[kind].k
    most = largest_scale(height, width, kind)
    half = 0.5 * most if most < 0.75 else 0.5
    found = [Pass(min(1.0, most)), Pass(min(1.0, most), flip=True), Pass(0.25, above=2000.0), Pass(half, above=2000.0)]
    if most >= 0.75:
        found.append(Pass(0.75, above=2000.0))
    if most >= 1.25:
        found.append(Pass(1.25, below=2000.0 * k))
    if most > 1.5:
        found.append(Pass(1.5, below=800.0 * k))
    if most >= 1.75:
        found.append(Pass(1.75, below=1000.0 * k))
    found.append(Pass(min(2.0, most) if most > 1 else (half + most) / 2, below=600.0 * k))
    if most >= 2.25:
        found.append(Pass(2.25, below=600.0 * k))
    if most > 2:
        found.append(Pass(most, below=500.0 * k))
    if kind == "ms_hard":
        found.append(Pass(1.4, flip=True))
    return found


def unflipped(boxes: Boxes, width: float) -> Boxes:
    """Boxes (N, 4) of a mirrored pass in the picture as it is."""
    return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1)


def vote(
    boxes: Boxes, scores: NDArray[np.float64], height: int, width: int, kind: Kind
) -> tuple[Boxes, NDArray[np.float64]]:
    """Boxes (M, 4) and scores (M,) after voting, the best first, at most 750, in whole pixels of a picture (height, width).

    Coordinates are rounded. The best box gathers all that overlap it by the setting's IoU or more (taken without + 1 on
    inclusive corners, as in the released code); their mean, weighted by the scores, has the best score. Single boxes stay.
    """
    order = np.argsort(-scores, kind="stable")
    waiting, weights = np.round(boxes[order]), scores[order]
    found: list[NDArray[np.float64]] = []
    values: list[float] = []
    while len(waiting) and len(found) < KEPT_BOXES:
        group = _overlap(waiting[0], waiting) >= CONSTANTS[kind].vote_iou
        group[0] = True  # a box of one pixel has no area without + 1
        found.append((waiting[group] * weights[group, None]).sum(0) / weights[group].sum())
        values.append(float(weights[0]))
        waiting, weights = waiting[~group], weights[~group]
    merged = np.array(found, np.float64).reshape(-1, 4)
    clipped: Boxes = np.clip(merged, 0.0, np.array([width, height] * 2, np.float64))
    return np.round(clipped), np.array(values, np.float64)


def _overlap(box: NDArray[np.float64], others: Boxes) -> NDArray[np.float64]:
    """IoU (N,) of a box with others, their sides taken one pixel shorter than they are."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:]) - 1
    shared = np.clip(high - low, 0, None).prod(1)
    areas = (others[:, 2:] - others[:, :2] - 1).prod(1)
    union = areas + (box[2:] - box[:2] - 1).prod() - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
