"""Easy, Medium and Hard for sets other than WIDER FACE's own, by a surrogate that is named wherever its figures are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmarks.wider_face.annotations import FaceImage

SURROGATE = "height-blur-occlusion surrogate"
"""WIDER's subsets come from how many faces a proposal method recalls, which no other set can repeat (protocol, section 1)."""

LEAST_HEIGHT = {"easy": 34, "medium": 16, "hard": 9}
"""Pixels; the least height of a face that WIDER FACE keeps in each subset."""

_HEAVY = 2


def surrogate_subsets(image: FaceImage) -> Mapping[str, np.ndarray]:
    """Subset -> the faces that count, (N,) bool; needs all attributes.

    Hard: valid and at least 9 px high. Medium: of these, at least 16 px and not heavily occluded and heavily blurred at once.
    Easy: of these, at least 34 px and neither heavily occluded nor heavily blurred.
    """
    valid = (image.attribute("invalid") == 0) & ~image.degenerate
    occluded, blurred = image.attribute("occlusion") == _HEAVY, image.attribute("blur") == _HEAVY
    tall = {name: valid & (image.boxes[:, 3] >= least) for name, least in LEAST_HEIGHT.items()}
    return {
        "easy": tall["easy"] & ~occluded & ~blurred,
        "medium": tall["medium"] & ~(occluded & blurred),
        "hard": tall["hard"],
    }
