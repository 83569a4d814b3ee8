"""The four `.mat` files of a set in WIDER FACE's layout, so that its metric runs unchanged (protocol, section 1)."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from scipy.io import savemat

from benchmarks.base import RepriseError
from benchmarks.wider_face.annotations import ATTRIBUTES, FaceAnnotations, FaceImage
from benchmarks.wider_face.editions import BOXES, SUBSETS, write_manifest
from benchmarks.wider_face.subsets import surrogate_subsets

_HEADER = b"MATLAB 5.0 MAT-file of a set in WIDER FACE's layout"
_HEADER_BYTES = 116
"""A MATLAB v5 file begins with so many bytes of free text, where scipy writes the time."""


def write_truth(truth: FaceAnnotations, folder: Path, name: str) -> None:
    """Write `wider_{face,easy,medium,hard}_val.mat`, subsets by the surrogate, and the manifest of their hashes.

    Raises RepriseError where boxes are no whole numbers or attributes unknown, which the format lacks.
    """
    for image in truth.images:
        if (image.boxes != np.floor(image.boxes)).any() or (image.attributes < 0).any():
            raise RepriseError(f"{image.name}: WIDER's .mat files have whole boxes and known attributes only")
    folder.mkdir(parents=True, exist_ok=True)
    events = [[image for image in truth.images if image.event == event] for event in truth.events]
    shared = _shared(truth.events, events)
    (folder / BOXES).write_bytes(_mat(shared))
    for subset in SUBSETS:
        rows = _per_image(events, partial(_rows, subset))
        (folder / f"wider_{subset}_val.mat").write_bytes(_mat({**shared, "gt_list": rows}))
    write_manifest(folder, name)


def _shared(names: Sequence[str], events: Sequence[Sequence[FaceImage]]) -> dict[str, np.ndarray]:
    """What all four files hold."""
    held = {
        "event_list": _cells(names),
        "file_list": _per_image(events, lambda image: image.key.partition("/")[2]),
        "face_bbx_list": _per_image(events, lambda image: image.boxes.astype(np.int32)),
    }
    for attribute in ATTRIBUTES:
        held[f"{attribute}_label_list"] = _per_image(events, partial(_labels, attribute))
    return held


def _labels(attribute: str, image: FaceImage) -> np.ndarray:
    return image.attribute(attribute).astype(np.uint8)[:, None]


def _rows(subset: str, image: FaceImage) -> np.ndarray:
    """The faces that count, from 1, in the smallest type as MATLAB's writer takes it."""
    rows = np.flatnonzero(surrogate_subsets(image)[subset]) + 1
    return rows.astype(np.uint8 if len(image.boxes) < 256 else np.uint16)[:, None]


def _per_image(events: Sequence[Sequence[FaceImage]], value: Callable[[FaceImage], object]) -> np.ndarray:
    return _cells([_cells([value(image) for image in images]) for images in events])


def _cells(values: Iterable[object]) -> np.ndarray:
    """A MATLAB cell array (n, 1)."""
    items = list(values)
    cells = np.empty((len(items), 1), object)
    for place, item in enumerate(items):
        cells[place, 0] = item
    return cells


def _mat(variables: dict[str, np.ndarray]) -> bytes:
    """The file's bytes; the same for the same content."""
    buffer = io.BytesIO()
    savemat(buffer, variables, do_compression=True)
    return _HEADER.ljust(_HEADER_BYTES) + buffer.getvalue()[_HEADER_BYTES:]
