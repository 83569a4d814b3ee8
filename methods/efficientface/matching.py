"""Which anchors are faces (specification, 2.8): by intersection over union, without +1."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from methods.efficientface.settings import Match

BACKGROUND = -1
IGNORED = -2

CHUNK = 64
"""Faces compared with all anchors at once: a crowd of 2,000 would take gigabytes otherwise."""


class Rule(NamedTuple):
    """positive: the least overlap of a face's anchor. negative: anchors below it are background; between both, ignored.

    rescue: the best anchor of a face is its own, however small the overlap; where two faces share one, the last has it.
    """

    positive: float
    negative: float
    rescue: bool


RULES: dict[Match, Rule] = {
    "iou035_rescue": Rule(0.35, 0.35, True),
    "iou040_050": Rule(0.5, 0.4, False),
}


def match(faces: Tensor, anchors: Tensor, rule: Rule) -> Tensor:
    """(K,) the face of each anchor (its place among `faces`), BACKGROUND or IGNORED; faces (G, 4), anchors (K, 4).

    An anchor that two faces overlap equally belongs to the first; of anchors equally good for a face the first counts. A face
    that touches no anchor has none.
    """
    best = anchors.new_zeros(len(anchors))
    owner = torch.full((len(anchors),), BACKGROUND, device=anchors.device)
    tops: list[Tensor] = []
    for start in range(0, len(faces), CHUNK):
        overlap = _overlaps(faces[start : start + CHUNK], anchors)
        value, face = overlap.max(0)
        better = value > best
        best = torch.where(better, value, best)
        owner = torch.where(better, face + start, owner)
        tops.append(torch.stack([part.double() for part in overlap.max(1)], 1))
    found = torch.full_like(owner, IGNORED)
    found[best < rule.negative] = BACKGROUND
    positive = best >= rule.positive
    found[positive] = owner[positive]
    return _rescued(found, torch.cat(tops)) if rule.rescue and tops else found


def _rescued(found: Tensor, tops: Tensor) -> Tensor:
    """tops (G, 2): overlap and place of each face's best anchor. Where faces clash, the greatest place among the faces wins."""
    touched = tops[:, 0] > 0
    faces = touched.nonzero()[:, 0]
    claims = torch.full_like(found, BACKGROUND)
    claims.scatter_reduce_(0, tops[touched, 1].long(), faces, "amax")
    return torch.where(claims >= 0, claims, found)


def _overlaps(faces: Tensor, anchors: Tensor) -> Tensor:
    """(G, K) intersection over union; areas are above 0."""
    corner = torch.maximum(faces[:, None, :2], anchors[None, :, :2])
    other = torch.minimum(faces[:, None, 2:], anchors[None, :, 2:])
    shared = (other - corner).clamp_(min=0).prod(-1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(-1) for boxes in (faces, anchors)]
    return shared / (areas[0][:, None] + areas[1][None] - shared)
