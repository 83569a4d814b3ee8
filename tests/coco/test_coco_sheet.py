"""The contact sheet shows pictures, ground truth and predictions where they are."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.base import RepriseError
from benchmarks.coco.sheet import sheet
from tests.coco.conftest import dataset, loaded


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def test_ground_truth_is_drawn_on_its_box_and_nowhere_else(tmp_path: Path, pictures: Path) -> None:
    content = dataset()
    content["annotations"] = content["annotations"][2:]
    drawn = pixels(sheet(loaded(tmp_path, content), pictures, [11, 12], columns=2, side=200))
    gap = 6
    empty = drawn[gap : gap + 150, gap : gap + 200]
    cell = drawn[gap : gap + 80, 200 + 2 * gap : 400 + 2 * gap]
    assert not empty.any()
    x, y, width, height = (4 * side for side in (1, 1, 15, 10))
    assert cell[y : y + height, x].any(axis=1).all()
    assert cell[y + height - 1, x : x + width].any(axis=1).all()
    assert not cell[y + 6 : y + height - 6, x + 60 - 30 : x + width - 6].any()
    assert not cell[y + height + 2 :, :].any()


def test_predictions_turn_ground_truth_white_and_respect_the_threshold(tmp_path: Path, pictures: Path) -> None:
    truth = loaded(tmp_path, dataset())
    weak: dict[str, Any] = {"image_id": 12, "category_id": 7, "bbox": [30, 5, 10, 10], "score": 0.2}
    only_truth = pixels(sheet(truth, pictures, [12], [weak], side=200))
    assert (np.ptp(only_truth, axis=2) == 0).all()
    with_found = pixels(sheet(truth, pictures, [12], [{**weak, "score": 0.9}], side=200))
    coloured = np.argwhere(np.ptp(with_found, axis=2) > 50)
    assert len(coloured) > 100
    assert coloured[:, 1].min() >= 6 + 4 * 30 - 2


def test_a_crowd_is_tinted_where_its_mask_is(tmp_path: Path, pictures: Path) -> None:
    content = dataset()
    mask = np.zeros((30, 40), bool)
    mask[18:24, 10:30] = True
    flat = np.flatnonzero(np.diff(mask.T.ravel().astype(int))) + 1
    counts = np.diff([0, *flat.tolist(), mask.size]).tolist()
    content["annotations"][0].update(iscrowd=1, bbox=[10, 18, 20, 6], segmentation={"size": [30, 40], "counts": counts})
    drawn = pixels(sheet(loaded(tmp_path, content), pictures, [11], side=400))
    assert drawn[6 + 210, 6 + 200].min() > 60
    assert not drawn[6 + 280, 6 + 200].any()


def test_an_unknown_image_is_refused(tmp_path: Path, pictures: Path) -> None:
    with pytest.raises(RepriseError, match="has no image 5; ids start with 11"):
        sheet(loaded(tmp_path, dataset()), pictures, [5])
