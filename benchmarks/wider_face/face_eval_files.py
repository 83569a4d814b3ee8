"""Annotations and detections of AFW and PASCAL face, in the formats of the face-eval tools."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.base import RepriseError
from benchmarks.wider_face.face_eval import FaceEvalDetections, FaceEvalTruth, ignored_faces
from benchmarks.wider_face.matlab_cells import read_variables
from benchmarks.wider_face.number_lines import finite_numbers, text_lines
from benchmarks.wider_face.prediction_text import base_name

_FLAG = 5
"""The column of `objects` that marks a face to ignore, where there is one."""


@dataclass(frozen=True)
class FaceEvalSet:
    """What a published set holds: images, boxes, and faces that count."""

    name: str
    images: int
    boxes: int
    counted: int


AFW = FaceEvalSet("AFW", 205, 545, 473)
PASCAL_FACE = FaceEvalSet("PASCAL face", 851, 1635, 1341)


def load_face_eval_truth(path: Path, known: FaceEvalSet) -> FaceEvalTruth:
    """The struct array `Annotations` of a `.mat` file: `imgname`, and `objects` with rows x1 y1 x2 y2 . flag.

    Counts that differ from the published set are noted. Raises RepriseError for a file that is not of this form.
    """
    records = read_variables(path, ("Annotations",))["Annotations"].ravel()
    fields = records.dtype.names or ()
    if not {"imgname", "objects"} <= set(fields):
        raise RepriseError(
            f"{path}: 'Annotations' must be a struct array with imgname and objects; it has {list(fields)}"
        )
    images, parts = [], []
    for number, record in enumerate(records, 1):
        name = np.asarray(record["imgname"]).ravel()
        if name.size != 1 or not isinstance(name[0], str):
            raise RepriseError(f"{path}: Annotations({number}): imgname must be one text, not {record['imgname']!r}")
        images.append(base_name(str(name[0])))
        parts.append(_objects(np.asarray(record["objects"]), f"{path}: Annotations({number})"))
    if len(set(images)) != len(images):
        raise RepriseError(f"{path}: an image stands twice in 'Annotations'; take the original file")
    rows = np.concatenate(parts) if parts else np.zeros((0, 5))
    starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
    truth = FaceEvalTruth(known.name, tuple(images), starts, rows[:, :4], ignored_faces(rows[:, :4], rows[:, 4]))
    return replace(truth, notes=_differences(truth, known))


def load_face_eval_detections(path: Path, truth: FaceEvalTruth) -> FaceEvalDetections:
    """A text file with a line `image score x1 y1 x2 y2` per detection; images with or without folder and extension.

    Raises RepriseError with file, line and text for a malformed line, and where no line belongs to an image of the set.
    """
    position = {image: index for index, image in enumerate(truth.images)}
    images, rows, foreign = [], [], []
    for number, line in text_lines(path):
        fields = line.split()
        if len(fields) != 6:
            raise RepriseError(f"{path}: line {number}: '{line}': a detection is image score x1 y1 x2 y2")
        values = finite_numbers(fields[1:], path, number, line)
        image = base_name(fields[0])
        if image in position:
            images.append(position[image])
            rows.append(values)
        else:
            foreign.append(fields[0])
    if not rows:
        found = f"; '{foreign[0]}' is none of its images" if foreign else ""
        raise RepriseError(f"{path}: has no detection on {truth.name}{found}")
    notes = (
        (f"{len(foreign):,} detections belong to no image and are ignored, '{foreign[0]}' first",) if foreign else ()
    )
    numbers = np.array(rows)
    return FaceEvalDetections(np.array(images), numbers[:, 0], numbers[:, 1:], notes)


def _objects(value: np.ndarray, where: str) -> np.ndarray:
    """Rows x1, y1, x2, y2, flag (N, 5) of an image; the flag is 0 where the column is absent."""
    if not value.size:
        return np.zeros((0, 5))
    if value.ndim != 2 or value.shape[1] < 4 or value.dtype.kind not in "iuf" or not np.isfinite(value[:, :4]).all():
        raise RepriseError(f"{where}: objects must be finite rows x1 y1 x2 y2 . flag, not an array {value.shape}")
    flags = value[:, _FLAG] if value.shape[1] > _FLAG else np.zeros(len(value))
    return np.column_stack([value[:, :4], flags]).astype(np.float64)


def _differences(truth: FaceEvalTruth, known: FaceEvalSet) -> tuple[str, ...]:
    found = [
        ("images", len(truth.images), known.images),
        ("boxes", len(truth.corners), known.boxes),
        ("faces that count", truth.counted, known.counted),
    ]
    return tuple(f"{what}: {have:,}, published {known.name} has {want:,}" for what, have, want in found if have != want)
