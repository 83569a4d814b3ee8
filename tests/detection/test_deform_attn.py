"""Multi-scale deformable attention against mmcv's own reference and finite differences."""

from __future__ import annotations

import torch
from mmcv.ops.multi_scale_deform_attn import (
    MultiScaleDeformableAttnFunction,
    multi_scale_deformable_attn_pytorch,
)
from torch import Tensor

SHAPES = torch.tensor([[6, 4], [3, 2], [1, 1]])


def inputs(dtype: torch.dtype = torch.float64, channels: int = 3) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    value = torch.randn(2, int(SHAPES.prod(1).sum()), 4, channels, generator=generator, dtype=torch.float64)
    # Some points lie outside the map.
    locations = torch.rand(2, 5, 4, 3, 2, 2, generator=generator, dtype=torch.float64) * 1.4 - 0.2
    attention = torch.randn(2, 5, 4, 6, generator=generator, dtype=torch.float64).softmax(-1).view(2, 5, 4, 3, 2)
    return [tensor.to(dtype) for tensor in (value, locations, attention)]


def attend(value: Tensor, locations: Tensor, attention: Tensor) -> Tensor:
    sizes = SHAPES.prod(1)
    starts = sizes.cumsum(0) - sizes
    return MultiScaleDeformableAttnFunction.apply(value, SHAPES, starts, locations, attention, 64)


def test_attention_is_that_of_the_reference() -> None:
    value, locations, attention = inputs()
    expected = multi_scale_deformable_attn_pytorch(value, SHAPES, locations, attention)
    assert expected.shape == (2, 5, 12)
    torch.testing.assert_close(attend(value, locations, attention), expected, rtol=0, atol=1e-12)


def test_gradients_of_attention_are_those_of_finite_differences_and_of_the_reference() -> None:
    given = [tensor.requires_grad_() for tensor in inputs(channels=1)]
    assert torch.autograd.gradcheck(attend, given, fast_mode=True)
    reference = multi_scale_deformable_attn_pytorch(given[0], SHAPES, given[1], given[2])
    expected = torch.autograd.grad(reference.square().sum(), given)
    for grad, wanted in zip(torch.autograd.grad(attend(*given).square().sum(), given), expected, strict=True):
        torch.testing.assert_close(grad, wanted, rtol=0, atol=1e-11)


def test_attention_under_autocast_keeps_the_type_of_the_values() -> None:
    value, locations, attention = inputs(torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        output = attend(value, locations, attention)
    assert output.dtype == torch.bfloat16
    wide = [tensor.double() for tensor in (value, locations, attention)]
    torch.testing.assert_close(output.double(), attend(*wide), rtol=2**-8, atol=1e-5)
