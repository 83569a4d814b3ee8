"""How long and with what MogFace trains (specification 3.5), as parts of an mmengine configuration."""

from __future__ import annotations

from typing import Any

from baselines.mogface.settings import Settings
from benchmarks.wider_face.contract import Schedule

BATCH = 28
"""Pictures per iteration, on four GPUs."""

WARM_UP, WARM_UP_START = 3000, 1e-6
"""Iterations of the linear warm-up, and the learning rate it starts from."""


def published(settings: Settings, batch_size: int | None = None) -> Schedule:
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
    return Schedule(iterations, batch_size or BATCH, wrapper, [warm_up, steps])
