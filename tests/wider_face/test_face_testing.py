"""Testing a detector by a protocol: what it finds comes back in the picture's own pixels, whatever was done to the picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from benchmarks.base import RepriseError, registered_methods
from benchmarks.detection import install_ops
from benchmarks.wider_face import protocols, testing
from benchmarks.wider_face.annotations import FaceAnnotations, face_image
from benchmarks.wider_face.contract import FAMILY
from benchmarks.wider_face.multi_scale import Pass
from benchmarks.wider_face.protocols import PROTOCOLS, Protocol
from benchmarks.wider_face.real_wider import FaceSplit
from benchmarks.wider_face.testing import Rows, detections
from sweeps.registry import discover

install_ops()

from mmdet.models.data_preprocessors import DetDataPreprocessor  # noqa: E402
from mmdet.models.detectors.base import BaseDetector  # noqa: E402
from mmengine.structures import InstanceData  # noqa: E402

discover()

SIZES = ((100, 64), (100, 64), (64, 100), (100, 64))
"""Width and height of the pictures of `split`."""

FACES = (
    [[10, 8, 40, 20], [62, 30, 8, 16]],
    [[70, 4, 20, 52], [4, 40, 30, 12]],
    [[8, 10, 20, 60], [36, 20, 24, 30]],
    [],
)
"""x y w h of each picture's rectangles: the first red, the second green."""


class Finder(BaseDetector):
    """Finds the red and the green rectangle of a picture by its pixels, with scores 0.9 and 0.8; remembers what it was shown."""

    def __init__(self, divisor: int = 1) -> None:
        super().__init__(data_preprocessor=DetDataPreprocessor(pad_size_divisor=divisor))
        self.nms_iou = 0.5
        self.shown: list[tuple[int, ...]] = []
        self.ious: set[float] = set()
        self.breaks = False

    def predict(self, batch_inputs: Tensor, batch_data_samples: Any, rescale: bool = True) -> Any:
        if self.breaks:
            raise RuntimeError("out of memory")
        assert not self.training
        self.shown.append(tuple(batch_inputs.shape))
        self.ious.add(self.nms_iou)
        for picture, sample in zip(batch_inputs, batch_data_samples, strict=True):
            wide, high = sample.scale_factor
            found = [_extent(picture[channel] > 127) for channel in (2, 1)]
            boxes = torch.tensor([box for box in found if box]).reshape(-1, 4) / torch.tensor([wide, high, wide, high])
            scores = torch.tensor([score for box, score in zip(found, (0.9, 0.8), strict=True) if box])
            sample.pred_instances = InstanceData(bboxes=boxes.float(), scores=scores, labels=torch.zeros(len(scores)))
        return batch_data_samples

    def loss(self, batch_inputs: Tensor, batch_data_samples: Any) -> Any:
        raise NotImplementedError

    def _forward(self, batch_inputs: Tensor, batch_data_samples: Any = None) -> Any:
        raise NotImplementedError

    def extract_feat(self, batch_inputs: Tensor) -> Any:
        raise NotImplementedError


def _extent(mask: Tensor) -> list[int]:
    """Corners, exclusive, of what a mask (H, W) marks."""
    rows, columns = torch.nonzero(mask.any(1))[:, 0], torch.nonzero(mask.any(0))[:, 0]
    return [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1] if len(rows) else []


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> FaceSplit:
    folder = tmp_path_factory.mktemp("pictures")
    images = []
    for number, ((width, height), faces) in enumerate(zip(SIZES, FACES, strict=True)):
        pixels = np.zeros((height, width, 3), np.uint8)
        for channel, (x, y, w, h) in enumerate(faces):
            pixels[y : y + h, x : x + w, channel] = 255
        image = face_image(f"{9 - number}--E/{number}.png", faces, [[0] * 6 for _ in faces])
        (folder / image.event).mkdir()
        Image.fromarray(pixels).save(folder / image.name)
        images.append(image)
    return FaceSplit(FaceAnnotations(folder / "own.txt", tuple(images)), folder, list(SIZES))


def by(*passes: Pass, **more: Any) -> protocols.TestProtocol:
    return protocols.TestProtocol("a test of a test", lambda height, width: passes, **more)


def assert_found(found: dict[str, Rows], split: FaceSplit, near: float) -> None:
    """Every rectangle, the red one first, each side within `near` pixels."""
    assert list(found) == [image.key for image in split.truth.images]
    for image, expected in zip(split.truth.images, FACES, strict=True):
        rows = found[image.key]
        assert rows.dtype == np.float64
        assert rows[:, 4].tolist() == pytest.approx([0.9, 0.8][: len(expected)])
        np.testing.assert_allclose(rows[:, :4], np.reshape(expected, (-1, 4)), atol=near)


# -- back to the picture's own pixels ------------------------------------------------------------------------------------


def test_at_its_own_size_a_box_is_exact(split: FaceSplit) -> None:
    assert_found(detections(Finder(), split, PROTOCOLS["orig"]), split, near=1e-5)


@pytest.mark.parametrize(("name", "long"), [("vga640", 640), ("r1100x1650", 1650), ("short1600", 2150)])
def test_boxes_of_a_resized_picture_come_back(name: Protocol, long: int, split: FaceSplit) -> None:
    finder = Finder()
    # an edge moves by half a pixel of the resized picture, and a side has two
    assert_found(detections(finder, split, PROTOCOLS[name]), split, near=0.2)
    assert {max(shape[2:]) for shape in finder.shown} == {long}


@pytest.mark.parametrize("scale", [0.5, 0.73, 1.0, 1.9])
def test_boxes_of_a_mirrored_picture_come_back(scale: float, split: FaceSplit) -> None:
    found = detections(Finder(), split, by(Pass(scale, flip=True)))
    assert_found(found, split, near=1e-5 if scale == 1.0 else 1.1 / scale)


def test_each_side_has_the_scale_it_was_really_given(split: FaceSplit) -> None:
    """64 x 100 by 0.145 is 9 x 14 pixels: 7 in 64 and 100 is not what became of the sides."""
    seen: list[tuple[float, float]] = []

    class Recorder(Finder):
        def predict(self, batch_inputs: Tensor, batch_data_samples: Any, rescale: bool = True) -> Any:
            seen.extend(tuple(sample.scale_factor) for sample in batch_data_samples)
            return super().predict(batch_inputs, batch_data_samples, rescale)

    detections(Recorder(), split, by(Pass(0.145)))
    assert set(seen) == {(14 / 100, 9 / 64), (9 / 64, 14 / 100)}


def test_no_scale_makes_a_picture_vanish(split: FaceSplit) -> None:
    finder = Finder()
    detections(finder, split, by(Pass(0.001)))
    assert {shape[2:] for shape in finder.shown} == {(1, 1)}


def test_padding_changes_no_box(split: FaceSplit) -> None:
    finder = Finder(divisor=48)
    assert_found(detections(finder, split, PROTOCOLS["vga640"]), split, near=0.2)
    assert {shape[2:] for shape in finder.shown} == {(480, 672), (672, 480)}  # multiples of 48 and of 32


def test_a_picture_is_read_as_it_lies_in_the_file(tmp_path: Path) -> None:
    """Boxes speak of the pixels as stored, whatever a camera notes about turning them."""
    image = face_image("0--E/turned.jpg", [[16, 8, 32, 16]], [[0] * 6])
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[8:24, 16:48, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "0--E").mkdir()
    Image.fromarray(pixels).save(tmp_path / image.name, exif=exif, quality=95)
    turned = FaceSplit(FaceAnnotations(tmp_path / "own.txt", (image,)), tmp_path, [(96, 64)])
    (rows,) = detections(Finder(), turned, PROTOCOLS["orig"]).values()
    np.testing.assert_allclose(rows[:, :4], [[16, 8, 32, 16]], atol=1.0)


# -- several passes ------------------------------------------------------------------------------------------------------


def test_a_pass_keeps_boxes_by_their_area_in_the_original_picture(split: FaceSplit) -> None:
    large, small = Pass(2.0, above=700.0), Pass(1.0, flip=True, below=700.0)
    first = split.truth.images[0].key
    assert len(detections(Finder(), split, by(large))[first]) == 1
    found = detections(Finder(), split, by(large, small))[first]
    assert found[:, 4].tolist() == pytest.approx([0.9, 0.8])  # 40 x 20 by the first pass, 8 x 16 by the second
    np.testing.assert_allclose(found[:, :4], FACES[0], atol=0.6)


def test_without_voting_passes_stand_side_by_side(split: FaceSplit) -> None:
    found = detections(Finder(), split, by(Pass(1.0), Pass(1.0, flip=True)))
    assert [len(rows) for rows in found.values()] == [4, 4, 4, 0]


def test_voting_makes_one_box_of_a_mirrored_pair(split: FaceSplit) -> None:
    voting = by(Pass(1.0), Pass(1.0, flip=True), voting="ms")
    assert_found(detections(Finder(), split, voting), split, near=1e-9)


@pytest.mark.parametrize("name", ["ms", "ms_hard"])
def test_the_multi_scale_tests_find_every_face_once(name: Protocol, split: FaceSplit) -> None:
    finder = Finder()
    found = detections(finder, split, PROTOCOLS[name])
    assert_found(found, split, near=1.0)
    assert all((rows[:, :4] == np.round(rows[:, :4])).all() for rows in found.values())
    assert finder.ious == {PROTOCOLS[name].nms_iou}


# -- the detector is as it was -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("breaks", [False, True])
@pytest.mark.parametrize("mode", [False, True])
def test_padding_suppression_and_mode_are_restored(breaks: bool, mode: bool, split: FaceSplit) -> None:
    finder = Finder(divisor=10)
    finder.train(mode)
    finder.breaks = breaks
    way = by(Pass(1.0), divisor=4, voting="ms_hard")
    if breaks:
        with pytest.raises(RuntimeError, match="out of memory"):
            detections(finder, split, way)
    else:
        detections(finder, split, way)
        assert finder.ious == {0.4}
        assert all(side % 20 == 0 for shape in finder.shown for side in shape[2:])
    assert (finder.training, finder.nms_iou, finder.data_preprocessor.pad_size_divisor) == (mode, 0.5, 10)


def test_the_generators_are_left_alone(split: FaceSplit) -> None:
    before = torch.get_rng_state()
    detections(Finder(), split, PROTOCOLS["orig"])
    assert torch.equal(before, torch.get_rng_state())


# -- reading -------------------------------------------------------------------------------------------------------------


def test_neighbours_of_one_size_are_looked_at_together(split: FaceSplit, monkeypatch: pytest.MonkeyPatch) -> None:
    finder = Finder()
    heard: list[tuple[int, int]] = []
    detections(finder, split, PROTOCOLS["orig"], lambda done, of: heard.append((done, of)))
    assert finder.shown == [(2, 3, 64, 100), (1, 3, 100, 64), (1, 3, 64, 100)]
    assert heard == [(2, 4), (3, 4), (4, 4)]
    monkeypatch.setattr(testing, "BATCH_PIXELS", 2 * 100 * 64 - 1)
    alone = Finder()
    detections(alone, split, PROTOCOLS["orig"])
    assert [shape[0] for shape in alone.shown] == [1, 1, 1, 1]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_picture_that_cannot_be_read_is_named(workers: int, split: FaceSplit, tmp_path: Path) -> None:
    image = face_image("0--E/torn.png", [])
    (tmp_path / "0--E").mkdir()
    (tmp_path / image.name).write_bytes(b"\x89PNG torn")
    torn = FaceSplit(FaceAnnotations(tmp_path / "own.txt", (image,)), tmp_path, [(8, 8)])
    with pytest.raises(RepriseError, match=r"0--E/torn\.png: cannot be read as a picture; fetch it again"):
        detections(Finder(), torn, PROTOCOLS["orig"], workers=workers)


def test_worker_processes_change_nothing(split: FaceSplit) -> None:
    alone, helped = (detections(Finder(), split, PROTOCOLS["vga640"], workers=workers) for workers in (0, 2))
    assert list(alone) == list(helped)
    assert all(np.array_equal(alone[key], helped[key]) for key in alone)


# -- real detectors ------------------------------------------------------------------------------------------------------

LOW: dict[str, dict[str, Any]] = {"efficientface": {"score_threshold": 0.001}, "mogface": {"score": 0.001}}
"""An untrained detector gives every place a score near 0.01."""


@pytest.fixture(params=sorted(LOW), scope="module")
def untrained(request: pytest.FixtureRequest) -> Any:
    method: Any = registered_methods(FAMILY)[request.param]
    torch.manual_seed(1)
    built = method(method.Settings(**{**method.presets["small"](""), **LOW[request.param]})).build()
    with torch.no_grad():  # statistics of untrained layers let no picture through
        built.train()
        for _ in range(20):
            batch = torch.randint(0, 256, (4, 3, 128, 128), dtype=torch.uint8)
            built(built.data_preprocessor({"inputs": list(batch)}, False)["inputs"], mode="tensor")
    return built.double().eval()


def test_a_batch_finds_what_its_pictures_find_alone(
    untrained: Any, split: FaceSplit, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = detections(untrained, split, PROTOCOLS["orig"])
    monkeypatch.setattr(testing, "BATCH_PIXELS", 1)
    alone = detections(untrained, split, PROTOCOLS["orig"])
    assert sum(map(len, together.values())) > 20
    for key, rows in together.items():
        np.testing.assert_allclose(rows, alone[key], rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["vga640", "ms_hard"])
def test_real_detectors_stay_inside_the_picture(name: Protocol, untrained: Any, split: FaceSplit) -> None:
    before: Sequence[Any] = untrained.data_preprocessor.pad_size_divisor, untrained.nms_iou
    found = detections(untrained, split, PROTOCOLS[name])
    for rows, (width, height) in zip(found.values(), split.sizes, strict=True):
        assert len(rows)
        assert (rows[:, :2] >= -1e-4).all()
        assert (rows[:, :2] + rows[:, 2:4] <= np.array([width, height]) + 1e-4).all()
        assert (rows[:, 2:4] >= 0).all()
    assert before == (untrained.data_preprocessor.pad_size_divisor, untrained.nms_iou)
