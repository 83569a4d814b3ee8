"""A small set of our own in COCO's format, for a clone without the shared data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.coco.annotations import Annotations, load_annotations
from benchmarks.coco.scene import CATEGORIES, Drawn, SceneSettings, draw
from benchmarks.coco.synth import run_lengths


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


SIZES = ((96, 96), (128, 80), (80, 128), (160, 100), (100, 64), (64, 64))
"""Width and height of the pictures of `own_coco`; the third has a crowd, the fifth nothing."""


@pytest.fixture(scope="session")
def own_coco(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Six drawn pictures as JPEG files in COCO's layout, category ids with gaps: the annotation file and the pictures' folder."""
    root = tmp_path_factory.mktemp("own-coco")
    folder = root / "train2017"
    folder.mkdir()
    images, entries = [], []
    for number, (width, height) in enumerate(SIZES, 1):
        settings = SceneSettings(size=max(width, height), crowd=float(number == 3), empty=float(number == 5))
        scene = draw(settings, seed=number)
        name = f"{number:012d}.jpg"
        Image.fromarray(scene.picture[:height, :width]).save(folder / name, quality=95)
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        for drawn in scene.drawn:
            seen = drawn.seen[:height, :width]
            if seen.any():
                entries.append(own_entry(len(entries) + 1, number, drawn, seen))
    categories = [{"id": 10 * number, "name": name} for number, name in enumerate(CATEGORIES, 1)]
    content = {"info": {}, "images": images, "annotations": entries, "categories": categories}
    (root / "annotations").mkdir()
    return write(root / "annotations", content, "instances_train2017.json"), folder


def own_entry(identity: int, image: int, drawn: Drawn, seen: np.ndarray) -> dict[str, Any]:
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    corner = [int(columns[0]), int(rows[0])]
    box = [*corner, int(columns[-1]) + 1 - corner[0], int(rows[-1]) + 1 - corner[1]]
    more = {"area": int(seen.sum()), "segmentation": run_lengths(seen), "iscrowd": int(drawn.crowd)}
    return annotation(identity, image, 10 * (drawn.category + 1), [float(side) for side in box], **more)
