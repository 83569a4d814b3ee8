"""Multi-scale deformable attention (Zhu et al. 2021, equation 3), forward and backward.

Shapes: N images, Q queries, M heads, D channels per head, L levels, P points; value (N, sum of H W over levels, M, D), levels one
after the other; shapes (L, 2) as H, W; locations (N, Q, M, L, P, 2) as x, y in 0 to 1; attention (N, Q, M, L, P); output
(N, Q, M D).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from benchmarks.detection.ops.precision import full_precision, widened


def deform_attn(value: Tensor, shapes: Tensor, locations: Tensor, attention: Tensor) -> Tensor:
    """The sum over levels and points of attention times the value read bilinearly; outside the map is zero."""
    n, _, heads, channels = value.shape
    sizes: list[list[int]] = shapes.tolist()
    grid = (2 * locations - 1).permute(3, 0, 2, 1, 4, 5).flatten(1, 2)
    weights = attention.permute(3, 0, 2, 1, 4).flatten(1, 2)[:, :, None]
    output = value.new_zeros(n * heads, channels, locations.shape[1])
    levels = value.split([height * width for height, width in sizes], 1)
    for level, (height, width) in enumerate(sizes):
        maps = levels[level].permute(0, 2, 3, 1).reshape(n * heads, channels, height, width)
        read = grid_sample(maps, grid[level], mode="bilinear", padding_mode="zeros", align_corners=False)
        output = output + (read * weights[level]).sum(-1)
    return output.view(n, heads * channels, -1).transpose(1, 2).contiguous()


@full_precision
def ms_deform_attn_forward(
    value: Tensor, shapes: Tensor, starts: Tensor, locations: Tensor, attention: Tensor, im2col_step: int = 64
) -> Tensor:
    """The output, in the type of `value`. `starts` follows from `shapes`; `im2col_step` is of the compiled operator."""
    return deform_attn(widened(value), shapes, widened(locations), widened(attention)).to(value.dtype)


@full_precision
def ms_deform_attn_backward(
    value: Tensor,
    shapes: Tensor,
    starts: Tensor,
    locations: Tensor,
    attention: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_locations: Tensor,
    grad_attention: Tensor,
    im2col_step: int = 64,
) -> None:
    """Fills the three gradients."""
    with torch.enable_grad():
        wide = [widened(tensor.detach()).requires_grad_() for tensor in (value, locations, attention)]
        output = deform_attn(wide[0], shapes, wide[1], wide[2])
        grads = torch.autograd.grad(output, wide, widened(grad_output))
    for target, grad in zip((grad_value, grad_locations, grad_attention), grads, strict=True):
        target.copy_(grad)
