"""WIDER FACE's average precision for Easy, Medium and Hard, computed once for all subsets and thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from benchmarks.base import RepriseError
from benchmarks.wider_face.ground_truth import GroundTruth
from benchmarks.wider_face.overlap import NONE, VARIANTS, Variant, assign
from benchmarks.wider_face.predictions import Predictions

THRESHOLDS = 1000


@dataclass(frozen=True)
class Curve:
    """Precision and recall of a subset at falling thresholds of the normalised score: all arrays are (T,).

    `average_precision` is None where the subset has no face that counts.
    """

    thresholds: np.ndarray = field(repr=False)
    proposals: np.ndarray = field(repr=False)
    recalled: np.ndarray = field(repr=False)
    precision: np.ndarray = field(repr=False)
    recall: np.ndarray = field(repr=False)
    kept_faces: int
    average_precision: float | None


@dataclass(frozen=True)
class Result:
    """What `evaluate` found. `non_standard` names the settings that depart from the protocol; such figures compare with none."""

    variant: Variant
    ground_truth: str
    curves: Mapping[str, Curve]
    detections: int
    missing_images: int
    ignored_files: int
    degenerate_scores: bool
    non_standard: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def average_precision(self) -> dict[str, float | None]:
        """Subset -> AP as a fraction."""
        return {subset: curve.average_precision for subset, curve in self.curves.items()}


def evaluate(
    predictions: Predictions,
    truth: GroundTruth,
    variant: Variant = "float",
    thresholds: int = THRESHOLDS,
    plus: float = 1.0,
    normalise: bool = True,
    iou: float = 0.5,
) -> Result:
    """AP of each subset (protocol, section 3). The order of detections does not matter.

    Raises RepriseError for predictions read against other ground truth, for settings out of range, and for `int32` with
    ground truth that is not of whole pixels.
    """
    _check(predictions, truth, variant, thresholds, plus, iou)
    row = assign(predictions.boxes, predictions.starts, truth.boxes, truth.starts, variant, plus, iou)
    scores, degenerate = normalised(predictions.scores) if normalise else (predictions.scores, False)
    levels = 1 - np.arange(1, thresholds + 1) / thresholds
    # where on the curve a detection first takes part; `thresholds` where it never does
    entry = thresholds - np.searchsorted(levels[::-1], scores, "right")
    hit = row != NONE
    best = np.full(len(truth.boxes), thresholds, np.int64)
    np.minimum.at(best, row[hit], entry[hit])
    curves = {}
    for subset, kept in truth.kept.items():
        ignored = hit.copy()
        ignored[hit] = ~kept[row[hit]]
        curves[subset] = _curve(
            levels, _cumulated(entry[~ignored], thresholds), _cumulated(best[kept], thresholds), int(kept.sum())
        )
    notes = (*truth.notes, *predictions.notes)
    if degenerate:
        notes += ("all scores are equal: every normalised score is 1",)
    return Result(
        variant,
        truth.name,
        curves,
        len(scores),
        predictions.missing_images,
        predictions.ignored_files,
        degenerate,
        _departures(thresholds, plus, normalise, iou),
        notes,
    )


def normalised(scores: np.ndarray) -> tuple[np.ndarray, bool]:
    """Scores (D,) brought to [0, 1] over all images (section 3.1); True where all are equal, and so become 1."""
    if not len(scores):
        return scores, False
    least, most = scores.min(), scores.max()
    if least == most:
        return np.ones_like(scores), True
    # halved, so that the difference of the largest doubles stays finite
    return ((scores / 2 - least / 2) / (most / 2 - least / 2)), False


def all_point_area(recall: np.ndarray, precision: np.ndarray) -> float:
    """The area under a curve (T,) whose precision is first made monotone from the right (section 3.6)."""
    steps = np.concatenate([[0.0], recall, [1.0]])
    heights = np.concatenate([[0.0], precision, [0.0]])
    heights = np.maximum.accumulate(heights[::-1])[::-1]
    change = np.flatnonzero(np.diff(steps) != 0)
    return float(((steps[change + 1] - steps[change]) * heights[change + 1]).sum())


def leaderboard_string(value: float) -> str:
    """An AP as the official legend prints it: five significant digits, of which the first five characters remain.

    >>> leaderboard_string(0.93785)
    '0.937'
    """
    return f"{value:.5g}"[:5] if value >= 1e-4 else "0.000"


def _cumulated(entries: np.ndarray, thresholds: int) -> np.ndarray:
    """How many have entered at each threshold: (T,)."""
    return np.cumsum(np.bincount(entries, minlength=thresholds + 1)[:thresholds])


def _curve(levels: np.ndarray, proposals: np.ndarray, recalled: np.ndarray, kept: int) -> Curve:
    precision = np.divide(recalled, proposals, out=np.zeros(len(levels)), where=proposals > 0)
    recall = recalled / kept if kept else np.zeros(len(levels))
    return Curve(
        levels, proposals, recalled, precision, recall, kept, all_point_area(recall, precision) if kept else None
    )


def _check(
    predictions: Predictions, truth: GroundTruth, variant: str, thresholds: int, plus: float, iou: float
) -> None:
    if predictions.images != truth.images:
        raise RepriseError(
            f"{predictions.source}: was read against other ground truth than {truth.source}; read it again"
        )
    if variant not in VARIANTS:
        raise RepriseError(f"unknown variant '{variant}'; valid: {', '.join(VARIANTS)}")
    if thresholds < 1 or not 0 < iou <= 1 or plus not in (0, 1):
        raise RepriseError("thresholds must be at least 1, iou above 0 and at most 1, plus 0 or 1")
    if variant == "int32" and (truth.boxes != np.rint(truth.boxes)).any():
        raise RepriseError(f"{truth.source}: variant int32 needs boxes of whole pixels; this ground truth is unrounded")


def _departures(thresholds: int, plus: float, normalise: bool, iou: float) -> tuple[str, ...]:
    found = {
        f"thresholds {thresholds}": thresholds != THRESHOLDS,
        f"plus {plus:g}": plus != 1,
        "scores not normalised": not normalise,
        f"iou {iou:g}": iou != 0.5,
    }
    return tuple(text for text, departs in found.items() if departs)
