"""How a detector is trained, as parts of an mmengine configuration with all lengths in iterations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

_WARM_UP = 0.1


@dataclass(frozen=True)
class Recipe:
    """A detector and its training. `model` and pipelines are as mmdet's configurations write them.

    schedulers: mmengine parameter schedulers with begin, end and milestones in iterations (`by_epoch` False). filter_cfg drops
    training images (mmdet's own rule: without an object, or with a side below 32 pixels). test_batch_size: images predicted
    at once.
    """

    model: dict[str, Any]
    train_pipeline: Sequence[dict[str, Any]]
    test_pipeline: Sequence[dict[str, Any]]
    optim_wrapper: dict[str, Any]
    schedulers: Sequence[dict[str, Any]]
    iterations: int
    batch_size: int
    test_batch_size: int = 1
    filter_cfg: dict[str, Any] = field(default_factory=lambda: {"filter_empty_gt": True, "min_size": 32})


def one_cycle(rate: float, iterations: int) -> dict[str, Any]:
    """Up to the rate over a tenth of the iterations, down to nothing over the rest."""
    # mmengine divides by the warm-up's length less one: with ten iterations by 0.
    share = 2 * _WARM_UP if math.isclose(_WARM_UP * iterations, 1.0) else _WARM_UP
    return {
        "type": "OneCycleLR",
        "eta_max": rate,
        "total_steps": iterations,
        "pct_start": share,
        "by_epoch": False,
    }
