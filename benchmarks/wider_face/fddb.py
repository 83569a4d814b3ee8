"""The discrete ROC of FDDB: one-to-one matching by largest summed overlap at every score of every image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from benchmarks.base import RepriseError
from benchmarks.wider_face.fddb_shapes import Shape, overlap

IOU = 0.5
FALSE_POSITIVES = 1000


@dataclass(frozen=True)
class ImageFaces:
    """Annotated and detected shapes of an image, and the detections' scores."""

    annotated: Sequence[Shape]
    detected: Sequence[Shape]
    scores: Sequence[float]


@dataclass(frozen=True)
class Roc:
    """True and false positives (K,) over all images at each distinct score, falling; `faces` is the number annotated."""

    scores: np.ndarray = field(repr=False)
    true_positives: np.ndarray = field(repr=False)
    false_positives: np.ndarray = field(repr=False)
    faces: int

    def rate_below(self, false_positives: int = FALSE_POSITIVES) -> tuple[float, int]:
        """The true-positive rate at the largest number of false positives below this one, and that number."""
        below = self.false_positives < false_positives
        if not below.any():
            return 0.0, 0
        most = int(self.false_positives[below].max())
        return float(self.true_positives[self.false_positives == most].max()) / self.faces, most


def discrete_roc(images: Mapping[str, ImageFaces]) -> Roc:
    """The ROC over all images (protocol, section 11); raises RepriseError where nothing is annotated or detected."""
    faces = sum(len(image.annotated) for image in images.values())
    steps = [step for image in images.values() for step in _steps(image)]
    if not faces or not steps:
        raise RepriseError(f"FDDB: there is no {'detection' if faces else 'annotated face'} to score")
    score, true, kept = np.array(steps).T
    levels, place = np.unique(-score, return_inverse=True)
    gained = np.cumsum(np.bincount(place, true))
    everything = np.cumsum(np.bincount(place, kept))
    return Roc(-levels, np.rint(gained).astype(int), np.rint(everything - gained).astype(int), faces)


def _steps(image: ImageFaces) -> list[tuple[float, int, int]]:
    """At each distinct score of an image: the score, how many more true positives, how many more detections."""
    scores = np.array(image.scores, np.float64)
    overlaps = np.array([[overlap(found, face) for face in image.annotated] for found in image.detected])
    overlaps = overlaps.reshape(len(scores), len(image.annotated))
    touches = np.any(overlaps > 0, axis=1)
    steps, before = [], 0
    for level in np.unique(scores)[::-1]:
        here = scores == level
        now = _matched(overlaps[(scores >= level) & touches]) if touches[here].any() else before
        steps.append((float(level), now - before, int(here.sum())))
        before = now
    return steps


def _matched(overlaps: np.ndarray) -> int:
    """True positives of the assignment with the largest summed overlap: (detections, faces) -> pairs above one half."""
    return int((overlaps[linear_sum_assignment(overlaps, maximize=True)] > IOU).sum())
