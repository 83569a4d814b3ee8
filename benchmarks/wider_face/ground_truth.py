"""WIDER FACE's ground truth in the form the metric needs: all boxes, and which of them count in which subset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks.base import RepriseError
from benchmarks.wider_face import editions
from benchmarks.wider_face.annotations import FaceAnnotations
from benchmarks.wider_face.editions import BOXES, OFFICIAL, OTHER, SUBSETS
from benchmarks.wider_face.matlab_cells import Cells, cells_of, events_of, names_of, read_variables


@dataclass(frozen=True)
class GroundTruth:
    """Faces of a set. Images are `event/name`, without extension, in the order of the files.

    Rows `starts[i]:starts[i + 1]` of `boxes` (N, 4; x, y, w, h in pixels, origin 0) are the faces of image i. `kept[subset]`
    (N,) marks the faces that count there; the others are ignored, neither rewarded nor punished. `notes` say what a reader
    of figures must know: an edition other than the official one, counts that differ.
    """

    name: str
    source: Path
    images: tuple[str, ...]
    starts: np.ndarray = field(repr=False)
    boxes: np.ndarray = field(repr=False)
    kept: Mapping[str, np.ndarray] = field(repr=False)
    notes: tuple[str, ...] = ()

    @cached_property
    def index(self) -> dict[str, int]:
        """Image -> its position."""
        return {image: position for position, image in enumerate(self.images)}

    @cached_property
    def events(self) -> frozenset[str]:
        return frozenset(image.rsplit("/", 1)[0] for image in self.images)

    def kept_faces(self, subset: str) -> int:
        """The denominator of recall."""
        return int(self.kept[subset].sum())

    def bare_images(self, subset: str) -> int:
        """Images without a face that counts."""
        totals = np.concatenate([[0], np.cumsum(self.kept[subset])])
        return int((totals[self.starts[1:]] == totals[self.starts[:-1]]).sum())


def load_ground_truth(folder: Path, allow_other: bool = False) -> GroundTruth:
    """The ground truth in a folder of `wider_{face,easy,medium,hard}_val.mat` (protocol, section 1).

    The files must be the official release of 2017 or have a `manifest.json` with their md5; `allow_other` takes any, and notes
    it. Raises RepriseError for files that are absent, broken, of another edition, or that contradict each other.
    """
    editions.check_present(folder)
    name = editions.identify(folder)
    path = folder / BOXES
    held = read_variables(path, ("event_list", "file_list", "face_bbx_list"))
    events, files = events_of(held["event_list"], path), names_of(held["file_list"], path)
    if len(events) != len(files):
        raise RepriseError(f"{path}: has {len(events)} events but images of {len(files)}; take the original file")
    images = tuple(f"{event}/{file}" for event, inner in zip(events, files, strict=True) for file in inner)
    if len(set(images)) != len(images):
        raise RepriseError(f"{path}: an image stands twice in 'file_list'; take the original file")
    counts = [len(inner) for inner in files]
    boxes, starts = _boxes(cells_of(held["face_bbx_list"], counts, path, "face_bbx_list"), images, path)
    _check_edition(folder, name, boxes, allow_other)
    trusted = name is not None
    kept = {
        subset: _kept(folder / file, counts, images, starts, None if trusted else boxes)
        for subset, file in zip(SUBSETS, editions.FILES[1:], strict=True)
    }
    truth = GroundTruth(name or OTHER, folder, images, starts, boxes, kept)
    return truth if trusted else replace(truth, notes=_differences(truth))


def valid_faces(annotations: FaceAnnotations) -> GroundTruth:
    """Ground truth from annotations alone: its one subset is `valid`, every face that is not marked invalid.

    Easy, Medium and Hard cannot be told from annotations, so no figure on this carries their names.
    """
    images = tuple(image.key for image in annotations.images)
    starts = np.concatenate([[0], np.cumsum([len(image.boxes) for image in annotations.images])]).astype(np.int64)
    boxes = np.concatenate([image.boxes for image in annotations.images])
    invalid = np.concatenate([image.attribute("invalid") for image in annotations.images])
    return GroundTruth(annotations.path.name, annotations.path, images, starts, boxes, {"valid": invalid != 1})


def _boxes(cells: Cells, images: Sequence[str], path: Path) -> tuple[np.ndarray, np.ndarray]:
    """All boxes (N, 4) and the first row of every image, with the end (I + 1,)."""
    found = []
    for image, cell in zip(images, (cell for event in cells for cell in event), strict=True):
        if cell.size and (cell.ndim != 2 or cell.shape[1] != 4 or cell.dtype.kind not in "iuf"):
            raise RepriseError(f"{path}: image {image}: boxes must be rows of x, y, w, h, not an array {cell.shape}")
        found.append(cell.reshape(-1, 4))
    boxes = np.concatenate([cell for cell in found if cell.size] or [np.zeros((0, 4), np.int32)])
    if boxes.dtype.kind == "u":
        boxes = boxes.astype(np.int64)
    if not np.isfinite(boxes).all():
        raise RepriseError(f"{path}: a box is not finite; take the original file")
    return boxes, np.concatenate([[0], np.cumsum([len(cell) for cell in found])]).astype(np.int64)


def _kept(
    path: Path, counts: Sequence[int], images: Sequence[str], starts: np.ndarray, boxes: np.ndarray | None
) -> np.ndarray:
    """Which faces (N,) a subset's `gt_list` names, by 1-based rows of each image. `boxes`: compare the file's own with these."""
    names = ("gt_list",) if boxes is None else ("gt_list", "face_bbx_list")
    held = read_variables(path, names)
    if boxes is not None:
        own, _ = _boxes(cells_of(held["face_bbx_list"], counts, path, "face_bbx_list"), images, path)
        if not np.array_equal(own, boxes):
            raise RepriseError(f"{path}: its boxes differ from those of {BOXES}; take all four files from one release")
    kept = np.zeros(int(starts[-1]), bool)
    cells = (cell for event in cells_of(held["gt_list"], counts, path, "gt_list") for cell in event)
    for image, start, end, cell in zip(images, starts[:-1], starts[1:], cells, strict=True):
        # MATLAB's file stores them in the smallest unsigned type that fits
        rows = cell.ravel().astype(np.int64) - 1
        if rows.size and (rows.min() < 0 or rows.max() >= end - start or len(set(rows.tolist())) != rows.size):
            raise RepriseError(
                f"{path}: image {image} has {end - start} boxes; gt_list must name rows from 1 on, each once, not {rows + 1}"
            )
        kept[start + rows] = True
    return kept


def _check_edition(folder: Path, name: str | None, boxes: np.ndarray, allow_other: bool) -> None:
    if name is not None or allow_other:
        return
    if _unrounded(boxes):
        raise RepriseError(
            f"{folder}: this is the edition of 2016, with unrounded boxes; published figures use that of March 2017. Take the "
            "later files, or allow other ground truth (--allow-other-gt) and name it beside the figures"
        )
    raise RepriseError(
        f"{folder}: these are not the official files of {OFFICIAL} (their md5 differ), and there is no {editions.MANIFEST} that "
        "says what they are; take the official files, or allow other ground truth (--allow-other-gt)"
    )


def _unrounded(boxes: np.ndarray) -> bool:
    return bool(boxes.dtype.kind == "f" and (boxes != np.rint(boxes)).any())


def _differences(truth: GroundTruth) -> tuple[str, ...]:
    """How a set that is not the official one departs from it."""
    notes = ["not the official ground truth of March 2017: its md5 differ"]
    if _unrounded(truth.boxes):
        notes.append("boxes are unrounded, as in the edition of 2016, which moves AP by a few tenths of a point")
    expected: list[tuple[str, int, int]] = [
        ("events", len(truth.events), editions.OFFICIAL_EVENTS),
        ("images", len(truth.images), editions.OFFICIAL_IMAGES),
        ("boxes", len(truth.boxes), editions.OFFICIAL_BOXES),
    ]
    for subset in SUBSETS:
        expected.append((f"kept faces ({subset})", truth.kept_faces(subset), editions.OFFICIAL_KEPT[subset]))
        expected.append(
            (f"images without a kept face ({subset})", truth.bare_images(subset), editions.OFFICIAL_BARE[subset])
        )
    notes += [f"{what}: {found}, the official set has {wanted}" for what, found, wanted in expected if found != wanted]
    return tuple(notes)
