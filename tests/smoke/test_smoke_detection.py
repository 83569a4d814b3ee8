"""The two operators whose plain PyTorch version costs most beside compiled mmcv (7 ms and 0.57 CPU-s), with their limits."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from benchmarks.detection import install_ops

NMS_SECONDS = 15 * 0.007
ROI_ALIGN_SECONDS = 3 * 0.57


def boxes(count: int) -> Tensor:
    """Boxes of 16 to 400 pixels, even in the logarithm, on 1280 x 800."""
    generator = torch.Generator().manual_seed(0)
    centre = torch.rand(count, 2, generator=generator) * torch.tensor([1280.0, 800.0])
    size = 16 * 25 ** torch.rand(count, 2, generator=generator)
    return torch.cat([centre - size / 2, centre + size / 2], 1).clamp(min=0)


def cheapest(benchmark: BenchmarkFixture, call: Callable[[], Tensor]) -> float:
    """CPU-seconds of the cheapest of five calls: what other processes take does not count."""
    costs: list[float] = []

    def timed() -> None:
        start = time.process_time()
        call()
        costs.append(time.process_time() - start)

    benchmark.pedantic(timed, rounds=5, warmup_rounds=1)
    benchmark.extra_info["cpu_seconds"] = min(costs)
    return min(costs)


def test_nms_of_1500_boxes(benchmark: BenchmarkFixture) -> None:
    install_ops()
    from mmcv.ops import nms

    generator = torch.Generator().manual_seed(1)
    candidates, scores = boxes(1500), torch.rand(1500, generator=generator)
    assert 100 < len(nms(candidates, scores, 0.5)[1]) < 1500
    assert cheapest(benchmark, lambda: nms(candidates, scores, 0.5)[1]) <= NMS_SECONDS


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "forward and backward"])
def test_roi_align_of_1000_regions(benchmark: BenchmarkFixture, backward: bool) -> None:
    install_ops()
    from mmcv.ops import roi_align

    generator = torch.Generator().manual_seed(2)
    features = torch.randn(1, 256, 200, 320, generator=generator, requires_grad=backward)
    regions = torch.cat([torch.zeros(1000, 1), boxes(1000)], 1)

    def pool() -> Tensor:
        output = roi_align(features, regions, 7, 0.25, 0, "avg", True)
        if backward:
            output.sum().backward()
        return output

    cost = cheapest(benchmark, pool)
    # The published figure is of the forward pass.
    assert cost <= ROI_ALIGN_SECONDS * (2 if backward else 1)
