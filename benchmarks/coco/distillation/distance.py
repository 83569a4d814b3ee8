"""Squared distances between maps (specification, 1.1)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def sse(x: Tensor, y: Tensor) -> Tensor:
    """SSE(X, Y): the sum of squared differences over all elements.

    Per image is SSE / N, and the weight comes after that division, weight * (SSE / N): with the other order methods that
    coincide in theory differ in the last bit.
    """
    return functional.mse_loss(x, y, reduction="sum")
