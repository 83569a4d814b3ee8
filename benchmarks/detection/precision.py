"""Where a detector works and in which precision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import nn

from benchmarks.base import RepriseError

Precision = Literal["fp32", "bf16", "fp16"]


def placed(detector: nn.Module) -> nn.Module:
    """The detector where it is to work, its weights in the order that convolutions are fastest in (some 8 % on a CPU)."""
    detector.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    return detector.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def in_precision(optim_wrapper: Mapping[str, Any], precision: Precision) -> dict[str, Any]:
    """The optimiser's configuration with mmengine's automatic mixed precision where asked for; losses stay in float32.

    Raises RepriseError where there is no GPU for it.
    """
    if precision == "fp32":
        return dict(optim_wrapper)
    if not torch.cuda.is_available():
        raise RepriseError(f"precision={precision} needs a GPU: mmengine has no mixed precision on a CPU; use fp32")
    mixed = (
        {"dtype": "float16", "loss_scale": "dynamic"}
        if precision == "fp16"
        else {"dtype": "bfloat16", "loss_scale": 1.0}
    )
    return {**optim_wrapper, **mixed, "type": "AmpOptimWrapper"}
