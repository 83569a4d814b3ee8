"""What Ali-AMS adds to a training step of 640 x 640, two pictures, with its limit.

The full model's step takes a CPU many seconds. Ali-AMS's work depends on the 34,125 anchors and on the faces alone, not on
the network, so beside the small model's step, which is the cheapest of all presets, its share is at least what it is beside
any other.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from pytest_benchmark.fixture import BenchmarkFixture

from baselines.mogface import MogFace, Settings
from baselines.mogface.presets import PRESETS
from benchmarks.detection import install_ops

install_ops()

from mmdet.structures import DetDataSample  # noqa: E402
from mmengine.structures import InstanceData  # noqa: E402

SHARE = 0.15
SIDE, IMAGES, FACES, ROUNDS = 640, 2, 30, 4


def crowd(seed: int) -> Any:
    """Faces of 10 to 300 pixels, even in the logarithm."""
    draw = torch.Generator().manual_seed(seed)
    size = 10 * 30 ** torch.rand(FACES, 1, generator=draw) * (1 + 0.2 * torch.rand(FACES, 2, generator=draw))
    centre = torch.rand(FACES, 2, generator=draw) * SIDE
    boxes = torch.cat([centre - size / 2, centre + size / 2], 1).clamp(0, SIDE)
    sample = DetDataSample(metainfo={"img_shape": (SIDE, SIDE), "ori_shape": (SIDE, SIDE)})
    sample.gt_instances = InstanceData(bboxes=boxes, labels=torch.zeros(FACES, dtype=torch.int64))
    return sample


def step(ams: bool) -> tuple[Any, Callable[[], float]]:
    """The model, and a training step that tells its CPU-seconds: what other processes take does not count."""
    torch.manual_seed(0)
    model: Any = MogFace(Settings(**{**PRESETS["small"]("smoke"), "ams": ams})).build().train()
    pictures = torch.randn(IMAGES, 3, SIDE, SIDE)
    samples = [crowd(seed) for seed in range(IMAGES)]
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-4)

    def timed() -> float:
        start = time.process_time()
        optimiser.zero_grad()
        sum(model.loss(pictures, samples).values()).backward()
        optimiser.step()
        return time.process_time() - start

    return model, timed


def test_ali_ams_adds_little_to_a_training_step(benchmark: BenchmarkFixture) -> None:
    model, with_ams = step(True)
    _, without = step(False)
    recruited = model.targets(torch.randn(IMAGES, 3, SIDE, SIDE), [crowd(seed) for seed in range(IMAGES)])
    assert sum(int(each.recruited.sum()) for each in recruited) > 20
    costs: dict[bool, list[float]] = {True: [], False: []}

    def turn() -> None:
        costs[False].append(without())
        costs[True].append(with_ams())

    benchmark.pedantic(turn, rounds=ROUNDS, warmup_rounds=1)
    share = min(costs[True]) / min(costs[False]) - 1
    benchmark.extra_info.update(share=share, cpu_seconds=min(costs[True]))
    assert share <= SHARE
