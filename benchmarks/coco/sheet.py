"""A contact sheet: pictures of a set with their ground truth, and predictions over it."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from pycocotools import mask as rle

from benchmarks.base import Json, RepriseError
from benchmarks.coco.annotations import Annotations
from benchmarks.contact_sheet import INK, PAPER, fitted, sheet_of

Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]
Entries = Sequence[Mapping[str, Json]]

_LINE, _LETTERS = 2, 11
_CROWD_TINT = 0.45


def sheet(
    truth: Annotations,
    folder: Path,
    images: Sequence[int],
    predictions: Entries | None = None,
    *,
    columns: int = 4,
    side: int = 320,
    threshold: float = 0.3,
) -> bytes:
    """A PNG of the images with these ids, `columns` in a row, each magnified or reduced to `side` pixels across.

    Ground truth: thin boxes with the category's name, crowd regions tinted white with a dashed box. With `predictions` (COCO's
    result format; those of lower score than `threshold` are left out) ground truth turns white and unnamed, and predictions
    are drawn in their category's colour with name and score. Raises RepriseError for an image id that is not in the set.
    """
    known = {image["id"]: image for image in truth.images}
    absent = [identity for identity in images if identity not in known]
    if absent:
        raise RepriseError(f"{truth.path}: has no image {absent[0]}; ids start with {next(iter(known), None)}")
    colours = _colours(list(truth.categories))
    objects = _by_image(truth.objects, images)
    sure = None if predictions is None else [entry for entry in predictions if entry["score"] >= threshold]
    found = None if sure is None else _by_image(sure, images)
    cells = []
    for identity in images:
        with Image.open(folder / known[identity]["file_name"]) as opened:
            here = None if found is None else found[identity]
            cells.append(_cell(opened.convert("RGB"), objects[identity], here, side, truth.categories, colours))
    return sheet_of(cells, columns)


def _by_image(entries: Entries, images: Sequence[int]) -> dict[int, list[Mapping[str, Json]]]:
    """The entries of each of these images."""
    grouped: dict[int, list[Mapping[str, Json]]] = {identity: [] for identity in images}
    for entry in entries:
        if entry["image_id"] in grouped:
            grouped[entry["image_id"]].append(entry)
    return grouped


def _cell(
    picture: Image.Image,
    objects: Entries,
    found: Entries | None,
    side: int,
    names: Mapping[int, str],
    colours: Mapping[int, Colour],
) -> Image.Image:
    scale = side / picture.width
    picture = _with_crowds(picture, [entry for entry in objects if entry["iscrowd"]])
    cell = fitted(picture, side)
    pen = ImageDraw.Draw(cell)
    for entry in objects:
        colour = colours[entry["category_id"]] if found is None else PAPER
        label = names[entry["category_id"]] + (" crowd" if entry["iscrowd"] else "")
        _box(pen, _corners(entry, scale), colour, label if found is None else "", dashed=bool(entry["iscrowd"]))
    for entry in sorted(found or [], key=lambda each: float(each["score"])):
        label = f"{names[entry['category_id']]} {entry['score']:.2f}"
        _box(pen, _corners(entry, scale), colours[entry["category_id"]], label)
    return cell


def _with_crowds(picture: Image.Image, crowds: Entries) -> Image.Image:
    """Crowd regions are tinted white where their mask is, so that they are told from boxes."""
    pixels = np.asarray(picture, np.float32).copy()
    for entry in crowds:
        region = entry.get("segmentation")
        if isinstance(region, Mapping):
            packed = rle.frPyObjects(region, *region["size"]) if isinstance(region["counts"], list) else region
            inside = rle.decode(packed).astype(bool)
            pixels[inside] += _CROWD_TINT * (255 - pixels[inside])
    return Image.fromarray(pixels.astype(np.uint8))


def _corners(entry: Mapping[str, Json], scale: float) -> Box:
    """Left, top, right, bottom in the cell; lines lie on the box's outer pixels."""
    x, y, width, height = (scale * float(value) for value in entry["bbox"])
    return x, y, max(x, x + width - 1), max(y, y + height - 1)


def _box(pen: ImageDraw.ImageDraw, corners: Box, colour: Colour, label: str, dashed: bool = False) -> None:
    left, top, right, bottom = corners
    if dashed:
        step = 8
        for start in range(round(left), round(right), step):
            for height in (top, bottom):
                pen.line([(start, height), (min(start + step // 2, right), height)], fill=colour, width=_LINE)
        for start in range(round(top), round(bottom), step):
            for place in (left, right):
                pen.line([(place, start), (place, min(start + step // 2, bottom))], fill=colour, width=_LINE)
    else:
        pen.rectangle(corners, outline=colour, width=_LINE)
    if label:
        _label(pen, left, top, label, colour)


def _label(pen: ImageDraw.ImageDraw, left: float, top: float, label: str, colour: Colour) -> None:
    """Text on its colour above a box, moved into the cell where it would leave it."""
    font = ImageFont.load_default(_LETTERS)
    room = pen.im.size[0] - pen.textlength(label, font=font)
    place = (max(0.0, min(left, room)), max(0.0, top - _LETTERS - 3))
    red, green, blue = colour
    pen.rectangle(pen.textbbox(place, label, font=font), fill=colour)
    pen.text(place, label, fill=INK if 299 * red + 587 * green + 114 * blue > 128_000 else PAPER, font=font)


def _colours(categories: Sequence[int]) -> dict[int, Colour]:
    """A colour per category, neighbours far apart in hue."""
    colours = {}
    for index, identity in enumerate(categories):
        red, green, blue = colorsys.hsv_to_rgb(index * 0.618034 % 1, 0.85, 1.0)
        colours[identity] = (round(255 * red), round(255 * green), round(255 * blue))
    return colours
