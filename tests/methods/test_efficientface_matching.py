"""Anchors, box codes and matching against plain loops, and against mmdet's own parts set up as the specification says."""

from __future__ import annotations

import math
import random

import pytest
import torch
from torch import Tensor

from benchmarks.base import RepriseError
from benchmarks.detection import install_ops
from methods.efficientface.anchors import anchors, decode, encode
from methods.efficientface.matching import BACKGROUND, CHUNK, IGNORED, RULES, match

install_ops()

from mmdet.models.task_modules import AnchorGenerator, DeltaXYWHBBoxCoder, MaxIoUAssigner  # noqa: E402
from mmengine.structures import InstanceData  # noqa: E402

CPU = torch.device("cpu")
STRIDES = (4, 8, 16, 32, 64, 128)
RESCUE, STRICT = RULES["iou035_rescue"], RULES["iou040_050"]


def faces(count: int, side: int, seed: int, smallest: float = 2.0) -> Tensor:
    """Boxes of any size inside a square picture, in whole pixels: many overlaps are then equal."""
    draw = random.Random(seed)
    found = []
    for _ in range(count):
        width, height = (min(side, round(smallest * 2 ** draw.uniform(0, math.log2(side / smallest)))) for _ in "wh")
        height = max(2, min(side, round(width * draw.uniform(0.6, 1.6))))
        x, y = draw.randint(0, side - width), draw.randint(0, side - height)
        found.append([x, y, x + width, y + height])
    return torch.tensor(found, dtype=torch.float32).reshape(-1, 4)


def overlap(a: list[float], b: list[float]) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def matched_by_loops(
    boxes: list[list[float]], places: list[list[float]], low: float, high: float, rescue: bool
) -> list[int]:
    table = [[overlap(box, place) for place in places] for box in boxes]
    found = []
    for place in range(len(places)):
        best, owner = 0.0, BACKGROUND
        for face in range(len(boxes)):
            if table[face][place] > best:
                best, owner = table[face][place], face
        found.append(owner if best >= high else BACKGROUND if best < low else IGNORED)
    if rescue:
        for face, row in enumerate(table):
            if max(row) > 0:
                found[row.index(max(row))] = face
    return found


def test_anchors_are_squares_of_four_strides_around_each_place() -> None:
    found = anchors(128, 256, (1.0,), (4.0,), CPU)
    expected = []
    for stride in STRIDES:
        for row in range(128 // stride):
            for column in range(256 // stride):
                x, y, half = (column + 0.5) * stride, (row + 0.5) * stride, 2.0 * stride
                expected.append([x - half, y - half, x + half, y + half])
    assert torch.equal(found, torch.tensor(expected))
    assert len(anchors(640, 640, (1.0,), (4.0,), CPU)) == 34_125


@pytest.mark.parametrize(("ratios", "scales"), [((1.0,), (4.0,)), ((1.0, 1.5), (2.0, 4.0, 6.0))])
def test_anchors_are_those_of_mmdets_generator(ratios: tuple[float, ...], scales: tuple[float, ...]) -> None:
    generator = AnchorGenerator(strides=list(STRIDES), scales=list(scales), ratios=list(ratios), center_offset=0.5)
    sizes = [(256 // stride, 384 // stride) for stride in STRIDES]
    expected = torch.cat(generator.grid_priors(sizes, device="cpu"))
    torch.testing.assert_close(anchors(256, 384, ratios, scales, CPU), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(320, 640), (640, 600), (64, 128), (0, 128)])
def test_a_batch_that_is_not_padded_is_refused(height: int, width: int) -> None:
    with pytest.raises(RepriseError, match=f"{height} x {width} .* multiples of 128"):
        anchors(height, width, (1.0,), (4.0,), CPU)


def test_codes_are_offsets_over_sides_and_logarithms_of_ratios() -> None:
    beside = torch.tensor([[10.0, 20.0, 26.0, 36.0]], dtype=torch.float64)
    box = torch.tensor([[12.0, 16.0, 20.0, 48.0]], dtype=torch.float64)
    expected = torch.tensor(
        [[(16 - 18) / 16, (32 - 28) / 16, math.log(8 / 16), math.log(32 / 16)]], dtype=torch.float64
    )
    torch.testing.assert_close(encode(box, beside), expected)
    torch.testing.assert_close(decode(expected, beside), box)


def test_codes_are_those_of_mmdets_coder() -> None:
    coder = DeltaXYWHBBoxCoder(target_means=[0.0] * 4, target_stds=[1.0] * 4)
    boxes = faces(40, 256, seed=3)
    beside = anchors(256, 256, (1.0, 1.5), (4.0,), CPU)[torch.arange(40) * 100]
    torch.testing.assert_close(encode(boxes, beside), coder.encode(beside, boxes), rtol=1e-5, atol=1e-6)
    codes = torch.randn(40, 4) * 3
    torch.testing.assert_close(decode(codes, beside), coder.decode(beside, codes), rtol=1e-4, atol=1e-2)


def test_a_wild_code_stays_finite() -> None:
    beside = anchors(128, 128, (1.0,), (4.0,), CPU)[:2]
    box = decode(torch.tensor([[0.0, 0.0, 500.0, -500.0], [0.0, 0.0, 0.0, 0.0]]), beside)
    assert torch.isfinite(box).all()
    assert torch.equal(box[1], beside[1])
    sides = box[0, 2:] - box[0, :2]
    torch.testing.assert_close(sides, torch.tensor([1000.0, 16 * 16 / 1000.0]))


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("seed", range(4))
def test_matching_equals_plain_loops(name: str, seed: int) -> None:
    rule = RULES[name]  # type: ignore[index]
    # Float64, so that equal overlaps are equal on both sides.
    boxes, beside = faces(30, 128, seed).double(), anchors(128, 128, (1.0,), (4.0,), CPU).double()
    high, low, rescue = (0.35, 0.35, True) if name == "iou035_rescue" else (0.5, 0.4, False)
    found = match(boxes, beside, rule).tolist()
    assert found == matched_by_loops(boxes.tolist(), beside.tolist(), low, high, rescue)
    assert any(owner >= 0 for owner in found)
    assert (IGNORED in found) == (not rescue)


@pytest.mark.parametrize("name", RULES)
def test_matching_is_that_of_mmdets_assigner(name: str) -> None:
    rule = RULES[name]  # type: ignore[index]
    assigner = (
        MaxIoUAssigner(0.35, 0.35, min_pos_iou=0, gt_max_assign_all=False)
        if rule.rescue
        else MaxIoUAssigner(0.5, 0.4, match_low_quality=False)
    )
    boxes, beside = faces(3 * CHUNK - 5, 256, seed=9), anchors(256, 256, (1.0,), (4.0,), CPU)
    truth = InstanceData(bboxes=boxes, labels=torch.zeros(len(boxes), dtype=torch.long))
    theirs = assigner.assign(InstanceData(priors=beside), truth).gt_inds
    # mmdet: -1 ignored, 0 background, faces from 1.
    expected = torch.where(theirs > 0, theirs - 1, torch.where(theirs == 0, BACKGROUND, IGNORED))
    assert torch.equal(match(boxes, beside, rule), expected)


def test_a_tiny_face_is_rescued_and_starves_under_the_other_rule() -> None:
    beside = anchors(128, 128, (1.0,), (4.0,), CPU)
    tiny = torch.tensor([[61.0, 61.0, 64.0, 64.0]])
    found = match(tiny, beside, RESCUE)
    assert (found >= 0).sum() == 1
    # Nine anchors of level 2 hold the face and overlap it equally; the first is around (58, 58), row and column 14.
    assert int((found >= 0).nonzero()) == 14 * 32 + 14
    assert not (match(tiny, beside, STRICT) >= 0).any()


def test_the_last_of_two_faces_with_one_best_anchor_has_it() -> None:
    beside = torch.tensor([[0.0, 0.0, 16.0, 16.0], [100.0, 100.0, 116.0, 116.0]])
    small = torch.tensor([[6.0, 6.0, 10.0, 10.0], [5.0, 5.0, 9.0, 9.0], [4.0, 4.0, 6.0, 6.0]])
    assert match(small, beside, RESCUE).tolist() == [2, BACKGROUND]
    assert match(small.flip(0), beside, RESCUE).tolist() == [2, BACKGROUND]


def test_a_rescue_takes_an_anchor_from_the_face_it_overlaps_more() -> None:
    beside = torch.tensor([[0.0, 0.0, 16.0, 16.0]])
    pair = torch.tensor([[7.0, 7.0, 9.0, 9.0], [0.0, 0.0, 16.0, 15.0]])
    assert match(pair, beside, RESCUE).tolist() == [1]
    assert match(pair.flip(0), beside, RESCUE).tolist() == [1]


def test_overlaps_have_no_pixel_added() -> None:
    # Half of the anchor exactly: with +1 it would be 0.529.
    beside = torch.tensor([[0.0, 0.0, 16.0, 16.0]])
    assert match(torch.tensor([[0.0, 0.0, 16.0, 7.9]]), beside, STRICT).tolist() == [IGNORED]
    assert match(torch.tensor([[0.0, 0.0, 16.0, 8.0]]), beside, STRICT).tolist() == [0]


def test_a_face_outside_every_anchor_and_a_picture_without_faces_match_nothing() -> None:
    beside = anchors(128, 128, (1.0,), (4.0,), CPU)
    assert set(match(torch.tensor([[900.0, 900.0, 910.0, 910.0]]), beside, RESCUE).tolist()) == {BACKGROUND}
    for rule in RULES.values():
        assert set(match(torch.empty(0, 4), beside, rule).tolist()) == {BACKGROUND}
