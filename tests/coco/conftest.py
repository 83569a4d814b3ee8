"""A small set of our own in COCO's format, for a clone without the shared data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.coco.annotations import Annotations, load_annotations


def annotation(identity: int, image: int, category: int, box: list[float], **more: Any) -> dict[str, Any]:
    """An annotation whose mask is its box."""
    x, y, width, height = box
    outline = [[x, y, x + width, y, x + width, y + height, x, y + height]]
    entry = {
        "id": identity,
        "image_id": image,
        "category_id": category,
        "bbox": box,
        "area": width * height,
        "iscrowd": 0,
        "segmentation": outline,
    }
    return {**entry, **more}


def dataset() -> dict[str, Any]:
    """Two images, two categories with a gap between their ids, three objects."""
    return {
        "info": {},
        "images": [
            {"id": 11, "file_name": "a.png", "width": 40, "height": 30},
            {"id": 12, "file_name": "b.png", "width": 50, "height": 20},
        ],
        "categories": [{"id": 3, "name": "cat"}, {"id": 7, "name": "dog"}],
        "annotations": [
            annotation(1, 11, 3, [2, 3, 10, 12]),
            annotation(2, 11, 7, [20, 5, 8, 8]),
            annotation(3, 12, 3, [1, 1, 15, 10]),
        ],
    }


def write(folder: Path, content: Any, name: str = "instances_val.json") -> Path:
    """Any value as a json file."""
    path = folder / name
    path.write_text(json.dumps(content))
    return path


def loaded(folder: Path, content: Any) -> Annotations:
    return load_annotations(write(folder, content))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """The folder of the two images of `dataset`."""
    folder = tmp_path / "val"
    folder.mkdir()
    for image in dataset()["images"]:
        Image.fromarray(np.zeros((image["height"], image["width"], 3), np.uint8)).save(folder / image["file_name"])
    return folder
