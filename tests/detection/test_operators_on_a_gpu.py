"""Every operator gives on a GPU what it gives on the CPU."""

from __future__ import annotations

import pytest
import torch
from mmcv.ops import deform_conv2d, modulated_deform_conv2d, nms, roi_align, sigmoid_focal_loss
from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction
from torch import Tensor

DEVICE = "cuda"
SHAPES = torch.tensor([[8, 6], [4, 3]])
TARGETS = torch.arange(20) % 6

OPERATORS = {
    "roi_align": (
        lambda x, rois: roi_align(x, rois.detach(), 7, 0.25, 0, "avg", True),
        [(2, 3, 24, 32), (0,)],
    ),
    "sigmoid_focal_loss": (
        lambda x: sigmoid_focal_loss(x, TARGETS.to(x.device), 2.0, 0.25, None, "mean"),
        [(20, 5)],
    ),
    "deform_conv": (
        lambda x, offset, weight: deform_conv2d(x, offset, weight, 1, 1),
        [(2, 4, 7, 8), (2, 18, 7, 8), (6, 4, 3, 3)],
    ),
    "modulated_deform_conv": (
        lambda x, offset, mask, weight, bias: modulated_deform_conv2d(x, offset, mask, weight, bias, 1, 1),
        [(2, 4, 7, 8), (2, 18, 7, 8), (2, 9, 7, 8), (6, 4, 3, 3), (6,)],
    ),
    "deform_attn": (
        lambda value, places, attention: MultiScaleDeformableAttnFunction.apply(
            value, SHAPES.to(value.device), torch.tensor([0, 48], device=value.device), places, attention, 64
        ),
        [(2, 60, 4, 3), (2, 5, 4, 2, 2, 2), (2, 5, 4, 2, 2)],
    ),
}

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU, which this machine does not have")


def inputs(shapes: list[tuple[int, ...]]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    if shapes[-1] == (0,):
        corner = torch.rand(40, 2, generator=generator) * 80
        rois = torch.cat(
            [torch.arange(40)[:, None] % 2, corner, corner + 60 * torch.rand(40, 2, generator=generator)], 1
        )
        return [torch.randn(shapes[0], generator=generator), rois]
    return [torch.randn(shape, generator=generator) for shape in shapes]


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("half", [False, True], ids=["float32", "autocast"])
def test_results_and_gradients_are_those_of_the_cpu(name: str, half: bool) -> None:
    operator, shapes = OPERATORS[name]
    results = []
    for device in ("cpu", DEVICE):
        given = [tensor.to(device, torch.float16 if half else None).requires_grad_() for tensor in inputs(shapes)]
        with torch.autocast(device, torch.float16 if device != "cpu" else torch.bfloat16, enabled=half):
            output = operator(*given)
        output.float().square().sum().backward()
        results.append([output.detach(), *(tensor.grad for tensor in given if tensor.grad is not None)])
    for expected, found in zip(*results, strict=True):
        assert found.dtype == expected.dtype
        close = {"rtol": 2e-2, "atol": 2e-2} if half else {"rtol": 1e-4, "atol": 1e-4}
        torch.testing.assert_close(found.float().cpu(), expected.float(), **close)


def test_suppression_is_that_of_the_cpu() -> None:
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(2000, 2, generator=generator) * 200
    boxes = torch.cat([corner, corner + 5 + 40 * torch.rand(2000, 2, generator=generator)], 1)
    scores = torch.rand(2000, generator=generator)
    assert nms(boxes.to(DEVICE), scores.to(DEVICE), 0.5)[1].tolist() == nms(boxes, scores, 0.5)[1].tolist()
