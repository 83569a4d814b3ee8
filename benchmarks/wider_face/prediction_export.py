"""Writing predictions in WIDER FACE's text format: one file per image, descending scores."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np

from benchmarks.base import RepriseError
from benchmarks.whole_file import write_whole
from benchmarks.wider_face.predictions import Predictions

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The date of every file in an archive, so that equal predictions make equal archives."""


def write_predictions(folder: Path, predictions: Predictions) -> None:
    """Write `<folder>/<event>/<image>.txt` for every image, those without detections too (count 0).

    Numbers are written so that reading them gives the same float64. Raises RepriseError where the folder holds files already:
    what a former export left there would be read with this one.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RepriseError(f"{folder}: exists and is not empty; export to a folder of its own")
    for position, image in enumerate(predictions.images):
        path = folder / f"{image}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(image_text(path.stem, predictions.of_image(position)))


def write_archive(path: Path, predictions: Predictions) -> None:
    """As `write_predictions`, but one .zip file, which appears whole and replaces what was there."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for position, image in enumerate(predictions.images):
            entry = zipfile.ZipInfo(f"{image}.txt", _EPOCH)
            name = image.rpartition("/")[2]
            archive.writestr(entry, image_text(name, predictions.of_image(position)), zipfile.ZIP_DEFLATED)
    write_whole(path, buffer.getvalue())


def image_text(name: str, detections: np.ndarray) -> str:
    """The text of one image: its name, the number of detections (k, 5; x, y, w, h, score), a line for each, best first.

    Readers that do not sort (the common port) get a wrong AP from any other order.
    """
    order = np.argsort(-detections[:, 4], kind="stable")
    rows = (" ".join(map(_written, row)) for row in detections[order].tolist())
    return "\n".join([name, str(len(order)), *rows]) + "\n"


def _written(value: float) -> str:
    """The shortest decimal that reads as the same float64; whole numbers without a point."""
    return repr(value).removesuffix(".0")
