"""How long and with what MogFace trains (specification 3.5), as parts of an mmengine configuration."""

from __future__ import annotations

from typing import Any, NamedTuple

from baselines.mogface.settings import Settings

BATCH = 28
"""Pictures per iteration, on four GPUs."""

WARM_UP, WARM_UP_START = 3000, 1e-6
"""Iterations of the linear warm-up, and the learning rate it starts from."""


class Schedule(NamedTuple):
    """Iterations, and mmengine's optim_wrapper and schedulers, lengths in iterations."""

    iterations: int
    optim_wrapper: dict[str, Any]
    schedulers: list[dict[str, Any]]


def published(settings: Settings) -> Schedule:
    """The schedule of a model: longer, faster and clipped where it has deep heads (MogFace, MogFace-E)."""
    deep = settings.head == "deep"
    rate, iterations, decay = (0.01, 140_000, 110_000) if deep else (0.004, 70_000, 50_000)
    wrapper: dict[str, Any] = {
        "type": "OptimWrapper",
        "optimizer": {"type": "SGD", "lr": rate, "momentum": 0.9, "weight_decay": 1e-4},
    }
    if deep:
        wrapper["clip_grad"] = {"max_norm": 5.0}
    warm_up = {"type": "LinearLR", "start_factor": WARM_UP_START / rate, "by_epoch": False, "begin": 0, "end": WARM_UP}
    steps = {"type": "MultiStepLR", "milestones": [decay], "gamma": 0.1, "by_epoch": False}
    return Schedule(iterations, wrapper, [warm_up, steps])
