"""What distillation adds to a training step: each method's step over the plain student's plus one teacher forward.

    python -m benchmarks.speed.distillation methods.dmkd:DMKD@dmkd_r1 baselines.fgd:FGD@published

Student and teacher are packaged RetinaNets on a ResNet-18, on pictures of 160 x 160. All steps take turns in one process; the
table gives CPU-seconds (the cheapest turn of each, so that what other processes take does not count) and the ratio.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from mmengine.optim import build_optim_wrapper
from torch import nn

from benchmarks import resolution
from benchmarks.coco.distillation.contract import DistillationMethod
from benchmarks.coco.distillation.optimiser import distilling
from benchmarks.coco.distillation.wrapper import build_distiller
from benchmarks.coco.settings import TrainingSettings
from benchmarks.detection.configs import build_detector, local, packaged

SIDE = 160
TASK = "RetinaNet-R50-2x->RetinaNet-R18-1x"
"""The pair whose weights presets give."""

Turn = Callable[[], object]


def retinanet(seed: int) -> nn.Module:
    """The packaged RetinaNet-R18 with fresh weights."""
    torch.manual_seed(seed)
    return build_detector(local(packaged("retinanet/retinanet_r18_fpn_1x_coco")).model)


def random_batch(images: int) -> dict[str, Any]:
    """Noise with three boxes a picture, as mmdet's pipeline hands pictures over."""
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    draw = torch.Generator().manual_seed(0)
    inputs, samples = [], []
    for number in range(images):
        shape = dict.fromkeys(("img_shape", "ori_shape"), (SIDE, SIDE))
        sample = DetDataSample(metainfo={**shape, "scale_factor": (1.0, 1.0), "img_id": number})
        corners = torch.rand(3, 2, 2, generator=draw).sort(1).values.reshape(3, 4) * SIDE
        sample.gt_instances = InstanceData(bboxes=corners, labels=torch.arange(3))
        sample.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.int64))
        samples.append(sample)
        inputs.append(torch.randint(0, 256, (3, SIDE, SIDE), generator=draw, dtype=torch.uint8))
    return {"inputs": inputs, "data_samples": samples}


def step(model: Any, images: int) -> Turn:
    """One training step."""
    wrapper = build_optim_wrapper(model, model.optimiser)
    model.train()
    return lambda: model.train_step(random_batch(images), wrapper)


def plain(images: int) -> Turn:
    """The plain student's step."""
    model: Any = retinanet(0)
    model.optimiser = OPTIMISER
    return step(model, images)


def distilled(method: type[DistillationMethod], preset: str, images: int) -> Turn:
    """A step with a teacher of the student's kind and size."""
    settings, _ = resolution.resolve(method, TrainingSettings, TASK, preset, {}, method.name)
    built = method(resolution.validated(method.Settings, settings, method.name))
    model: Any = build_distiller(retinanet(0), retinanet(1), built, seed=0)
    model.optimiser = distilling(OPTIMISER)
    return step(model, images)


def teacher(images: int) -> Turn:
    """The maps of a frozen teacher."""
    model: Any = retinanet(1).eval()

    def forward() -> object:
        with torch.no_grad():
            return model.extract_feat(model.data_preprocessor(random_batch(images), training=True)["inputs"])

    return forward


OPTIMISER: Mapping[str, Any] = {
    "type": "OptimWrapper",
    "optimizer": {"type": "SGD", "lr": 1e-4, "momentum": 0.9, "weight_decay": 1e-4},
    "clip_grad": {"max_norm": 35, "norm_type": 2},
}


def measure(turns: Mapping[str, Turn], rounds: int) -> dict[str, float]:
    """CPU-seconds of the cheapest of `rounds` turns, taken by turns."""
    for turn in turns.values():
        turn()
    taken: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(rounds):
        for name, turn in turns.items():
            start = time.process_time()
            turn()
            taken[name].append(time.process_time() - start)
    return {name: min(seconds) for name, seconds in taken.items()}


def overheads(methods: Mapping[str, tuple[type[DistillationMethod], str]], images: int, rounds: int) -> dict[str, Any]:
    """Per method its seconds, and their ratio to the plain step plus one teacher forward."""
    turns = {"plain": plain(images), "teacher": teacher(images)}
    turns |= {name: distilled(method, preset, images) for name, (method, preset) in methods.items()}
    seconds = measure(turns, rounds)
    base = seconds["plain"] + seconds["teacher"]
    return {name: {"cpu_seconds": value, "ratio": value / base} for name, value in seconds.items()}


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="+", metavar="module:Class@preset")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    methods = {}
    for text in options.methods:
        path, _, preset = text.partition("@")
        module, _, name = path.partition(":")
        method = getattr(importlib.import_module(module), name)
        methods[method.label] = (method, preset or next(iter(method.presets)))
    rows = overheads(methods, options.batch, options.rounds)
    if options.json:
        print(json.dumps(rows))
        return
    print(f"{'':16}{'CPU-seconds':>12}{'over plain + teacher':>22}")
    for name, row in rows.items():
        print(f"{name:16}{row['cpu_seconds']:12.3f}{row['ratio']:22.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
