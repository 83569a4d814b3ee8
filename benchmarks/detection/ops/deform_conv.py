"""Deformable convolution: v1 (Dai et al. 2017) and v2, with modulation (Zhu et al. 2019), forward and backward.

Shapes: input (N, C, H, W); weight (O, C / groups, KH, KW); offset (N, 2 G KH KW, H', W') as y, x per tap, G deformable groups;
mask (N, G KH KW, H', W'); output (N, O, H', W').
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from benchmarks.detection.ops.precision import full_precision, widened


class Geometry(NamedTuple):
    """Where the taps of a convolution lie; pairs are y, x."""

    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    deform_groups: int


def deform_conv(x: Tensor, offset: Tensor, mask: Tensor | None, weight: Tensor, geometry: Geometry) -> Tensor:
    """The convolution without bias. A tap reads bilinearly at its place plus its offset; outside the map is zero."""
    n, channels, height, width = x.shape
    taps = weight.shape[2] * weight.shape[3]
    split, out_size = geometry.deform_groups, offset.shape[2:]
    y, x_place = _places(offset.view(n, split, taps, 2, *out_size), weight, geometry)
    # grid_sample's coordinate of cell i without aligned corners; with them a map of one cell would ignore its offsets.
    grid = torch.stack([(2 * x_place + 1) / width - 1, (2 * y + 1) / height - 1], -1)
    columns = grid_sample(
        x.reshape(n * split, channels // split, height, width),
        grid.view(n * split, taps * out_size[0], out_size[1], 2),
        mode="bilinear",
        padding_mode="zeros",
        align_corners=False,
    ).view(n, split, channels // split, taps, -1)
    if mask is not None:
        columns = columns * mask.view(n, split, 1, taps, -1)
    groups = geometry.groups
    columns = columns.reshape(n, groups, channels // groups * taps, -1)
    output = weight.view(groups, len(weight) // groups, -1) @ columns
    return output.view(n, len(weight), *out_size)


def _places(offset: Tensor, weight: Tensor, geometry: Geometry) -> tuple[Tensor, Tensor]:
    """The cells (fractional) that every tap reads: y and x, each (N, G, taps, H', W')."""
    height, width = offset.shape[-2:]
    kernel_y, kernel_x = torch.meshgrid(
        *(torch.arange(side, device=offset.device) for side in weight.shape[2:]), indexing="ij"
    )
    y = torch.arange(height, device=offset.device) * geometry.stride[0] - geometry.padding[0]
    x = torch.arange(width, device=offset.device) * geometry.stride[1] - geometry.padding[1]
    y = y[:, None] + kernel_y.reshape(-1, 1, 1) * geometry.dilation[0]
    x = x + kernel_x.reshape(-1, 1, 1) * geometry.dilation[1]
    return offset[:, :, :, 0] + y, offset[:, :, :, 1] + x


def _wide(*tensors: Tensor) -> list[Tensor]:
    """Copies to differentiate by, in the type that is computed in."""
    return [widened(tensor.detach()).requires_grad_() for tensor in tensors]


def _geometry_v1(options: dict[str, Any]) -> Geometry:
    return Geometry(
        (options["dH"], options["dW"]),
        (options["padH"], options["padW"]),
        (options["dilationH"], options["dilationW"]),
        options["group"],
        options["deformable_group"],
    )


@full_precision
def deform_conv_forward(
    input: Tensor, weight: Tensor, offset: Tensor, output: Tensor, columns: Tensor, ones: Tensor, **options: Any
) -> None:
    """Fills `output`; `columns` and `ones` are buffers of the compiled operator, unused here and below."""
    output.copy_(deform_conv(widened(input), widened(offset), None, widened(weight), _geometry_v1(options)))


@full_precision
def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    weight: Tensor,
    columns: Tensor,
    **options: Any,
) -> None:
    """Fills `grad_input` and `grad_offset`."""
    with torch.enable_grad():
        x, places = _wide(input, offset)
        output = deform_conv(x, places, None, widened(weight.detach()), _geometry_v1(options))
        grads = torch.autograd.grad(output, (x, places), widened(grad_output))
    grad_input.copy_(grads[0])
    grad_offset.copy_(grads[1])


@full_precision
def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_weight: Tensor,
    columns: Tensor,
    ones: Tensor,
    scale: float = 1.0,
    **options: Any,
) -> None:
    """Adds `scale` times the gradient to `grad_weight`."""
    with torch.enable_grad():
        # Linear in the weights: their values do not matter.
        (weight,) = _wide(torch.zeros_like(grad_weight))
        output = deform_conv(widened(input.detach()), widened(offset.detach()), None, weight, _geometry_v1(options))
        (grad,) = torch.autograd.grad(output, weight, widened(grad_output))
    grad_weight.add_(grad.to(grad_weight.dtype), alpha=scale)


def _geometry_v2(options: dict[str, Any]) -> Geometry:
    return Geometry(
        (options["stride_h"], options["stride_w"]),
        (options["pad_h"], options["pad_w"]),
        (options["dilation_h"], options["dilation_w"]),
        options["group"],
        options["deformable_group"],
    )


@full_precision
def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    **options: Any,
) -> None:
    """Fills `output`."""
    result = deform_conv(widened(input), widened(offset), widened(mask), widened(weight), _geometry_v2(options))
    if options["with_bias"]:
        result += widened(bias)[:, None, None]
    output.copy_(result)


@full_precision
def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    **options: Any,
) -> None:
    """Fills all gradients."""
    with torch.enable_grad():
        wide = x, places, masks, weights = _wide(input, offset, mask, weight)
        output = deform_conv(x, places, masks, weights, _geometry_v2(options))
        grads = torch.autograd.grad(output, wide, widened(grad_output))
    for target, grad in zip((grad_input, grad_offset, grad_mask, grad_weight), grads, strict=True):
        target.copy_(grad)
    if options["with_bias"]:
        grad_bias.copy_(widened(grad_output).sum((0, 2, 3)))
