"""A contact sheet of what a detector's anchors learn: every face with the anchors that stand for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from benchmarks.contact_sheet import PAPER, fitted, sheet_of
from benchmarks.detection.data import prediction_loader
from benchmarks.wider_face.contract import LearnedAnchors
from benchmarks.wider_face.dataset import FaceDataset
from benchmarks.wider_face.real_wider import FaceSplit

SIDE, COLUMNS = 384, 4
MATCHED, RECRUITED = (90, 255, 90), (255, 60, 200)
_DOT = 2

_PIPELINE = (
    {"type": "LoadImageFromFile"},
    {"type": "LoadAnnotations", "with_bbox": True},
    {"type": "PackDetInputs", "meta_keys": ("img_id", "img_path", "ori_shape", "img_shape")},
)


def match_sheet(detector: Any, split: FaceSplit, places: Sequence[int]) -> bytes:
    """A PNG of the pictures at these places of a set: faces white, a dot at the centre of each anchor that learns one.

    A line joins the anchor to its face. Green: matched by overlap; pink with the anchor's outline: recruited beyond it.
    """
    data = FaceDataset(split, _PIPELINE)
    rows: Any = torch.utils.data.Subset(data, list(places))
    cells = [_cell(detector, batch) for batch in prediction_loader(rows, 1)]
    return sheet_of(cells, COLUMNS)


@torch.no_grad()
def _cell(detector: Any, batch: Any) -> Image.Image:
    picture = batch["inputs"][0].permute(1, 2, 0).numpy()[..., ::-1]
    prepared = detector.data_preprocessor(batch, False)
    (found,) = detector.learned_anchors(prepared["inputs"], prepared["data_samples"])
    cell = fitted(Image.fromarray(np.ascontiguousarray(picture)), SIDE)
    _draw(ImageDraw.Draw(cell), found, SIDE / picture.shape[1])
    return cell


def _draw(pen: ImageDraw.ImageDraw, found: LearnedAnchors, scale: float) -> None:
    for box in torch.unique(found.faces, dim=0):
        pen.rectangle(_corners(box, scale), outline=PAPER)
    for anchor, face, recruited in zip(found.anchors, found.faces, found.recruited.tolist(), strict=True):
        colour = RECRUITED if recruited else MATCHED
        (x, y), middle = _centre(anchor, scale), _centre(face, scale)
        pen.line([(x, y), middle], fill=colour)
        pen.ellipse((x - _DOT, y - _DOT, x + _DOT, y + _DOT), fill=colour)
        if recruited:
            pen.rectangle(_corners(anchor, scale), outline=colour)


def _corners(box: Tensor, scale: float) -> tuple[float, float, float, float]:
    x, y, right, bottom = (box * scale).tolist()
    return x, y, max(x, right - 1), max(y, bottom - 1)


def _centre(box: Tensor, scale: float) -> tuple[float, float]:
    x, y, right, bottom = (box * scale).tolist()
    return (x + right) / 2, (y + bottom) / 2
