"""Deformable convolution against a loop over taps, plain convolution and finite differences."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import pytest
import torch
from mmcv.ops import deform_conv2d, modulated_deform_conv2d
from torch import Tensor
from torch.nn.functional import conv2d


class Case(NamedTuple):
    kernel: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    deform_groups: int = 1
    size: tuple[int, int] = (5, 6)


CASES = [
    Case(),
    Case(stride=(2, 1), padding=(0, 2)),
    Case(kernel=(2, 3), dilation=(1, 2), padding=(1, 2)),
    Case(groups=2, deform_groups=1),
    Case(groups=1, deform_groups=4),
    Case(groups=4, deform_groups=2, stride=(2, 2)),
    Case(kernel=(1, 1), padding=(0, 0)),
    Case(size=(1, 1)),
    Case(size=(1, 6)),
]
CHANNELS, OUT = 4, 8


class Inputs(NamedTuple):
    x: Tensor
    offset: Tensor
    mask: Tensor
    weight: Tensor
    bias: Tensor


def inputs(case: Case, dtype: torch.dtype = torch.float64) -> Inputs:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    taps = case.kernel[0] * case.kernel[1]
    out = [
        (case.size[i] + 2 * case.padding[i] - case.dilation[i] * (case.kernel[i] - 1) - 1) // case.stride[i] + 1
        for i in (0, 1)
    ]
    return Inputs(
        draw(2, CHANNELS, *case.size),
        1.5 * draw(2, case.deform_groups * 2 * taps, *out),
        draw(2, case.deform_groups * taps, *out).sigmoid(),
        draw(OUT, CHANNELS // case.groups, *case.kernel),
        draw(OUT),
    )


def read(plane: Tensor, y: float, x: float) -> float:
    """Bilinear, with zeros around the map."""
    total = 0.0
    for row, column in itertools.product((math.floor(y), math.floor(y) + 1), (math.floor(x), math.floor(x) + 1)):
        if 0 <= row < plane.shape[0] and 0 <= column < plane.shape[1]:
            total += (1 - abs(y - row)) * (1 - abs(x - column)) * float(plane[row, column])
    return total


def loop_convolution(case: Case, given: Inputs, modulated: bool) -> Tensor:
    taps = list(itertools.product(range(case.kernel[0]), range(case.kernel[1])))
    height, width = given.offset.shape[2:]
    output = torch.zeros(2, OUT, height, width, dtype=torch.float64)
    per_group, per_deform = CHANNELS // case.groups, CHANNELS // case.deform_groups
    for n, i, j, channel in itertools.product(range(2), range(height), range(width), range(CHANNELS)):
        d, group = channel // per_deform, channel // per_group
        outputs = slice(group * OUT // case.groups, (group + 1) * OUT // case.groups)
        for t, (u, v) in enumerate(taps):
            dy, dx = given.offset[n, 2 * (d * len(taps) + t) :, i, j][:2].tolist()
            y = i * case.stride[0] - case.padding[0] + u * case.dilation[0] + dy
            x = j * case.stride[1] - case.padding[1] + v * case.dilation[1] + dx
            value = read(given.x[n, channel], y, x)
            if modulated:
                value *= float(given.mask[n, d * len(taps) + t, i, j])
            output[n, outputs, i, j] += given.weight[outputs, channel % per_group, u, v] * value
    return output


def v1(case: Case, x: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
    return deform_conv2d(x, offset, weight, case.stride, case.padding, case.dilation, case.groups, case.deform_groups)


def v2(case: Case, x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return modulated_deform_conv2d(
        x, offset, mask, weight, bias, case.stride, case.padding, case.dilation, case.groups, case.deform_groups
    )


@pytest.mark.parametrize("case", CASES, ids=str)
def test_deformable_convolution_reads_every_tap_at_its_offset(case: Case) -> None:
    given = inputs(case)
    expected = loop_convolution(case, given, modulated=False)
    torch.testing.assert_close(v1(case, given.x, given.offset, given.weight), expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_modulated_deformable_convolution_weights_every_tap_by_its_mask(case: Case) -> None:
    given = inputs(case)
    expected = loop_convolution(case, given, modulated=True)
    torch.testing.assert_close(v2(case, *given[:4], None), expected, rtol=0, atol=1e-11)
    with_bias = expected + given.bias[:, None, None]
    torch.testing.assert_close(v2(case, *given), with_bias, rtol=0, atol=1e-11)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_without_offsets_it_is_a_plain_convolution(case: Case) -> None:
    given = inputs(case, torch.float32)
    still = torch.zeros_like(given.offset)
    plain = conv2d(given.x, given.weight, None, case.stride, case.padding, case.dilation, case.groups)
    torch.testing.assert_close(v1(case, given.x, still, given.weight), plain, rtol=1e-5, atol=1e-5)
    modulated = v2(case, given.x, still, torch.ones_like(given.mask), given.weight, given.bias)
    torch.testing.assert_close(modulated, plain + given.bias[:, None, None], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("case", [CASES[0], CASES[5]], ids=str)
def test_gradients_are_those_of_finite_differences(case: Case) -> None:
    given = Inputs(*(tensor.requires_grad_() for tensor in inputs(case._replace(size=(3, 4)))))
    assert torch.autograd.gradcheck(
        lambda *tensors: v1(case, *tensors), (given.x, given.offset, given.weight), fast_mode=True
    )
    assert torch.autograd.gradcheck(lambda *tensors: v2(case, *tensors), tuple(given), fast_mode=True)
    assert torch.autograd.gradcheck(lambda *tensors: v2(case, *tensors, None), tuple(given[:4]), fast_mode=True)


def test_under_autocast_the_result_has_the_type_of_the_offsets_and_is_computed_in_float32() -> None:
    case = CASES[0]
    given = inputs(case, torch.float32)
    halved = Inputs(*(tensor.bfloat16() for tensor in given))
    expected = loop_convolution(case, Inputs(*(tensor.double() for tensor in halved)), modulated=True)
    x = given.x.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        output = v2(case, x, halved.offset, halved.mask, given.weight, None)
        output.float().sum().backward()
    assert output.dtype == torch.bfloat16
    torch.testing.assert_close(output.detach().double(), expected, rtol=2**-8, atol=1e-4)
    assert x.grad is not None
    assert x.grad.dtype == torch.float32
