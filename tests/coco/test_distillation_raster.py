"""Boxes as cells: the specification's vectors, a plain loop, and the float32 order of operations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmarks.coco.distillation.contract import BatchContext
from benchmarks.coco.distillation.raster import background, foreground

IMAGE, MAP = (320, 512), (10, 16)


def drawn(boxes: list[list[float]], image: tuple[int, int] = IMAGE, size: tuple[int, int] = MAP) -> Tensor:
    corners = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    context = BatchContext([corners], [image], image)
    return foreground([corners], context, size, "img_shape")[0]


def by_loop(boxes: list[list[float]], image: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Box by box and cell by cell in numpy's float32."""
    fg = np.zeros(size)
    for x1, y1, x2, y2 in np.asarray(boxes, dtype=np.float32).reshape(-1, 4):
        width, height = np.float32(size[1]), np.float32(size[0])
        c0 = max(0, math.floor(x1 / np.float32(image[1]) * width))
        c1 = max(0, math.ceil(x2 / np.float32(image[1]) * width))
        r0 = max(0, math.floor(y1 / np.float32(image[0]) * height))
        r1 = max(0, math.ceil(y2 / np.float32(image[0]) * height))
        if c1 < c0 or r1 < r0:
            continue
        value = 1.0 / ((r1 + 1 - r0) * (c1 + 1 - c0))
        for row in range(r0, min(r1, size[0] - 1) + 1):
            for column in range(c0, min(c1, size[1] - 1) + 1):
                fg[row, column] = max(fg[row, column], value)
    return fg


def test_a_box_marks_both_its_ends() -> None:
    expected = torch.zeros(MAP)
    expected[2:5, 2:5] = 1 / 9
    assert torch.equal(drawn([[64, 64, 128, 128]]), expected)


def test_the_larger_value_wins_where_boxes_overlap() -> None:
    expected = torch.zeros(MAP)
    expected[2:5, 2:5] = 1 / 9
    expected[2:4, 2:4] = 1 / 4
    assert torch.equal(drawn([[64, 64, 128, 128], [64, 64, 96, 96]]), expected)
    assert torch.equal(drawn([[64, 64, 96, 96], [64, 64, 128, 128]]), expected)


def test_a_small_box_marks_nine_cells() -> None:
    found = drawn([[70, 70, 100, 100]])
    assert int((found > 0).sum()) == 9
    assert torch.equal(found[found > 0], torch.full((9,), 1 / 9))


def test_cells_beyond_the_map_are_cut_and_the_value_stays() -> None:
    found = drawn([[480, 300, 512, 320]])
    assert found.nonzero().tolist() == [[9, 15]]
    assert found[9, 15] == 0.25


def test_a_box_over_the_whole_image() -> None:
    found = drawn([[0, 0, 512, 320]])
    torch.testing.assert_close(found, torch.full(MAP, 1 / 187))
    assert found.sum().item() == pytest.approx(160 / 187)


def test_a_box_in_the_interior_sums_to_one() -> None:
    assert drawn([[33, 65, 300, 250]]).sum().item() == pytest.approx(1.0, abs=1e-6)


def test_negative_bounds_are_clamped_and_reversed_boxes_skipped() -> None:
    assert torch.equal(drawn([[-50, -10, 64, 64]]), drawn([[0, 0, 64, 64]]))
    assert not drawn([[200, 64, 100, 128]]).any()
    assert not drawn([[100, 200, 200, 100]]).any()


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(-200, 1200)] * 4), max_size=5),
    st.tuples(st.integers(8, 1333), st.integers(8, 1333)),
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
)
def test_it_equals_a_plain_loop(shares: list[tuple[int, ...]], image: tuple[int, int], size: tuple[int, int]) -> None:
    """Boxes in thousandths of the image's sides, so that many ends fall on the borders of cells."""
    boxes = [[share * image[1 - place % 2] / 1000 for place, share in enumerate(box)] for box in shares]
    np.testing.assert_allclose(drawn(boxes, image, size).numpy(), by_loop(boxes, image, size), rtol=1e-6, atol=0)


def test_a_box_that_ends_at_the_border_reaches_no_cell_too_far() -> None:
    """Rounding the factor map / image first would be wrong for one in seven of these; dividing first is exact."""
    widths: dict[int, list[int]] = {}
    for width in range(200, 1334):
        for stride in (8, 16, 32, 64, 128):
            widths.setdefault(math.ceil(math.ceil(width / 32) * 32 / stride), []).append(width)
    wrong = 0
    for cells, images in widths.items():
        boxes = [torch.tensor([[0.0, 0.0, width, width]]) for width in images]
        context = BatchContext(boxes, [(width, width) for width in images], (1333, 1333))
        found = foreground(boxes, context, (1, cells), "img_shape")[:, 0, 0]
        torch.testing.assert_close(found, torch.full_like(found, 1 / (2 * (cells + 1))))
        side = np.array(images, dtype=np.float32)
        wrong += int((np.ceil(side * (np.float32(cells) / side)) != cells).sum())
    assert wrong / (5 * len(range(200, 1334))) == pytest.approx(0.14, abs=0.02)


def test_every_image_of_a_batch_keeps_its_own_boxes_and_size() -> None:
    boxes = [[], [[0, 0, 30, 30], [10, 5, 20, 40]], [[64, 64, 128, 128]], []]
    images = [(100, 100), (50, 60), (320, 512), (8, 8)]
    corners = [torch.tensor(found, dtype=torch.float32).reshape(-1, 4) for found in boxes]
    found = foreground(corners, BatchContext(corners, images, (320, 512)), MAP, "img_shape")
    assert found.shape == (4, *MAP)
    for place in range(4):
        assert torch.equal(found[place], drawn(boxes[place], images[place]))


def test_box_scale_chooses_what_the_map_covers() -> None:
    box = torch.tensor([[0.0, 0.0, 64.0, 64.0]])
    context = BatchContext([box], [(64, 64)], (64, 128))
    over_image = foreground([box], context, (4, 8), "img_shape")[0]
    over_batch = foreground([box], context, (4, 8), "batch_input_shape")[0]
    assert (over_image > 0).all()
    assert (over_batch[:, :5] > 0).all()
    assert not over_batch[:, 5:].any()


def test_background_is_uniform_without_boxes_and_zero_when_all_is_covered() -> None:
    empty = drawn([])[None]
    assert not empty.any()
    torch.testing.assert_close(background(empty), torch.full((1, *MAP), 1 / 160))
    covered = drawn([[0, 0, 512, 320]])[None]
    assert torch.equal(background(covered), torch.zeros(1, *MAP))
    some = drawn([[64, 64, 128, 128]])[None]
    assert background(some).sum().item() == pytest.approx(1.0, abs=1e-6)
    assert not (background(some) * some).any()
