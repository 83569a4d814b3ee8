"""MogFace's anchors, box codes and matching, against loops over every pair in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from baselines.mogface.anchors import decode, encode, exclusive, grid_sizes, inclusive, make_anchors
from baselines.mogface.matching import NEGATIVE, match

Box = list[float]


def looped_anchors(height: int, width: int, scale: float) -> list[Box]:
    found = []
    for level in range(6):
        stride = 4 * 2**level
        side = 4 * stride * scale
        for row in range(math.ceil(height / stride)):
            for column in range(math.ceil(width / stride)):
                x, y = (column + 0.5) * stride, (row + 0.5) * stride
                reach = (side - 1) / 2
                found.append([x - reach, y - reach, x + reach, y + reach])
    return found


def looped_iou(one: Box, other: Box) -> float:
    width = max(0.0, min(one[2], other[2]) - max(one[0], other[0]))
    height = max(0.0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return width * height / (sum(areas) - width * height)


def looped_match(faces: list[Box], anchors: list[Box]) -> list[int]:
    found = []
    for anchor in anchors:
        overlaps = [looped_iou(face, anchor) for face in faces]
        best = max(overlaps, default=0.0)
        found.append(overlaps.index(best) if best >= 0.35 else -1)
    for number, face in enumerate(faces):
        overlaps = [looped_iou(face, anchor) for anchor in anchors]
        if max(overlaps) > 0:
            found[overlaps.index(max(overlaps))] = number
    return found


def random_faces(count: int, side: int, seed: int) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    size = 4 * 30 ** torch.rand(count, 2, generator=draw, dtype=torch.float64)
    centre = torch.rand(count, 2, generator=draw, dtype=torch.float64) * side
    return torch.cat([centre - size / 2, centre + size / 2], 1)


@pytest.mark.parametrize("scale", [1.0, 0.68])
def test_anchors_are_one_square_per_cell_with_inclusive_corners(scale: float) -> None:
    anchors = make_anchors(grid_sizes(130, 70), scale)
    torch.testing.assert_close(anchors.double(), torch.tensor(looped_anchors(130, 70, scale), dtype=torch.float64))


def test_grids_halve_and_round_up() -> None:
    assert grid_sizes(640, 640) == [(160, 160), (80, 80), (40, 40), (20, 20), (10, 10), (5, 5)]
    assert grid_sizes(130, 70) == [(33, 18), (17, 9), (9, 5), (5, 3), (3, 2), (2, 1)]
    assert sum(rows * columns for rows, columns in grid_sizes(640, 640)) == 34125


@pytest.mark.parametrize("seed", range(4))
def test_matching_is_the_loop_over_every_pair(seed: int) -> None:
    faces = random_faces(25, 160, seed)
    anchors = make_anchors(grid_sizes(160, 160), 0.68).double()
    found = match(faces, anchors)
    assert found.tolist() == looped_match(faces.tolist(), anchors.tolist())
    assert (found >= 0).sum() > 25


def test_a_face_without_a_good_anchor_takes_its_best_one() -> None:
    anchors = make_anchors([(4, 4), (2, 2), (1, 1), (1, 1), (1, 1), (1, 1)], 1.0)
    face = torch.tensor([[5.0, 5.0, 8.0, 8.0]])  # far smaller than any anchor
    found = match(face, anchors)
    assert (found >= 0).sum() == 1
    assert found[0] == 0  # nine anchors hold the whole face and overlap it alike: the first is its best


def test_the_last_face_wins_a_shared_best_anchor() -> None:
    anchors = make_anchors([(4, 4), (2, 2), (1, 1), (1, 1), (1, 1), (1, 1)], 1.0)
    faces = torch.tensor([[5.0, 5.0, 8.0, 8.0], [4.5, 5.0, 8.0, 8.0]])
    found = match(faces, anchors)
    assert found[0] == 1
    assert not (found == 0).any()


def test_equal_faces_leave_good_anchors_to_the_first_and_the_best_to_the_last() -> None:
    anchors = make_anchors(grid_sizes(64, 64), 1.0)
    face = torch.tensor([[20.0, 20.0, 37.0, 37.0]])
    found = match(torch.cat([face, face]), anchors)
    assert (found == 1).sum() == 1
    assert (found == 0).sum() > 1


def test_overlap_for_matching_is_without_plus_one() -> None:
    # 4 x 4 of 7 x 7 is 0.327 without + 1, a negative; with it, 5 x 5 of 8 x 8 would be 0.391, a positive.
    anchors = torch.tensor([[0.0, 0, 7, 7], [0.0, 0, 5.5, 5.5]])
    assert match(torch.tensor([[0.0, 0, 4, 4]]), anchors).tolist() == [NEGATIVE, 0]


def test_a_face_that_touches_no_anchor_has_none() -> None:
    anchors = make_anchors(grid_sizes(64, 64), 1.0)
    assert (match(torch.tensor([[5000.0, 5000, 5010, 5010]]), anchors) == NEGATIVE).all()
    assert (match(torch.zeros(0, 4), anchors) == NEGATIVE).all()


def test_faces_are_matched_alike_however_many_there_are() -> None:
    faces = random_faces(150, 160, 9)
    anchors = make_anchors(grid_sizes(160, 160), 1.0).double()
    assert match(faces, anchors).tolist() == looped_match(faces.tolist(), anchors.tolist())


def test_box_codes_come_back_and_are_those_of_inclusive_widths() -> None:
    anchor = torch.tensor([[0.0, 0.0, 15.0, 15.0]], dtype=torch.float64)  # 16 wide, centre 7.5
    face = torch.tensor([[4.0, 2.0, 35.0, 9.0]], dtype=torch.float64)  # 32 x 8, centre (19.5, 5.5)
    code = encode(face, anchor)
    expected = [12 / 16, -2 / 16, math.log(2), math.log(0.5)]
    torch.testing.assert_close(code[0], torch.tensor(expected, dtype=torch.float64))
    torch.testing.assert_close(decode(code, anchor), face)


def test_corners_change_between_exclusive_and_inclusive() -> None:
    given = torch.tensor([[1.0, 2, 11, 5], [8, 9, 3, 4], [1, 1, 1, 9], [1, 1, 9, 1]])
    assert inclusive(given).tolist() == [[1, 2, 10, 4], [3, 4, 7, 8]]
    assert exclusive(inclusive(given)).tolist() == [[1, 2, 11, 5], [3, 4, 8, 9]]
