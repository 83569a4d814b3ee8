"""Faces reach mmdet whole: small ones too, empty pictures too, and nothing degenerate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.base import RepriseError
from benchmarks.detection.data import training_loader
from benchmarks.wider_face.annotations import FaceAnnotations, face_image, read_bbx_gt
from benchmarks.wider_face.dataset import FaceDataset
from benchmarks.wider_face.face_pictures import picture_sizes
from benchmarks.wider_face.real_wider import FaceSplit

LOAD = {"type": "LoadImageFromFile"}
PIPELINE = [
    LOAD,
    {"type": "LoadAnnotations", "with_bbox": True},
    {"type": "RandomFlip", "prob": 0.5},
    {"type": "PackDetInputs"},
]
PLAIN = [PIPELINE[0], PIPELINE[1], PIPELINE[3]]


def labels(**values: int) -> list[int]:
    names = ("blur", "expression", "illumination", "invalid", "occlusion", "pose")
    return [values.get(name, 0) for name in names]


IMAGES = (
    face_image(
        "0--Parade/wide.png",
        [[10, 5, 20, 24], [40, 8, 3, 4], [0, 0, 0, 9], [30, 20, -6, 12]],
        [labels(), labels(invalid=1), labels(), labels()],
    ),
    face_image("0--Parade/empty.png", []),
    face_image("9--Press_Conference/tall.png", [[4, 40, 16, 16]], [labels(occlusion=2)]),
)


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> FaceSplit:
    folder = tmp_path_factory.mktemp("faces")
    sizes = [(64, 48), (64, 48), (48, 64)]
    for image, (width, height) in zip(IMAGES, sizes, strict=True):
        (folder / image.event).mkdir(exist_ok=True)
        Image.fromarray(np.full((height, width, 3), 90, np.uint8)).save(folder / image.name)
    return FaceSplit(FaceAnnotations(folder / "own.txt", IMAGES), folder, sizes)


def boxes(sample: Any) -> list[list[float]]:
    return sample["data_samples"].gt_instances.bboxes.tensor.tolist()


def test_faces_become_corners_and_none_is_dropped_for_being_small(split: FaceSplit) -> None:
    found = FaceDataset(split, PLAIN)
    assert len(found) == 3
    assert boxes(found[0]) == [[10, 5, 30, 29], [40, 8, 43, 12]]
    assert boxes(found[1]) == []
    assert boxes(found[2]) == [[4, 40, 20, 56]]
    sample = found[2]["data_samples"]
    assert sample.img_id == "9--Press_Conference/tall"
    assert sample.ori_shape == (64, 48)
    assert sample.gt_instances.labels.tolist() == [0]
    assert len(found[0]["data_samples"].ignored_instances) == 0
    assert found.metainfo["classes"] == ("face",)


def test_invalid_faces_leave_on_request(split: FaceSplit) -> None:
    assert boxes(FaceDataset(split, PLAIN, drop_invalid=True)[0]) == [[10, 5, 30, 29]]


def test_negative_sides_are_turned_on_request(split: FaceSplit) -> None:
    turned = FaceDataset(split, PLAIN, swap_negative=True)
    assert boxes(turned[0]) == [[10, 5, 30, 29], [40, 8, 43, 12], [24, 20, 30, 32]]


def test_training_batches_hold_every_picture_once_a_pass(split: FaceSplit) -> None:
    loader = training_loader(FaceDataset(split, PIPELINE), batch_size=1, iterations=6, seed=3)
    seen = [batch["data_samples"][0].img_id for batch in loader]
    assert sorted(seen[:3]) == sorted(seen[3:]) == sorted(image.key for image in IMAGES)


def test_a_damaged_picture_is_named(split: FaceSplit, tmp_path: Path) -> None:
    for image in IMAGES:
        (tmp_path / image.event).mkdir(exist_ok=True)
        (tmp_path / image.name).write_bytes((split.folder / image.name).read_bytes()[:40])
    damaged = FaceDataset(split._replace(folder=tmp_path), PLAIN)
    with pytest.raises(RepriseError, match=r"wide\.png: cannot be read as a picture; fetch it again"):
        damaged[0]


def test_the_real_pictures_make_batches(shared_data: Path, tmp_path: Path) -> None:
    truth = read_bbx_gt(shared_data / "wider_face" / "wider_face_split" / "wider_face_val_bbx_gt.txt")
    (tmp_path / "22--Picnic").symlink_to(shared_data / "wider_face" / "images")
    here = {f"22--Picnic/{path.name}" for path in (shared_data / "wider_face" / "images").iterdir()}
    part = FaceAnnotations(truth.path, tuple(image for image in truth.images if image.name in here))
    split = FaceSplit(part, tmp_path, picture_sizes(part, tmp_path))
    resize = {"type": "Resize", "scale": (640, 640), "keep_ratio": True}
    found = FaceDataset(split, [*PLAIN[:2], resize, PIPELINE[2], PLAIN[2]])
    faces = 0
    for batch in training_loader(found, batch_size=1, iterations=24, seed=0):
        for picture, sample in zip(batch["inputs"], batch["data_samples"], strict=True):
            assert picture.dtype == torch.uint8
            assert max(picture.shape[1:]) == 640
            corners = sample.gt_instances.bboxes.tensor
            faces += len(corners)
            assert (corners[:, 2:] > corners[:, :2]).all()
            limit = torch.tensor([sample.img_shape[1], sample.img_shape[0]])
            assert (corners[:, 2:] <= limit + 1e-3).all()
            assert (corners >= -1e-3).all()
    assert faces == sum(len(image.boxes) for image in part.images)
