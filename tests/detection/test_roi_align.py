"""RoIAlign against `grid_sample` at every sample of every bin."""

from __future__ import annotations

import math

import pytest
import torch
from mmcv.ops import roi_align
from torch import Tensor
from torch.nn.functional import grid_sample

from benchmarks.base import RepriseError
from benchmarks.detection.ops import roi_align as operators

ROIS = [
    [0, 4.0, 6.0, 40.0, 30.0],
    [1, 0.0, 0.0, 63.0, 47.0],
    [1, 20.5, 10.25, 22.0, 45.0],
    [0, -9.0, -7.0, 12.0, 11.0],  # across the corner
    [0, 50.0, 40.0, 90.0, 70.0],  # far outside on the other side
    [1, 30.0, 20.0, 30.4, 20.3],  # below one cell
    [0, 200.0, 200.0, 240.0, 230.0],  # wholly outside
]


def maps(dtype: torch.dtype = torch.float64, height: int = 12, width: int = 16) -> Tensor:
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0), dtype=dtype)


def sampled(x: Tensor, y: float, x_place: float) -> Tensor:
    """(C,): the bilinear value of one map (C, H, W); zero more than a cell outside, the border's value nearer."""
    height, width = x.shape[1:]
    if not (-1 <= y <= height and -1 <= x_place <= width):
        return x.new_zeros(len(x))
    grid = x.new_tensor([[[[(2 * x_place + 1) / width - 1, (2 * y + 1) / height - 1]]]])
    return grid_sample(x[None], grid, padding_mode="border", align_corners=False)[0, :, 0, 0]


def reference(x: Tensor, rois: Tensor, size: tuple[int, int], scale: float, ratio: int, aligned: bool) -> Tensor:
    output = x.new_zeros(len(rois), x.shape[1], *size)
    for k, (image, *corners) in enumerate(rois.tolist()):
        left, top, right, bottom = (value * scale - (0.5 if aligned else 0.0) for value in corners)
        width, height = right - left, bottom - top
        if not aligned:
            width, height = max(width, 1.0), max(height, 1.0)
        bin_height, bin_width = height / size[0], width / size[1]
        rows = ratio or math.ceil(bin_height)
        columns = ratio or math.ceil(bin_width)
        for p in range(size[0]):
            for q in range(size[1]):
                values = [
                    sampled(
                        x[int(image)],
                        top + (p + (i + 0.5) / rows) * bin_height,
                        left + (q + (j + 0.5) / columns) * bin_width,
                    )
                    for i in range(rows)
                    for j in range(columns)
                ]
                output[k, :, p, q] = torch.stack(values).mean(0)
    return output


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("ratio", [0, 1, 2])
@pytest.mark.parametrize(("size", "scale"), [((7, 7), 0.25), ((3, 5), 0.25), ((2, 2), 0.0625)])
def test_roi_align_averages_the_samples_of_each_bin(
    size: tuple[int, int], scale: float, ratio: int, aligned: bool
) -> None:
    x, rois = maps(), torch.tensor(ROIS, dtype=torch.float64)
    expected = reference(x, rois, size, scale, ratio, aligned)
    torch.testing.assert_close(roi_align(x, rois, size, scale, ratio, "avg", aligned), expected, rtol=0, atol=1e-12)
    single = roi_align(x.float(), rois.float(), size, scale, ratio, "avg", aligned)
    torch.testing.assert_close(single.double(), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
def test_roi_align_on_maps_of_one_row_or_column(shape: tuple[int, int]) -> None:
    x = maps(height=shape[0], width=shape[1])
    rois = torch.tensor([[0, 0.0, 0.0, 6.0, 6.0], [1, -0.5, 0.25, 0.75, 3.0]], dtype=torch.float64)
    expected = reference(x, rois, (2, 2), 1.0, 2, True)
    torch.testing.assert_close(roi_align(x, rois, 2, 1.0, 2, "avg", True), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("ratio", [0, 2])
def test_the_gradient_of_roi_align_is_that_of_finite_differences(ratio: int, aligned: bool) -> None:
    x = maps(height=6, width=7).requires_grad_()
    rois = torch.tensor(ROIS, dtype=torch.float64) * torch.tensor([1, 0.5, 0.5, 0.5, 0.5])
    assert torch.autograd.gradcheck(lambda t: roi_align(t, rois, (2, 3), 0.25, ratio, "avg", aligned), x)


@pytest.mark.parametrize("limit", [1, 4000, 1 << 26])
def test_windows_copied_in_groups_give_what_views_give(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operators, "GATHERED", limit)
    x, rois = maps().permute(0, 2, 3, 1).contiguous(), torch.tensor(ROIS, dtype=torch.float64)
    taken = operators.regions(rois, (4, 3), (12, 16), 0.25, 0, True)
    by_view = operators.pooled_by_view(x, taken)
    torch.testing.assert_close(operators.pooled_by_gather(x, taken), by_view, rtol=0, atol=1e-12)
    grads = []
    for scatter in (operators.scattered_by_view, operators.scattered_by_gather):
        grads.append(torch.zeros_like(x))
        scatter(by_view, taken, grads[-1])
    torch.testing.assert_close(grads[0], grads[1], rtol=0, atol=1e-12)


def test_the_window_of_a_small_region_does_not_grow_with_a_large_neighbour() -> None:
    rois = torch.tensor([[0, 8.0, 8.0, 12.0, 12.0], [0, 0.0, 0.0, 400.0, 400.0]])
    rows = operators.regions(rois, (7, 7), (100, 100), 0.25, 0, True).rows
    assert int(rows.last[0] - rows.first[0]) <= 2


def test_no_regions_give_no_features_and_no_gradient() -> None:
    x = maps().requires_grad_()
    output = roi_align(x, torch.empty(0, 5, dtype=torch.float64), 7, 0.25, 0, "avg", True)
    assert output.shape == (0, 3, 7, 7)
    output.sum().backward()
    assert x.grad is not None
    assert not x.grad.any()


def test_half_maps_under_autocast_are_pooled_in_float32_and_given_back_in_half() -> None:
    x = maps(torch.bfloat16).requires_grad_()
    rois = torch.tensor(ROIS)
    with torch.autocast("cpu", torch.bfloat16):
        output = roi_align(x, rois, 7, 0.25, 0, "avg", True)
        output.float().sum().backward()
    assert output.dtype == torch.bfloat16
    assert x.grad is not None
    wide = x.detach().double().requires_grad_()
    expected = roi_align(wide, rois.double(), 7, 0.25, 0, "avg", True)
    expected.sum().backward()
    torch.testing.assert_close(output.double(), expected.detach(), rtol=2**-8, atol=1e-5)
    torch.testing.assert_close(x.grad.double(), wide.grad, rtol=2**-8, atol=1e-5)


def test_max_pooling_is_refused_by_name() -> None:
    with pytest.raises(RepriseError, match=r"roi_align.*max"):
        roi_align(maps(), torch.tensor(ROIS, dtype=torch.float64), 7, 0.25, 0, "max", True)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_regions_of_a_diverged_model_are_refused(value: float) -> None:
    rois = torch.tensor(ROIS, dtype=torch.float64)
    rois[2, 3] = value
    with pytest.raises(RepriseError, match="1 of 7 RoIs are not finite"):
        roi_align(maps(), rois, 7, 0.25, 0, "avg", True)
