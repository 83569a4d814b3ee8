"""WIDER FACE's metric in plain loops over the definitions, as an oracle; and the loop of the common Python port, for its cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.wider_face.ground_truth import GroundTruth
from benchmarks.wider_face.predictions import Predictions

Row = Sequence[float]


def half_away(value: float) -> float:
    whole = math.floor(abs(value))
    if abs(value) - whole >= 0.5:
        whole += 1
    return math.copysign(whole, value)


def float_overlap(found: Row, face: Row, plus: float) -> float:
    right, bottom = found[0] + found[2], found[1] + found[3]
    face_right, face_bottom = face[0] + face[2], face[1] + face[3]
    wide = min(right, face_right) - max(found[0], face[0]) + plus
    high = min(bottom, face_bottom) - max(found[1], face[1]) + plus
    if wide <= 0 or high <= 0:
        return 0.0
    own = (right - found[0] + plus) * (bottom - found[1] + plus)
    its = (face_right - face[0] + plus) * (face_bottom - face[1] + plus)
    return wide * high / (own + its - wide * high)


def int32_overlap(found: Row, face: Row, plus: float) -> float:
    right, bottom = found[0] + found[2], found[1] + found[3]
    face_right, face_bottom = face[0] + face[2], face[1] + face[3]
    wide = half_away(min(right, face_right)) - half_away(max(found[0], face[0])) + plus
    high = half_away(min(bottom, face_bottom)) - half_away(max(found[1], face[1])) + plus
    if wide <= 0 or high <= 0:
        return 0.0
    own = (right - found[0] + plus) * (bottom - found[1] + plus)
    its = (face_right - face[0] + plus) * (face_bottom - face[1] + plus)
    rest = half_away(own + its) - wide * high
    return 2.0**31 - 1 if rest == 0 else half_away(wide * high / rest)


OVERLAPS = {"float": float_overlap, "int32": int32_overlap}


def assigned(predictions: Predictions, truth: GroundTruth, variant: str, plus: float, iou: float) -> list[int]:
    """Each detection's face, -1 for none: the largest overlap among all faces of the image, the first of equals."""
    rows = []
    for image in range(len(truth.images)):
        for found in predictions.of_image(image):
            best, where = 0.0, -1
            for face in range(int(truth.starts[image]), int(truth.starts[image + 1])):
                value = OVERLAPS[variant](found.tolist(), truth.boxes[face].tolist(), plus)
                if value > best:
                    best, where = value, face
            rows.append(where if best >= iou else -1)
    return rows


def average_precision(
    predictions: Predictions,
    truth: GroundTruth,
    variant: str = "float",
    thresholds: int = 1000,
    plus: float = 1.0,
    iou: float = 0.5,
) -> dict[str, float]:
    """AP of each subset by the definitions of sections 3.1 to 3.6, one threshold after the other."""
    scores = predictions.scores.tolist()
    least, most = min(scores), max(scores)
    scores = [(score - least) / (most - least) for score in scores]
    rows = assigned(predictions, truth, variant, plus, iou)
    found = {}
    for subset, kept in truth.kept.items():
        points = []
        for t in range(1, thresholds + 1):
            level = 1 - t / thresholds
            proposals, recalled = 0, set()
            for score, row in zip(scores, rows, strict=True):
                if score >= level and (row < 0 or kept[row]):
                    proposals += 1
                    if row >= 0:
                        recalled.add(row)
            points.append((len(recalled) / int(kept.sum()), len(recalled) / proposals if proposals else 0.0))
        found[subset] = area(points)
    return found


def area(points: Sequence[tuple[float, float]]) -> float:
    """Every step of recall times the best precision at that recall or beyond."""
    total, before = 0.0, 0.0
    for index, (recall, _) in enumerate(points):
        if recall != before:
            total += (recall - before) * max(precision for _, precision in points[index:])
            before = recall
    return total


def port_loop(
    detections: Mapping[str, np.ndarray], truth: GroundTruth, thresholds: int = 1000, iou: float = 0.5
) -> dict[str, float]:
    """What the common Python port does: per subset and image a loop over detections, then one over all thresholds.

    Detections are x, y, w, h, score by image, of normalised scores, best first. Overlaps are vectorised, since the port's
    are compiled.
    """
    found = {}
    for subset, kept in truth.kept.items():
        totals = np.zeros((thresholds, 2))
        for index, image in enumerate(truth.images):
            rows = detections.get(image, np.zeros((0, 5)))
            faces = slice(int(truth.starts[index]), int(truth.starts[index + 1]))
            if len(rows) == 0 or faces.start == faces.stop:
                totals[:, 0] += [(rows[:, 4] >= 1 - t / thresholds).sum() for t in range(1, thresholds + 1)]
                continue
            recalled, proposals = _image(rows, truth.boxes[faces].astype(float), kept[faces], iou)
            for t in range(1, thresholds + 1):
                above = np.where(rows[:, 4] >= 1 - t / thresholds)[0]
                if len(above):
                    last = above[-1]
                    totals[t - 1, 0] += len(np.where(proposals[: last + 1] == 1)[0])
                    totals[t - 1, 1] += recalled[last]
        precision = np.divide(totals[:, 1], totals[:, 0], out=np.zeros(thresholds), where=totals[:, 0] > 0)
        recall = totals[:, 1] / kept.sum()
        found[subset] = area(list(zip(recall.tolist(), precision.tolist(), strict=True)))
    return found


def _image(rows: np.ndarray, faces: np.ndarray, kept: np.ndarray, iou: float) -> tuple[np.ndarray, np.ndarray]:
    """How many faces are recalled after each detection, and which detections are proposals (1) or not (-1)."""
    right, bottom = rows[:, 0] + rows[:, 2], rows[:, 1] + rows[:, 3]
    face_right, face_bottom = faces[:, 0] + faces[:, 2], faces[:, 1] + faces[:, 3]
    wide = np.minimum(right[:, None], face_right) - np.maximum(rows[:, 0, None], faces[:, 0]) + 1
    high = np.minimum(bottom[:, None], face_bottom) - np.maximum(rows[:, 1, None], faces[:, 1]) + 1
    common = np.where((wide > 0) & (high > 0), wide * high, 0)
    own = (right - rows[:, 0] + 1) * (bottom - rows[:, 1] + 1)
    its = (face_right - faces[:, 0] + 1) * (face_bottom - faces[:, 1] + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        overlaps = np.where(common > 0, common / (own[:, None] + its - common), 0)
    recalled, proposals = np.zeros(len(rows)), np.ones(len(rows))
    state = np.zeros(len(faces))
    for number in range(len(rows)):
        best, where = overlaps[number].max(), overlaps[number].argmax()
        if best >= iou:
            if not kept[where]:
                state[where] = -1
                proposals[number] = -1
            elif state[where] == 0:
                state[where] = 1
        recalled[number] = len(np.where(state == 1)[0])
    return recalled, proposals
