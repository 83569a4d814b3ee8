"""What each anchor of an image learns: its match, and what Ali-AMS adds to it (specification 3.3, 3.5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from baselines.mogface.ali_ams import Switches, recruit
from baselines.mogface.anchors import encode
from baselines.mogface.matching import match


class Targets(NamedTuple):
    """Per anchor of one image: whether it is positive (N,), by Ali-AMS's choice (N,), and the face it learns (N, 4).

    Faces have inclusive corners; a negative anchor stands for itself.
    """

    positive: Tensor
    recruited: Tensor
    boxes: Tensor

    def codes(self, anchors: Tensor) -> Tensor:
        """Box codes (P, 4) of the positives, in the anchors' order."""
        return encode(self.boxes[self.positive], anchors[self.positive])


@torch.no_grad()
def make_targets(
    faces: Tensor, anchors: Tensor, scores: Tensor, sizes: Sequence[tuple[int, int]], ams: Switches | None
) -> Targets:
    """The targets of one image.

    faces (F, 4) and anchors (N, 4) with inclusive corners; scores (N,) of the class now; sizes: rows and columns of each
    level; ams None: without Ali-AMS.
    """
    face_of = match(faces, anchors)
    positive = face_of >= 0
    boxes = anchors.clone()
    boxes[positive] = faces[face_of[positive]]
    recruited = torch.zeros_like(positive)
    if ams is not None:
        more = recruit(face_of, faces, anchors, scores, sizes, ams)
        boxes[more.anchors] = more.boxes
        recruited[more.anchors] = True
    return Targets(positive | recruited, recruited, boxes)
