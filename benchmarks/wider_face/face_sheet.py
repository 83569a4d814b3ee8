"""A contact sheet: pictures with their annotated faces, and detections over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.base import RepriseError
from benchmarks.contact_sheet import INK, PAPER, fitted, sheet_of
from benchmarks.wider_face.annotations import FaceImage
from benchmarks.wider_face.real_wider import FaceSplit

Colour = tuple[int, int, int]

_LETTERS = 11
_OCCLUSION = {-1: (90, 255, 90), 0: (90, 255, 90), 1: (255, 230, 60), 2: (255, 120, 40)}
_INVALID, _FOUND = (160, 160, 160), (255, 60, 200)


def sheet(
    split: FaceSplit,
    images: Sequence[int],
    detections: Mapping[str, np.ndarray] | None = None,
    *,
    columns: int = 4,
    side: int = 384,
    threshold: float = 0.3,
) -> bytes:
    """A PNG of the pictures at these places of the set, `columns` in a row, each magnified or reduced to `side` across.

    Annotated faces: green, yellow if partly, orange if heavily occluded, grey if invalid. `detections`: `event/picture`
    without the ending -> (N, 5) x y w h score; with them annotated faces turn white, and detections of at least `threshold`
    are drawn in pink with their score. Raises RepriseError for a place beyond the set.
    """
    beyond = [place for place in images if not 0 <= place < len(split.truth.images)]
    if beyond:
        raise RepriseError(f"{split.truth.path}: has no picture {beyond[0]}; it has {len(split.truth.images)}, from 0")
    cells = [_cell(split, split.truth.images[place], detections, side, threshold) for place in images]
    return sheet_of(cells, columns)


def _cell(
    split: FaceSplit, image: FaceImage, detections: Mapping[str, np.ndarray] | None, side: int, threshold: float
) -> Image.Image:
    with Image.open(split.folder / image.name) as opened:
        scale = side / opened.width
        cell = fitted(opened.convert("RGB"), side)
    pen = ImageDraw.Draw(cell)
    labels = zip(image.attribute("invalid").tolist(), image.attribute("occlusion").tolist(), strict=True)
    for box, (invalid, occlusion) in zip(image.boxes, labels, strict=True):
        colour = _INVALID if invalid == 1 else _OCCLUSION[occlusion]
        _outline(pen, box * scale, colour if detections is None else PAPER)
    for *box, score in sorted((detections or {}).get(image.key, ()), key=lambda row: float(row[4])):
        if score >= threshold:
            _outline(pen, np.array(box) * scale, _FOUND, f"{score:.2f}")
    return cell


def _outline(pen: ImageDraw.ImageDraw, box: np.ndarray, colour: Colour, label: str = "") -> None:
    x, y, width, height = box.tolist()
    pen.rectangle((x, y, max(x, x + width - 1), max(y, y + height - 1)), outline=colour)
    if label:
        font = ImageFont.load_default(_LETTERS)
        place = (x, max(0.0, y - _LETTERS - 3))
        pen.rectangle(pen.textbbox(place, label, font=font), fill=colour)
        pen.text(place, label, fill=INK, font=font)
