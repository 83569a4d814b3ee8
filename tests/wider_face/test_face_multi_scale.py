"""The multi-scale test: its table of passes at two sizes, its cost, mirrored boxes and voting."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.wider_face.multi_scale import Kind, Pass, original_scale, passes, unflipped, vote

INF = math.inf


def rows(found: list[Pass]) -> list[tuple[float, bool, float, float]]:
    return [(round(each.scale, 4), each.flip, each.above, each.below) for each in found]


def test_passes_of_a_usual_picture_are_the_whole_table() -> None:
    common = [(1, False, -INF, INF), (1, True, -INF, INF), *((s, False, 2000, INF) for s in (0.25, 0.5, 0.75))]
    table = [(1.25, 2000), (1.5, 800), (1.75, 1000), (2.0, 600), (2.25, 600)]
    assert rows(passes(768, 1024, "ms")) == [
        *common,
        *((scale, False, -INF, 15 * area) for scale, area in [*table, (2.6, 500)]),
    ]
    assert rows(passes(768, 1024, "ms_hard")) == [
        *common,
        *((scale, False, -INF, 10 * area) for scale, area in [*table, (2.3, 500)]),
        (1.4, True, -INF, INF),
    ]


def test_passes_of_a_picture_of_20_million_pixels_end_below_its_size() -> None:
    most = math.sqrt(0x7FFFFFFF / 200 / 20e6)  # 0.7327
    half = most / 2
    expected = [
        (most, False, -INF, INF),
        (most, True, -INF, INF),
        (0.25, False, 2000, INF),
        (half, False, 2000, INF),
        ((half + most) / 2, False, -INF, 9000),
    ]
    assert rows(passes(4000, 5000, "ms")) == [(round(row[0], 4), *row[1:]) for row in expected]
    assert rows(passes(4000, 5000, "ms_hard"))[-1] == (1.4, True, -INF, INF)
    assert original_scale(4000, 5000) == pytest.approx(most)
    assert original_scale(768, 1024) == 1.0


@pytest.mark.parametrize(
    ("side", "scales"),
    [
        (3277, [1.0, 1.0, 0.25, 0.5, 0.75, 0.75]),  # largest scale 0.99995
        (2048, [1.0, 1.0, 0.25, 0.5, 0.75, 1.25, 1.5, 1.6]),
        (1560, [1.0, 1.0, 0.25, 0.5, 0.75, 1.25, 1.5, 1.75, 2.0, 2.1005]),
    ],
)
def test_scales_above_the_largest_are_left_out(side: int, scales: list[float]) -> None:
    assert [each.scale for each in passes(side, side, "ms")] == pytest.approx(scales, abs=1e-3)


@pytest.mark.parametrize(("kind", "cost"), [("ms", 25.6), ("ms_hard", 26.1)])
def test_the_test_costs_what_the_specification_derives(kind: Kind, cost: float) -> None:
    assert sum(each.scale**2 for each in passes(768, 1024, kind)) == pytest.approx(cost, abs=0.05)


def test_a_pass_keeps_boxes_by_their_area() -> None:
    boxes = np.array([[0.0, 0, 41, 51], [0, 0, 41, 52]])  # 40 x 50 = 2000 and 40 x 51 on inclusive corners
    assert Pass(0.5, above=2000.0).keeps(boxes).tolist() == [False, True]
    assert Pass(1.5, below=2000.0).keeps(boxes).tolist() == [False, False]
    assert Pass(1.0).keeps(boxes).all()


def test_mirrored_boxes_come_back() -> None:
    assert unflipped(np.array([[0.0, 5, 10, 20]]), 100).tolist() == [[90, 5, 100, 20]]


def test_voting_on_three_boxes() -> None:
    """Two overlap by 0.8 and become their weighted mean; the third stays as it is."""
    boxes = np.array([[0.0, 0, 101, 101], [11, 0, 112, 101], [300, 300, 341, 361]])
    found, scores = vote(boxes, np.array([0.6, 0.9, 0.7]), 400, 400, "ms")
    left = (0.6 * 0 + 0.9 * 11) / 1.5  # 6.6
    assert found.tolist() == [[round(left), 0, round(left + 101), 101], [300, 300, 341, 361]]
    assert scores.tolist() == [0.9, 0.7]


def test_voting_needs_the_settings_overlap() -> None:
    boxes = np.array([[0.0, 0, 101, 101], [30, 0, 131, 101]])  # 70 / 130 = 0.538
    assert len(vote(boxes, np.array([0.9, 0.8]), 200, 200, "ms")[0]) == 2
    assert len(vote(boxes, np.array([0.9, 0.8]), 200, 200, "ms_hard")[0]) == 1


def test_voting_clips_keeps_the_best_and_survives_nothing() -> None:
    place = 20.0 * np.arange(900)
    boxes = np.stack([place, place * 0 - 5, place + 15, place * 0 + 10], 1)
    found, scores = vote(boxes, np.linspace(0.1, 0.9, 900), 8, 20_000, "ms")
    assert len(found) == 750
    assert (np.diff(scores) <= 0).all()
    assert found[:, 1].min() == 0
    assert found[:, 3].max() == 8
    assert vote(np.zeros((0, 4)), np.zeros(0), 10, 10, "ms")[0].shape == (0, 4)
    assert vote(np.array([[3.0, 3, 4, 4]]), np.array([0.5]), 10, 10, "ms")[0].tolist() == [[3, 3, 4, 4]]
