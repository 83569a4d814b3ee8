"""A set of predictions matched to its ground truth: read from files, or put together in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np

from benchmarks.base import RepriseError
from benchmarks.wider_face.ground_truth import GroundTruth
from benchmarks.wider_face.prediction_files import read_files
from benchmarks.wider_face.prediction_text import CountMismatch, ImageText, ScoreColumn, base_name, parse


@dataclass(frozen=True)
class Predictions:
    """Detections of all images, in the order of the ground truth's `images`.

    Rows `starts[i]:starts[i + 1]` of `boxes` (D, 4; x, y, w, h in pixels of the original image) and of `scores` (D,), on any
    scale, belong to image i. `missing_images` had no file, `ignored_files` belong to no image; `notes` say what is odd.
    """

    source: str
    images: tuple[str, ...] = field(repr=False)
    starts: np.ndarray = field(repr=False)
    boxes: np.ndarray = field(repr=False)
    scores: np.ndarray = field(repr=False)
    missing_images: int = 0
    ignored_files: int = 0
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, detections: Mapping[str, np.ndarray], truth: GroundTruth, source: str = "predictions") -> Predictions:
        """From `event/name` -> rows of x, y, w, h, score (k, 5). An image without an entry has no detections.

        Raises RepriseError that names `source` and the image: not in the ground truth, or rows that are not finite.
        """
        for image, rows in detections.items():
            if image not in truth.index:
                raise RepriseError(f"{source}: image '{image}' is not in the ground truth {truth.source}")
            if rows.ndim != 2 or rows.shape[1] != 5 or not np.isfinite(rows).all():
                raise RepriseError(f"{source}: image '{image}': needs finite rows of x, y, w, h, score")
        none = np.zeros((0, 5))
        parts = [detections.get(image, none) for image in truth.images]
        stacked = np.concatenate(parts).astype(np.float64) if parts else none
        starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
        missing = len(truth.images) - len(detections)
        return cls(source, truth.images, starts, stacked[:, :4], stacked[:, 4], missing_images=missing)

    def of_image(self, image: int) -> np.ndarray:
        """Rows x, y, w, h, score (k, 5) of the image at this position."""
        rows = slice(int(self.starts[image]), int(self.starts[image + 1]))
        return np.column_stack([self.boxes[rows], self.scores[rows]])


def load_predictions(
    root: Path,
    truth: GroundTruth,
    score_column: ScoreColumn = "fifth",
    count_mismatch: CountMismatch = "error",
    may_be_bare: bool = False,
) -> Predictions:
    """Predictions under a folder, or in a tar or zip archive: `[.../]<event>/<image>.txt` (protocol, section 2).

    Folders above the events are found by themselves. Raises RepriseError for a malformed file (file, line, text), where no file
    belongs to an image of the ground truth, where two do to the same, and where there is no detection at all, unless the set
    `may_be_bare`.
    """
    found: dict[str, ImageText] = {}
    places: dict[str, str] = {}
    ignored: list[str] = []
    for path, data in read_files(root):
        image = _image_of(path)
        if image is None or image not in truth.index:
            ignored.append(path)
            continue
        if image in places:
            raise RepriseError(
                f"{root}: '{places[image]}' and '{path}' are both predictions for {image}; unpack sets into folders of their own"
            )
        places[image] = path
        found[image] = parse(data, f"{root}{'/' if root.is_dir() else ': '}{path}", score_column, count_mismatch)
    if not found:
        raise RepriseError(_no_match(root, truth, ignored))
    detections = {image: text.detections for image, text in found.items()}
    if not may_be_bare and not any(map(len, detections.values())):
        raise RepriseError(
            f"{root}: {len(found):,} files, but not a single detection; was the detector's output exported?"
        )
    matched = Predictions.of(detections, truth, str(root))
    notes = _notes(found, ignored, matched.missing_images, len(truth.images), count_mismatch)
    return replace(matched, ignored_files=len(ignored), notes=notes)


def _image_of(path: str) -> str | None:
    """`event/name` of a path: the path, not the header of the file, identifies the image."""
    place = PurePosixPath(path)
    if place.suffix != ".txt" or len(place.parts) < 2:
        return None
    return f"{place.parts[-2]}/{place.stem}"


def _no_match(root: Path, truth: GroundTruth, ignored: list[str]) -> str:
    if not ignored:
        return f"{root}: holds no file; predictions are <event>/<image>.txt"
    parents = {PurePosixPath(path).parent.name for path in ignored}
    expected = f"{truth.images[0]}.txt" if truth.images else "<event>/<image>.txt"
    if parents & truth.events:
        return (
            f"{root}: has events of {truth.name} but none of its images, such as '{expected}' ('{ignored[0]}' is another's); are "
            "these predictions for another split (train, test)?"
        )
    return f"{root}: no file belongs to an image of {truth.name}; '{expected}' is expected, '{ignored[0]}' was found"


def _notes(
    found: Mapping[str, ImageText], ignored: list[str], missing: int, images: int, mismatch: CountMismatch
) -> tuple[str, ...]:
    notes = []
    if missing:
        notes.append(f"{missing:,} of {images:,} images have no file and so no detections")
    if ignored:
        notes.append(f"{len(ignored):,} files belong to no image and are ignored, '{ignored[0]}' first")
    kinds: list[tuple[str, Callable[[str, ImageText], bool]]] = [
        ("are empty (no detections)", lambda image, text: text.empty),
        (
            "name another image in line 1 (the path decides)",
            lambda image, text: not text.empty and base_name(text.name) != base_name(image),
        ),
    ]
    if mismatch == "warn":
        kinds.append(("announce another number than they have lines", lambda image, text: text.announced is not None))
    for what, applies in kinds:
        odd = [image for image, text in found.items() if applies(image, text)]
        if odd:
            notes.append(f"{len(odd):,} files {what}, {odd[0]} first")
    return tuple(notes)
