"""The contact sheet shows pictures, annotated faces and detections where they are."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.base import RepriseError
from benchmarks.wider_face.annotations import FaceAnnotations, face_image
from benchmarks.wider_face.face_sheet import sheet
from benchmarks.wider_face.real_wider import FaceSplit

GAP = 6


@pytest.fixture
def split(tmp_path: Path) -> FaceSplit:
    """Two black pictures, 50 x 40 and 50 x 20, the first with a face and an invalid one."""
    faces = face_image("0--A/a.png", [[5, 10, 20, 16], [30, 2, 6, 8]], [[0] * 6, [0, 0, 0, 1, 0, 0]])
    images = (faces, face_image("0--A/b.png", []))
    (tmp_path / "0--A").mkdir()
    for image, height in zip(images, (40, 20), strict=True):
        Image.new("RGB", (50, height)).save(tmp_path / image.name)
    return FaceSplit(FaceAnnotations(tmp_path / "own.txt", images), tmp_path, [(50, 40), (50, 20)])


def cells(png: bytes) -> tuple[np.ndarray, np.ndarray]:
    """The two pictures, magnified four times."""
    whole = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    first = whole[GAP : GAP + 160, GAP : GAP + 200]
    second = whole[GAP : GAP + 80, 200 + 2 * GAP : 400 + 2 * GAP]
    return first, second


def test_faces_are_outlined_where_they_are(split: FaceSplit) -> None:
    first, second = cells(sheet(split, [0, 1], columns=2, side=200))
    assert not second.any()
    x, y, width, height = (4 * side for side in (5, 10, 20, 16))
    assert first[y, x : x + width].any(axis=1).all()
    assert first[y : y + height, x + width - 1].any(axis=1).all()
    assert not first[y + 2 : y + height - 2, x + 2 : x + width - 2].any()
    assert len(set(first[8, 120].tolist())) == 1, "the invalid face is grey"
    assert len(set(first[y, x].tolist())) > 1


def test_detections_are_drawn_from_the_threshold_on(split: FaceSplit) -> None:
    found = {"0--A/b": np.array([[10.0, 4, 8, 12, 0.9], [30, 4, 8, 12, 0.1]])}
    first, second = cells(sheet(split, [0, 1], found, columns=2, side=200, threshold=0.5))
    assert second[16:64, 40].any(axis=1).all()
    assert not second[:, 120:].any()
    assert first[40, 20].tolist() == [255, 255, 255]


def test_a_picture_beyond_the_set_is_refused(split: FaceSplit) -> None:
    with pytest.raises(RepriseError, match=r"own\.txt: has no picture 2; it has 2"):
        sheet(split, [0, 2])
