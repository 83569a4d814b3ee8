"""Data-anchor sampling on pixels: sizes, places, what belongs to a face, and that no large picture is made."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.detection import install_ops
from benchmarks.wider_face import augmentation as module
from benchmarks.wider_face.augmentation import DataAnchorSampling

install_ops()

from mmdet.registry import TRANSFORMS  # noqa: E402
from mmdet.structures.bbox import HorizontalBoxes  # noqa: E402

COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]


def picture(height: int, width: int, faces: list[list[int]]) -> dict[str, Any]:
    """A dark picture whose faces are rectangles, each of a colour of its own."""
    image = np.full((height, width, 3), 20, np.uint8)
    for colour, (left, top, right, bottom) in zip(COLOURS, faces, strict=False):
        image[top:bottom, left:right] = colour
    boxes = np.array(faces, np.float32).reshape(-1, 4)
    return {
        "img": image,
        "gt_bboxes": HorizontalBoxes(boxes),
        "gt_bboxes_labels": np.arange(len(boxes)),
        "gt_ignore_flags": np.zeros(len(boxes), bool),
    }


def centre_colours(results: dict[str, Any]) -> list[tuple[int, ...]]:
    found = []
    for left, top, right, bottom in results["gt_bboxes"].tensor.tolist():
        pixel = results["img"][int((top + bottom) / 2), int((left + right) / 2)]
        found.append(tuple(255 if value > 150 else 0 for value in pixel.tolist()))
    return found


FACES = [[20, 30, 60, 80], [100, 40, 130, 75], [150, 100, 200, 170], [10, 120, 50, 160]]


@pytest.mark.parametrize("sampling", ["das", "sse"])
def test_boxes_lie_where_their_faces_are_drawn(sampling: str) -> None:
    step = DataAnchorSampling(side=160, sampling=sampling, sse_main="P3", sse_low=8.0)
    seen: set[int] = set()
    sizes = []
    for seed in range(60):
        np.random.seed(seed)
        made = step(picture(200, 240, FACES))
        assert made["img"].shape == (160, 160, 3)
        assert made["img_shape"] == (160, 160)
        boxes = made["gt_bboxes"].tensor
        assert len(boxes) == len(made["gt_bboxes_labels"]) == len(made["gt_ignore_flags"]) > 0
        assert ((boxes >= 0) & (boxes <= 160)).all()
        assert centre_colours(made) == [COLOURS[label] for label in made["gt_bboxes_labels"]]
        seen |= set(made["gt_bboxes_labels"].tolist())
        sizes.append(float((boxes[0, 2:] - boxes[0, :2]).prod().sqrt()))
    assert seen == {0, 1, 2, 3}
    assert max(sizes) > 4 * min(sizes)


@pytest.mark.parametrize("factor", [0.4, 1.0, 2.5, 6.0])
def test_edges_are_where_the_boxes_say(factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """To a pixel, for every interpolation, shrunk and grown."""
    monkeypatch.setattr(DataAnchorSampling, "_factor", lambda self, size, height, width, side, rng: factor)
    step = DataAnchorSampling(side=160, min_face=0.0)
    face = [[100, 90, 120, 114]]
    for kind in module.INTERPOLATIONS:
        monkeypatch.setattr(module, "INTERPOLATIONS", (kind,))
        np.random.seed(3)
        made = step(picture(200, 240, face))
        left, top, right, bottom = made["gt_bboxes"].tensor[0].tolist()
        assert right - left == pytest.approx(20 * factor, abs=0.01 * factor)
        rows, columns = np.nonzero(made["img"][..., 0].astype(int) - made["img"][..., 1].astype(int) > 117)
        assert [columns.min(), rows.min()] == pytest.approx([left, top], abs=1.01)
        assert [columns.max() + 1, rows.max() + 1] == pytest.approx([right, bottom], abs=1.01)


def test_what_lies_outside_the_picture_has_the_mean_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DataAnchorSampling, "_factor", lambda self, size, height, width, side, rng: 1.0)
    np.random.seed(0)
    made = DataAnchorSampling(side=160)(picture(50, 60, [[10, 10, 40, 40]]))
    padded = (made["img"] == [104, 116, 124]).all(-1)  # BGR
    assert padded.sum() == 160 * 160 - 50 * 60


def test_pictures_without_faces_are_squeezed() -> None:
    np.random.seed(0)
    made = DataAnchorSampling(side=64)(picture(50, 200, []))
    assert made["img"].shape == (64, 64, 3)
    assert len(made["gt_bboxes"]) == 0
    assert (made["img"] == 20).all()


def test_a_picture_is_squeezed_where_no_cut_holds_a_face(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DataAnchorSampling, "_factor", lambda self, size, height, width, side, rng: 4.0)
    np.random.seed(0)
    made = DataAnchorSampling(side=64)(picture(100, 200, [[20, 10, 120, 90]]))
    np.testing.assert_allclose(made["gt_bboxes"].tensor[0], [6.4, 6.4, 38.4, 57.6], rtol=1e-5)


def test_faces_without_a_size_are_not_drawn() -> None:
    for seed in range(10):
        np.random.seed(seed)
        made = DataAnchorSampling(side=64)(picture(100, 100, [[20, 20, 20, 40], [30, 30, 60, 60]]))
        assert made["gt_bboxes_labels"].tolist() == [1]


def test_a_seed_gives_one_result_and_takes_one_number() -> None:
    step = DataAnchorSampling(side=96)
    made, following = [], []
    for _ in range(2):
        np.random.seed(7)
        made.append(step(picture(200, 240, FACES)))
        following.append(np.random.randint(2**31))
    np.random.seed(7)
    np.random.randint(2**31)
    assert np.random.randint(2**31) == following[0] == following[1]
    np.testing.assert_array_equal(made[0]["img"], made[1]["img"])


def test_growing_makes_no_picture_larger_than_the_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """A face of 3 pixels at 300 would make 20,000 x 20,000 pixels; the area's limit alone would allow 432 MB."""
    monkeypatch.setattr(DataAnchorSampling, "_factor", lambda self, size, height, width, side, rng: 60.0)
    made: list[tuple[int, ...]] = []
    warp = module.cv2.warpAffine
    monkeypatch.setattr(
        module.cv2, "warpAffine", lambda image, *args, **more: made.append(args[1]) or warp(image, *args, **more)
    )
    monkeypatch.setattr(module.cv2, "resize", lambda *args, **more: pytest.fail("resized as a whole"))
    np.random.seed(1)
    DataAnchorSampling(side=640)(picture(200, 200, [[100, 100, 103, 103]]))
    assert made
    assert max(made[0]) <= 640


def test_a_varying_side_is_one_per_batch_and_depends_on_seed_and_batch_alone() -> None:
    step = DataAnchorSampling(varying="batch", seed=3)

    def side(batch: int) -> int:
        made = step({**picture(200, 240, FACES), "batch": batch})
        assert made["img"].shape[0] == made["img"].shape[1]
        return int(made["img"].shape[0])

    sides = [side(batch) for batch in range(12)]
    assert sides == [side(batch) for batch in range(12)]
    assert len(set(sides)) > 3
    assert all(each % 32 == 0 and 640 <= each <= 1184 for each in sides)


def test_it_builds_by_its_name() -> None:
    from mmdet.utils import register_all_modules

    register_all_modules(init_default_scope=True)
    np.random.seed(0)
    results = TRANSFORMS.build({"type": "DataAnchorSampling", "side": 128})(picture(200, 240, FACES))
    assert results["img"].shape == (128, 128, 3)
    assert len(results["gt_bboxes"]) > 0
