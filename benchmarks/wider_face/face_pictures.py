"""The pictures that annotations speak of: all there, of the size stated, and no face outside them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from benchmarks.base import RepriseError
from benchmarks.coco.annotations import some
from benchmarks.wider_face.annotations import FaceAnnotations, FaceImage

Size = tuple[int, int]
"""Width and height in pixels."""


def picture_sizes(truth: FaceAnnotations, folder: Path) -> list[Size]:
    """The size of every picture, by its file's header.

    Raises RepriseError naming annotations and pictures: a picture that is not there or not readable, of another size than the
    annotations state, or with a face whose centre lies outside it (boxes of another picture, or a picture resized since).
    """
    if not folder.is_dir():
        raise RepriseError(f"{folder}: no such folder; the pictures of {truth.path} are expected there, event by event")
    missing = _missing(truth.images, folder)
    if missing:
        raise RepriseError(
            f"{folder}: {len(missing)} of {len(truth.images)} pictures of {truth.path} are not there: {some(missing)}; "
            f"complete the folder"
        )
    sizes, problems = [], []
    for image in truth.images:
        size = _size(folder / image.name)
        sizes.append(size)
        problem = _contradiction(image, size)
        if problem:
            problems.append(problem)
    if problems:
        raise RepriseError(
            f"{folder}: {len(problems)} pictures contradict {truth.path}: {some(problems)}; "
            f"use the pictures that the boxes were drawn on"
        )
    return sizes


def check_decoding(truth: FaceAnnotations, folder: Path, sample: int) -> None:
    """Decode `sample` of the pictures whole, evenly spread; raises RepriseError naming the first that is damaged."""
    for image in truth.images[:: max(1, len(truth.images) // max(1, sample))]:
        path = folder / image.name
        try:
            with Image.open(path) as opened:
                opened.load()
        except (OSError, SyntaxError) as error:  # PIL raises SyntaxError for a broken PNG
            raise RepriseError(f"{path}: cannot be decoded ({error}); fetch it again") from error


def _missing(images: Iterable[FaceImage], folder: Path) -> list[str]:
    """Names that are not there; one listing per event."""
    here: dict[str, set[str]] = {}
    absent = []
    for image in images:
        event = image.event
        if event not in here:
            here[event] = {entry.name for entry in (folder / event).iterdir()} if (folder / event).is_dir() else set()
        if image.name.partition("/")[2] not in here[event]:
            absent.append(image.name)
    return absent


def _size(path: Path) -> Size:
    try:
        with Image.open(path) as opened:
            return opened.size
    except (OSError, SyntaxError) as error:
        raise RepriseError(f"{path}: not readable as a picture ({error}); fetch it again") from error


def _contradiction(image: FaceImage, size: Size) -> str | None:
    width, height = size
    if image.size is not None and image.size != size:
        return f"{image.name} is {width} x {height}, stated are {image.size[0]} x {image.size[1]} ({image.where})"
    boxes = image.boxes[~image.degenerate]
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    outside = (centres < 0).any(axis=1) | (centres > (width, height)).any(axis=1)
    if not outside.any():
        return None
    return f"{image.name} is {width} x {height}, and has a face at x y w h {boxes[outside][0].tolist()} ({image.where})"
