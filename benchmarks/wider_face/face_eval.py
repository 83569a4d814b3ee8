"""AP on AFW and PASCAL face: the face-eval protocol of Mathias et al., ECCV 2014, with its rounds of box refinement."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from benchmarks.base import RepriseError
from benchmarks.wider_face.metric import all_point_area

ROUNDS = 5
IOU = 0.5
LEAST_SIDE = 30
"""Pixels. Faces narrower or lower are ignored."""

LEAST_DETECTION = int(np.floor(np.sqrt(0.5 * LEAST_SIDE * LEAST_SIDE)))
"""Pixels. Detections with both sides at most this long are dropped."""


@dataclass(frozen=True)
class FaceEvalTruth:
    """Faces of a set: rows `starts[i]:starts[i + 1]` of `corners` (N, 4; x1, y1, x2, y2) and `ignored` (N,) are image i's."""

    name: str
    images: tuple[str, ...]
    starts: np.ndarray = field(repr=False)
    corners: np.ndarray = field(repr=False)
    ignored: np.ndarray = field(repr=False)
    notes: tuple[str, ...] = ()

    @property
    def counted(self) -> int:
        return int((~self.ignored).sum())


@dataclass(frozen=True)
class FaceEvalDetections:
    """Detections: position of the image (D,), score (D,), corners (D, 4)."""

    image: np.ndarray = field(repr=False)
    scores: np.ndarray = field(repr=False)
    corners: np.ndarray = field(repr=False)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class FaceEvalResult:
    """AP as a fraction after each matching; `precision` and `recall` (D,) of the last, in falling order of scores.

    The protocol's figure is the last. The first, without refinement, compares with no published one.
    """

    rounds: tuple[float, ...]
    precision: np.ndarray = field(repr=False)
    recall: np.ndarray = field(repr=False)
    detections: int

    @property
    def average_precision(self) -> float:
        return self.rounds[-1]


def ignored_faces(corners: np.ndarray, flags: np.ndarray) -> np.ndarray:
    """Which faces (N,) neither reward nor punish: flagged, or below 30 pixels in width or height (x2 - x1, y2 - y1)."""
    sides = corners[:, 2:] - corners[:, :2]
    return (flags == 1) | (sides < LEAST_SIDE).any(axis=1)


def evaluate_face_eval(detections: FaceEvalDetections, truth: FaceEvalTruth, rounds: int = ROUNDS) -> FaceEvalResult:
    """AP after each of `rounds` matchings, with one shift and scale of all boxes between them (protocol, section 11).

    Raises RepriseError where no face counts or no detection is left.
    """
    if not truth.counted:
        raise RepriseError(f"{truth.name}: no face of its ground truth counts; is it the right file?")
    large = (detections.corners[:, 2:] - detections.corners[:, :2] > LEAST_DETECTION).any(axis=1)
    if not large.any():
        raise RepriseError(f"{truth.name}: no detection has a side above {LEAST_DETECTION} pixels, so none is scored")
    order = np.flatnonzero(large)[np.argsort(-detections.scores[large], kind="stable")]
    image, corners = detections.image[order], detections.corners[order].astype(np.float64)
    values = []
    for _ in range(rounds):
        hit = _best_boxes(image, corners, truth)
        true, false = _judged(hit, truth.ignored)
        precision, recall = _points(true, false, truth.counted)
        values.append(all_point_area(recall, precision))
        corners = _refined(corners, truth.corners, np.flatnonzero(true), hit[true])
    return FaceEvalResult(tuple(values), precision, recall, len(order))


def _best_boxes(image: np.ndarray, corners: np.ndarray, truth: FaceEvalTruth) -> np.ndarray:
    """The face (D,) with the largest overlap above one half, -1 where there is none; the last of equals."""
    counts = np.diff(truth.starts)[image]
    rows = np.repeat(np.arange(len(image)), counts)
    columns = (
        np.repeat(truth.starts[image], counts) + np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    )
    value = _overlaps(corners[rows], truth.corners[columns])
    near = value > IOU
    rows, columns, value = rows[near], columns[near], value[near]
    order = np.lexsort((-columns, -value, rows))
    first = np.diff(rows[order], prepend=-1) != 0
    best = np.full(len(image), -1, np.int64)
    best[rows[order][first]] = columns[order][first]
    return best


def _overlaps(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """IoU of paired boxes (P, 4), a pixel added to each side; areas are of absolute side lengths."""
    common = np.minimum(one[:, 2:], other[:, 2:]) - np.maximum(one[:, :2], other[:, :2]) + 1
    shared = np.where((common > 0).all(axis=1), common.prod(axis=1), 0.0)
    areas = [(np.abs(boxes[:, 2:] - boxes[:, :2]) + 1).prod(axis=1) for boxes in (one, other)]
    return shared / (areas[0] + areas[1] - shared)


def _judged(hit: np.ndarray, ignored: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """True and false positives (D,); a hit on an ignored face is neither, the second on a face is false."""
    found = hit >= 0
    counts = found.copy()
    counts[found] = ~ignored[hit[found]]
    where = np.flatnonzero(counts)
    true = np.zeros(len(hit), bool)
    true[where[np.unique(hit[where], return_index=True)[1]]] = True
    return true, (~found) | (counts & ~true)


def _points(true: np.ndarray, false: np.ndarray, counted: int) -> tuple[np.ndarray, np.ndarray]:
    hits, misses = np.cumsum(true), np.cumsum(false)
    return hits / np.maximum(hits + misses, 1), hits / counted


def _refined(corners: np.ndarray, faces: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """All boxes, shifted and scaled by the means over the true positives `rows` and their faces `columns`."""
    if not len(rows):
        return corners
    centres, sides = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
    goal, goal_sides = (faces[columns, :2] + faces[columns, 2:]) / 2, faces[columns, 2:] - faces[columns, :2]
    shift = ((goal - centres[rows]) / sides[rows]).mean(axis=0)
    scale = (goal_sides / sides[rows]).mean(axis=0)
    centres, sides = centres + shift * sides, scale * sides
    return np.hstack([centres - sides / 2, centres + sides / 2])
