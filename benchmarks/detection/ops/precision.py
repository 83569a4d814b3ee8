"""Operators compute outside autocast, in float32 (float64 where the input is float64), and give back the input's type."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def full_precision(operator: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """An operator whose body neither autocasts nor records gradients.

    mmcv calls its operators inside an autograd function, where an enclosing autocast is still active and would round every
    matrix product to half precision. Compiled operators do not see autocast: they take the type they are given.
    """

    @wraps(operator)
    def operate(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        first = args[0]
        assert isinstance(first, Tensor)
        with torch.no_grad(), torch.autocast(first.device.type, enabled=False):
            return operator(*args, **kwargs)

    return operate


def widened(tensor: Tensor) -> Tensor:
    """The same values in the type that is computed in."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()
