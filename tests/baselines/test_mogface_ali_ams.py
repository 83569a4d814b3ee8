"""Ali-AMS against a loop in float64, on hand-made images, with each released defect in both settings."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from baselines.mogface.ali_ams import (
    LEVELS,
    SIZES_AT_640,
    Recruits,
    Switches,
    nearest,
    nearest_in_grid,
    recruit,
)
from baselines.mogface.anchors import centres, decode, encode, grid_sizes, make_anchors
from baselines.mogface.matching import match
from benchmarks.base import RepriseError

Box = list[float]


def looped(
    face_of: list[int], faces: list[Box], anchors: list[Box], scores: list[float], ranges: list[tuple[int, int]]
) -> dict[int, Box]:
    """The definition, word for word: level by level, face by face, anchor by anchor. Anchor -> the box that it learns."""
    taken = {anchor for anchor, face in enumerate(face_of) if face >= 0}
    found: dict[int, Box] = {}
    for start, end in ranges:
        positives = dict.fromkeys(range(len(faces)), 0)
        for anchor in range(start, end):
            if face_of[anchor] >= 0:
                positives[face_of[anchor]] += 1
        m = max(positives.values(), default=0)
        for face in sorted(positives, key=lambda number: faces[number]):
            n = positives[face]
            if not 0 < n < m:
                continue
            x, y = (faces[face][0] + faces[face][2]) / 2, (faces[face][1] + faces[face][3]) / 2

            def distance(anchor: int, x: float = x, y: float = y) -> float:
                box = anchors[anchor]
                return (x - (box[0] + box[2]) / 2) ** 2 + (y - (box[1] + box[3]) / 2) ** 2

            candidates = sorted(range(start, end), key=lambda a: (distance(a), a))[:m]
            for anchor in sorted(candidates, key=lambda a: (-scores[a], a))[: m - n]:
                if anchor not in taken:
                    taken.add(anchor)
                    found[anchor] = faces[face]
    return found


def level_ranges(sizes: list[tuple[int, int]]) -> list[tuple[int, int]]:
    ends = list(itertools.accumulate(height * width for height, width in sizes))
    return list(zip([0, *ends], ends, strict=False))[:LEVELS]


def picture(count: int, height: int, width: int, seed: int, scale: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Matches, faces, anchors and scores of a crowd; scores of few values, so that equals occur."""
    draw = torch.Generator().manual_seed(seed)
    size = 5 * 25 ** torch.rand(count, 2, generator=draw, dtype=torch.float64)
    centre = torch.rand(count, 2, generator=draw, dtype=torch.float64) * torch.tensor([width, height])
    faces = torch.cat([centre - size / 2, centre + size / 2], 1).mul(4).round().div(4)
    anchors = make_anchors(grid_sizes(height, width), scale).double()
    scores = torch.randint(0, 6, (len(anchors),), generator=draw).double() / 6
    return match(faces, anchors), faces, anchors, scores


@pytest.mark.parametrize(
    ("height", "width", "scale", "seed"),
    [
        (128, 128, 0.68, 0),
        (128, 128, 1.0, 1),
        (96, 224, 0.68, 2),
        (24, 200, 0.68, 3),
        (128, 6, 1.0, 4),
        (67, 131, 1.0, 5),
    ],
)
def test_recruits_are_those_of_the_loop(height: int, width: int, scale: float, seed: int) -> None:
    face_of, faces, anchors, scores = picture(30, height, width, seed, scale)
    sizes = grid_sizes(height, width)
    got = recruit(face_of, faces, anchors, scores, sizes)
    want = looped(face_of.tolist(), faces.tolist(), anchors.tolist(), scores.tolist(), level_ranges(sizes))
    assert dict(zip(got.anchors.tolist(), got.boxes.tolist(), strict=True)) == want
    assert len(want) > 5
    assert not (face_of[got.anchors] >= 0).any()


@pytest.mark.parametrize(("height", "width", "count"), [(10, 10, 9), (1, 12, 5), (12, 1, 5), (3, 3, 9), (2, 9, 14)])
def test_the_window_holds_the_nearest_cells_of_the_whole_level(height: int, width: int, count: int) -> None:
    draw = torch.Generator().manual_seed(0)
    points = torch.rand(200, 2, generator=draw, dtype=torch.float64) * torch.tensor([width, height]) * 8 * 1.5
    points = (points - torch.tensor([width, height]) * 2).mul(2).round().div(2)  # outside too, and with equal distances
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    cells = torch.stack([x, y], -1).reshape(-1, 2).double() * 8
    assert nearest_in_grid(points, 8, (height, width), count).tolist() == nearest(points, cells, count).tolist()


# -- a hand-made image of 640 x 640, level P3 (anchors of 32 pixels, cells of 8) ---------------------------------------------

SIZES = list(SIZES_AT_640)
STARTS = [0, 25600, 32000, 33600, 34000, 34100]


def hand_made(face_of: dict[int, int], scale: float = 1.0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Matches by anchor; face 0 at (100, 100), face 1 at (300, 300), scores falling with the anchor's index."""
    anchors = make_anchors(SIZES, scale)
    faces = torch.tensor([[84.0, 84, 115, 115], [284, 284, 315, 315]])
    matches = torch.full((len(anchors),), -1)
    for anchor, face in face_of.items():
        matches[anchor] = face
    return matches, faces, anchors, torch.linspace(1, 0, len(anchors))


def cell(level: int, x: float, y: float) -> int:
    """The anchor of a level whose cell holds a point."""
    stride = 4 * 2**level
    return STARTS[level] + int(y // stride) * SIZES[level][1] + int(x // stride)


THREE_AND_ONE = {cell(1, 97, 97): 0, cell(1, 105, 97): 0, cell(1, 97, 105): 0, cell(1, 300, 300): 1}


def test_a_poor_face_gets_as_many_anchors_as_the_richest() -> None:
    found = recruit(*hand_made(THREE_AND_ONE), SIZES)
    # m = 3: the cell of (300, 300), whose corner (304) is no nearer than its centre, and two neighbours on the side of 296.
    assert len(found.anchors) in (1, 2)
    assert (found.boxes == torch.tensor([284.0, 284, 315, 315])).all()
    assert set(found.anchors.tolist()) <= {cell(1, 300, 292), cell(1, 292, 300), cell(1, 308, 300), cell(1, 300, 308)}


def test_the_seventh_level_is_left_alone() -> None:
    matches, faces, anchors, scores = hand_made({})
    matches[[34100, 34101, 34102]] = torch.tensor([0, 0, 1])
    assert len(recruit(matches, faces, anchors, scores, SIZES).anchors) == 0


def test_a_face_without_positives_on_a_level_gets_none_there() -> None:
    only_first = {anchor: face for anchor, face in THREE_AND_ONE.items() if face == 0}
    assert len(recruit(*hand_made(only_first), SIZES).anchors) == 0


def test_candidates_taken_already_are_chosen_in_vain() -> None:
    """Among three candidates the two best are wanted; the poor face's own anchor is the best, so that one comes."""
    matches, faces, anchors, scores = hand_made(THREE_AND_ONE)
    scores[cell(1, 300, 300)] = 2.0
    assert len(recruit(matches, faces, anchors, scores, SIZES).anchors) == 1
    scores[cell(1, 300, 300)] = -2.0
    assert len(recruit(matches, faces, anchors, scores, SIZES).anchors) == 2


def levels_of(found: Recruits) -> set[int]:
    return {max(level for level, start in enumerate(STARTS) if start <= anchor) for anchor in found.anchors.tolist()}


def test_d4_released_slice_recruits_anchors_of_finer_levels() -> None:
    image = hand_made(THREE_AND_ONE)
    assert levels_of(recruit(*image, SIZES, Switches(slice="fixed"))) == {1}
    assert levels_of(recruit(*image, SIZES, Switches(slice="released"))) == {0}


@pytest.mark.parametrize(("level", "start"), [(1, 6400), (2, 8000), (3, 8400), (4, 8500)])
def test_d4_ranges_begin_where_the_specification_says(level: int, start: int) -> None:
    """Every anchor of the range is a candidate: m is made as large as the range from `start`, and all of it is taken."""
    matches, faces, anchors, _ = hand_made({})
    faces = torch.tensor([[0.0, 0, 3, 3], [600, 600, 603, 603]])
    own = torch.arange(STARTS[level], STARTS[level + 1])
    matches[own] = 0
    matches[own[-1]] = 1
    scores = -torch.arange(len(anchors)).float()
    near = (
        nearest(centres(faces[1:].double()), centres(anchors[start : STARTS[level + 1]].double()), len(own) - 1)[0]
        + start
    )
    want = sorted(near.tolist())[: len(own) - 2]
    found = recruit(matches, faces, anchors, scores, SIZES, Switches(slice="released"))
    assert found.anchors.tolist() == [anchor for anchor in want if matches[anchor] < 0]
    assert int(found.anchors.min()) >= start


def test_d5_released_code_shifts_ranges_past_an_empty_level() -> None:
    image = hand_made(THREE_AND_ONE)  # P2 has no positive
    assert levels_of(recruit(*image, SIZES, Switches(empty_level="fixed"))) == {1}
    assert levels_of(recruit(*image, SIZES, Switches(empty_level="released"))) == {0}
    matches, *rest = image
    matches[cell(0, 300, 300)] = 1  # with one, both agree
    fixed, released = (recruit(matches, *rest, SIZES, Switches(empty_level=way)) for way in ("fixed", "released"))
    assert fixed.anchors.tolist() == released.anchors.tolist()


def test_d6_released_code_splits_faces_whose_decoded_boxes_differ() -> None:
    """Decoding rounds in single precision: at an anchor scale of 0.68 by the anchor, at 1.0 not at all."""
    draw = torch.Generator().manual_seed(0)
    corner = torch.rand(200, 2, generator=draw) * 560
    faces = torch.cat([corner, corner + 20 + torch.rand(200, 2, generator=draw) * 40], 1)
    extra: dict[float, int] = {}
    same: dict[float, bool] = {}
    for scale in (1.0, 0.68):
        anchors = make_anchors(SIZES, scale)
        matches = match(faces, anchors)
        known = matches[matches >= 0]
        mine = anchors[matches >= 0]
        extra[scale] = len(decode(encode(faces[known], mine), mine).unique(dim=0)) - len(known.unique())
        scores = torch.rand(len(anchors), generator=torch.Generator().manual_seed(1))
        ways = [recruit(matches, faces, anchors, scores, SIZES, Switches(group=way)) for way in ("fixed", "released")]
        same[scale] = ways[0].anchors.tolist() == ways[1].anchors.tolist()
    assert extra[0.68] > 0
    assert extra[1.0] < extra[0.68]
    assert not same[0.68]


def test_d7_released_ranges_are_refused_at_other_sizes() -> None:
    face_of, faces, anchors, scores = picture(5, 96, 96, 0, 1.0)
    with pytest.raises(RepriseError, match="ams_fixed_640 is 'released' and the finest map is 24 x 24"):
        recruit(face_of, faces, anchors, scores, grid_sizes(96, 96), Switches(fixed_640="released"))
    image = hand_made(THREE_AND_ONE)
    fixed, released = (recruit(*image, SIZES, Switches(fixed_640=way)) for way in ("fixed", "released"))
    assert fixed.anchors.tolist() == released.anchors.tolist()


def test_pictures_without_faces_recruit_nobody() -> None:
    anchors = make_anchors(SIZES, 1.0)
    nobody = torch.full((len(anchors),), -1)
    for way in (Switches(), Switches(group="released")):
        found = recruit(nobody, torch.zeros(0, 4), anchors, torch.zeros(len(anchors)), SIZES, way)
        assert found.anchors.shape == (0,)
        assert found.boxes.shape == (0, 4)
