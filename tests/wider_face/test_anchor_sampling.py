"""DAS and SSE: shares, ranges and cuts, against loops and the specification's figures."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.wider_face.anchor_sampling import (
    CROPS,
    SIDES,
    choose_crop,
    crop_corners,
    cut_faces,
    das_target,
    holds_a_face,
    large_enough,
    picture_side,
    resize_factor,
    sse_target,
)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_sse_targets_fall_on_main_auxiliary_and_other_levels_by_their_shares() -> None:
    rng = generator()
    targets = np.array([sse_target(rng) for _ in range(100_000)])
    assert ((targets >= 106.2) & (targets < 212.4)).mean() == pytest.approx(0.20, abs=0.01)
    assert (targets >= 212.4).mean() == pytest.approx(0.16, abs=0.01)
    assert (targets < 106.2).mean() == pytest.approx(0.64, abs=0.01)
    assert targets.min() >= 16
    assert targets.max() <= 420.8


def test_sse_targets_are_even_within_each_range() -> None:
    rng = generator(1)
    targets = np.array([sse_target(rng) for _ in range(50_000)])
    for low, high in [(16, 106.2), (106.2, 212.4), (212.4, 420.8)]:
        inside = targets[(targets >= low) & (targets < high)]
        quarters = np.histogram(inside, 4, (low, high))[0] / len(inside)
        assert quarters == pytest.approx(np.full(4, 0.25), abs=0.02)


def test_sse_favours_another_level_on_small_pictures() -> None:
    rng = generator(2)
    targets = np.array([sse_target(rng, "P3", 4.0) for _ in range(20_000)])
    assert ((targets >= 26.7) & (targets < 54.0)).mean() == pytest.approx(0.20, abs=0.02)
    assert ((targets >= 54.0) & (targets < 106.2)).mean() == pytest.approx(0.16, abs=0.02)
    assert targets.min() >= 4


@pytest.mark.parametrize(("size", "highest"), [(3.0, 1), (16.0, 1), (23.0, 1), (25.0, 2), (100.0, 4), (5000.0, 5)])
def test_das_draws_among_the_anchors_up_to_the_next_larger(size: float, highest: int) -> None:
    rng = generator(3)
    targets = np.array([das_target(size, rng) for _ in range(20_000)])
    largest = 16 * 2**highest
    assert targets.min() >= 8
    assert targets.max() <= 2 * largest
    assert targets.max() > 1.9 * largest
    # Log-uniform over one octave either side of highest + 1 equal choices: the share below 16 is half of one choice.
    assert (targets < 16).mean() == pytest.approx(0.5 / (highest + 1), abs=0.02)


def test_resized_pictures_are_never_larger_than_their_area() -> None:
    assert resize_factor(64, 16, 600, 800, 12000) == 4.0
    factor = resize_factor(1000, 1, 600, 800, 4000)
    assert factor**2 * 600 * 800 == pytest.approx(4000**2)


def test_cuts_of_large_pictures_reach_from_the_faces_start_to_its_end() -> None:
    face = np.array([700.0, 300.0, 760.0, 380.0])
    corners = np.concatenate([crop_corners(face, 1000, 2000, 640, generator(seed)) for seed in range(100)])
    assert corners.shape == (100 * CROPS, 2)
    assert (corners == np.floor(corners)).all()
    assert (corners.min(0) >= [760 - 640, 380 - 640]).all()
    assert (corners.max(0) <= [700, 300]).all()
    assert corners.min(0) == pytest.approx([120, -260], abs=2)
    assert corners.max(0) == pytest.approx([700, 300], abs=2)


def test_cuts_of_faces_larger_than_themselves_lie_inside_the_face() -> None:
    corners = crop_corners(np.array([100.0, 100.0, 1100.0, 1100.0]), 1200, 1200, 640, generator())
    assert (corners >= 100).all()
    assert (corners + 640 <= 1100).all()


def test_cuts_of_small_pictures_hold_the_picture() -> None:
    corners = crop_corners(np.array([10.0, 10, 20, 20]), 300, 200, 640, generator())
    assert (corners <= 0).all()
    assert (corners[:, 0] + 640 >= 200).all()
    assert (corners[:, 1] + 640 >= 300).all()


def looped_holds(corner: list[float], faces: list[list[float]], side: int) -> bool:
    left, top = corner
    for x1, y1, x2, y2 in faces:
        if x1 >= left and y1 >= top and x2 <= left + side and y2 <= top + side:
            return True
        width = max(0.0, min(x2, left + side) - max(x1, left))
        height = max(0.0, min(y2, top + side) - max(y1, top))
        if width * height / ((x2 - x1) * (y2 - y1) + side * side - width * height) > 0.7:
            return True
    return False


def test_a_cut_counts_that_holds_a_face_or_is_nearly_one() -> None:
    rng = generator(4)
    corners = np.floor(rng.uniform(-100, 300, (300, 2)))
    low = rng.uniform(0, 300, (6, 2))
    faces = np.concatenate([low, low + rng.uniform(10, 130, (6, 2))], 1)
    faces[0] = [50, 60, 155, 165]  # larger than the cut
    expected = [looped_holds(corner, faces.tolist(), 100) for corner in corners.tolist()]
    assert holds_a_face(corners, faces, 100).tolist() == expected
    assert 0 < sum(expected) < 300


def test_no_cut_is_taken_where_none_holds_a_face() -> None:
    face = np.array([0.0, 0, 400, 400])
    assert choose_crop(face, face[None], 400, 400, 100, generator()) is None
    small = np.array([200.0, 200, 220, 220])
    left, top = choose_crop(small, small[None], 400, 400, 100, generator()) or (0, 0)
    assert left <= 200 <= left + 80
    assert top <= 200 <= top + 80


def test_faces_stay_by_their_centre_and_are_clipped() -> None:
    faces = np.array([[90.0, 90, 130, 130], [80, 80, 110, 110], [150, 150, 260, 190], [300, 300, 310, 310]])
    kept, cut = cut_faces(faces, 100, 100, 100)
    assert kept.tolist() == [True, False, False, False]
    assert cut.tolist() == [[0, 0, 30, 30]]
    kept, cut = cut_faces(faces, 106, 100, 100)
    assert kept.tolist() == [True, False, True, False]
    assert cut[1].tolist() == [44, 50, 100, 90]


def test_small_faces_are_dropped_unless_all_are() -> None:
    faces = np.array([[0.0, 0, 4, 16], [0, 0, 4, 15], [0, 0, 30, 30]])
    assert large_enough(faces, 8).tolist() == [True, False, True]
    assert large_enough(faces[1:2], 8).tolist() == [True]
    assert large_enough(faces[:0], 8).tolist() == []


def test_d3_the_side_is_drawn_for_the_run_or_for_each_batch() -> None:
    assert SIDES[0] == 640
    assert SIDES[-1] == 1184
    released = {picture_side(0, batch, "run") for batch in range(50)}
    assert released == {1024}  # the specification's derived figure for seed 0
    fixed = [picture_side(0, batch, "batch") for batch in range(400)]
    assert set(fixed) == set(SIDES)
    assert fixed == [picture_side(0, batch, "batch") for batch in range(400)]
