"""RoIAlign with average pooling (He et al. 2017), forward and backward.

Bilinear weights, the mean over the samples of a bin and the rule that samples outside the map are zero all factor into a part
for rows and a part for columns. So the output of RoI k is rows_k F columns_k^T, two small matrix products on the window of the
map that the RoI touches, in place of interpolating sample by sample.

Shapes: x (N, C, H, W); rois (K, 5) as image index, x1, y1, x2, y2; output (K, C, P, Q).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.base import RepriseError
from benchmarks.detection.ops.precision import full_precision, widened

GATHERED = 1 << 26
"""Elements of the windows that are copied at a time (256 MiB in float32)."""


class Axis(NamedTuple):
    """Weights of the cells from `first` to `last` (K,) for each of P bins along one axis: (K, P, widest window)."""

    weights: Tensor
    first: Tensor
    last: Tensor


class Regions(NamedTuple):
    """What K RoIs take from a map: its image (K,), and the cells of each axis."""

    image: Tensor
    rows: Axis
    columns: Axis


def axis_weights(start: Tensor, end: Tensor, bins: int, size: int, sampling_ratio: int) -> Axis:
    """How the bins between `start` and `end` (K,), in cells of an axis of `size`, average that axis.

    A bin has `sampling_ratio` samples, or as many as it has cells, rounded up, where the ratio is 0. Samples more than one cell
    outside count as zero; nearer ones take the value at the border.
    """
    step = (end - start) / bins
    samples = step.ceil().clamp(min=0) if sampling_ratio <= 0 else torch.full_like(step, sampling_ratio)
    count = samples.clamp(min=1)[:, None, None]
    sample = torch.arange(max(int(samples.max()), 1), device=start.device, dtype=start.dtype)
    place = torch.arange(bins, device=start.device, dtype=start.dtype)[:, None] + (sample + 0.5) / count
    position = start[:, None, None] + place * step[:, None, None]
    counted = (position >= -1) & (position <= size) & (sample < samples[:, None, None])
    position = position.clamp(0, size - 1)
    low = position.long().clamp(max=max(size - 2, 0))
    high = (low + 1).clamp(max=size - 1)
    share = position - low
    # A RoI with fewer samples than the largest has places past its end: they must not widen its window.
    first = low.where(counted, size - 1).amin((1, 2))
    last = high.where(counted, 0).amax((1, 2)).maximum(first)
    widest = int((last - first).max()) + 1
    weights = start.new_zeros(len(start), bins, widest)
    for cell, part in ((low, 1 - share), (high, share)):
        weights.scatter_add_(2, (cell - first[:, None, None]).clamp(0, widest - 1), counted * part / count)
    return Axis(weights, first, last)


def _part(axis: Axis, chosen: Tensor) -> Axis:
    """Some RoIs, with a window no wider than these need."""
    weights, first, last = (field[chosen] for field in axis)
    return Axis(weights[:, :, : int((last - first).max()) + 1], first, last)


def regions(
    rois: Tensor, bins: tuple[int, int], size: tuple[int, int], scale: float, sampling_ratio: int, aligned: bool
) -> Regions:
    """The weights of all RoIs (K > 0). Not `aligned` is the older rule: no half-pixel shift, and no side under one cell.

    Raises RepriseError for RoIs that are not finite.
    """
    if not torch.isfinite(rois).all():
        broken = int((~torch.isfinite(rois)).any(1).sum())
        raise RepriseError(
            f"roi_align: {broken} of {len(rois)} RoIs are not finite: training has diverged; lower the rate"
        )
    left, top, right, bottom = (rois[:, 1:] * scale - (0.5 if aligned else 0.0)).unbind(1)
    if not aligned:
        right, bottom = torch.maximum(right, left + 1), torch.maximum(bottom, top + 1)
    rows = axis_weights(top, bottom, bins[0], size[0], sampling_ratio)
    columns = axis_weights(left, right, bins[1], size[1], sampling_ratio)
    return Regions(rois[:, 0].long(), rows, columns)


def pooled_by_view(x: Tensor, taken: Regions) -> Tensor:
    """(K, P, Q, C) from x (N, H, W, C). One RoI at a time, on views of the map: nothing is copied, which suits a CPU."""
    channels, width = x.shape[3], x.shape[2]
    lines = x.reshape(len(x), -1, width * channels)
    output = x.new_empty(len(taken.image), taken.rows.weights.shape[1], taken.columns.weights.shape[1], channels)
    for k, image, rows, columns in _windows(taken):
        window = lines[image, rows, columns.start * channels : columns.stop * channels]
        by_row = taken.rows.weights[k, :, : len(window)] @ window
        length = columns.stop - columns.start
        torch.matmul(taken.columns.weights[k, :, :length], by_row.view(-1, length, channels), out=output[k])
    return output


def scattered_by_view(grad: Tensor, taken: Regions, x: Tensor) -> None:
    """Adds to x (N, H, W, C) the gradient that reaches it from grad (K, P, Q, C): the transpose of `pooled_by_view`."""
    channels, width = x.shape[3], x.shape[2]
    lines = x.view(len(x), -1, width * channels)
    for k, image, rows, columns in _windows(taken):
        by_row = taken.columns.weights[k, :, : columns.stop - columns.start].T @ grad[k]
        window = lines[image, rows, columns.start * channels : columns.stop * channels]
        window.addmm_(taken.rows.weights[k, :, : len(window)].T, by_row.view(len(by_row), -1))


def _windows(taken: Regions) -> Iterator[tuple[int, int, slice, slice]]:
    (_, top, bottom), (_, left, right) = taken.rows, taken.columns
    table = torch.stack([taken.image, top, bottom + 1, left, right + 1], 1).tolist()
    for k, (image, first_row, last_row, first_column, last_column) in enumerate(table):
        yield k, image, slice(first_row, last_row), slice(first_column, last_column)


def pooled_by_gather(x: Tensor, taken: Regions) -> Tensor:
    """The same as `pooled_by_view`, many RoIs at a time on copies of their windows: few launches, which suits a GPU."""
    output = x.new_empty(len(taken.image), taken.rows.weights.shape[1], taken.columns.weights.shape[1], x.shape[3])
    for chosen, part, places in _groups(taken, x):
        window = x.view(-1, x.shape[3])[places]
        by_row = torch.bmm(part.rows.weights, window.flatten(2)).unflatten(2, window.shape[2:])
        output[chosen] = part.columns.weights[:, None] @ by_row
    return output


def scattered_by_gather(grad: Tensor, taken: Regions, x: Tensor) -> None:
    """The transpose of `pooled_by_gather`, added to x (N, H, W, C)."""
    cells = x.view(-1, x.shape[3])
    for chosen, part, places in _groups(taken, x):
        by_row = part.columns.weights[:, None].mT @ grad[chosen]
        window = torch.bmm(part.rows.weights.mT, by_row.flatten(2))
        cells.index_add_(0, places.flatten(), window.view(-1, x.shape[3]))


def _groups(taken: Regions, x: Tensor) -> Iterator[tuple[Tensor, Regions, Tensor]]:
    """RoIs of like window, `GATHERED` elements or one RoI at a time, with the cells of each window: (K, rows, columns)."""
    height, width, channels = x.shape[1:]
    spans = torch.maximum(taken.rows.last - taken.rows.first, taken.columns.last - taken.columns.first) + 1
    order = spans.argsort(descending=True, stable=True)
    sides = spans[order].tolist()
    start = 0
    while start < len(sides):
        # Falling order: the first window is the widest of its group.
        stop = start + max(1, GATHERED // (sides[start] ** 2 * channels))
        chosen = order[start:stop]
        part = Regions(taken.image[chosen], _part(taken.rows, chosen), _part(taken.columns, chosen))
        (row_weights, top, _), (column_weights, left, _) = part.rows, part.columns
        # Cells past the border stand in for cells of weight zero.
        row = (top[:, None] + torch.arange(row_weights.shape[2], device=x.device)).clamp(max=height - 1)
        column = (left[:, None] + torch.arange(column_weights.shape[2], device=x.device)).clamp(max=width - 1)
        yield chosen, part, (part.image[:, None, None] * height + row[:, :, None]) * width + column[:, None, :]
        start = stop


def _regions_of(
    x: Tensor, rois: Tensor, height: int, width: int, scale: float, ratio: int, mode: int, aligned: bool
) -> Regions:
    if mode != 1:
        raise RepriseError(
            "mmcv op 'roi_align' with pool_mode='max' has no pure-PyTorch version; use pool_mode='avg' or compiled mmcv"
        )
    size = (x.shape[2], x.shape[3])
    return regions(widened(rois).to(widened(x).dtype), (height, width), size, scale, ratio, aligned)


@full_precision
def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Fills `output` (K, C, P, Q). Raises RepriseError for max pooling."""
    if not len(rois):
        return
    taken = _regions_of(input, rois, aligned_height, aligned_width, spatial_scale, sampling_ratio, pool_mode, aligned)
    pool = pooled_by_view if input.device.type == "cpu" else pooled_by_gather
    output.copy_(pool(widened(input).permute(0, 2, 3, 1).contiguous(), taken).permute(0, 3, 1, 2))


@full_precision
def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Adds the gradient of the map to `grad_input` (N, C, H, W)."""
    if not len(rois):
        return
    taken = _regions_of(
        grad_input, rois, aligned_height, aligned_width, spatial_scale, sampling_ratio, pool_mode, aligned
    )
    scatter = scattered_by_view if grad_input.device.type == "cpu" else scattered_by_gather
    gathered = torch.zeros_like(widened(grad_input).permute(0, 2, 3, 1), memory_format=torch.contiguous_format)
    scatter(widened(grad_output).permute(0, 2, 3, 1).contiguous(), taken, gathered)
    grad_input.add_(gathered.permute(0, 3, 1, 2))
