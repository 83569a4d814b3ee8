"""Maps of zero mean and unit variance per channel (specification, 2.4)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from benchmarks.base import RepriseError

EPSILON = 1e-6


def standardised(f: Tensor) -> Tensor:
    """z = (F - mean) / (std + 1e-6) per channel over the M = N H W values of the batch, std with divisor M - 1.

    f (N, C, H, W); the gradient flows through mean and std. Raises RepriseError for M < 2.
    """
    if f.shape[0] * f.shape[2] * f.shape[3] < 2:
        raise RepriseError(
            f"a map of shape {tuple(f.shape)} has one value per channel and so no deviation; use larger images or batches, "
            "or leave this level out"
        )
    mean = f.mean((0, 2, 3), keepdim=True)
    std = f.std((0, 2, 3), keepdim=True)
    return (f - mean) / (std + EPSILON)


def correlation_distance(s: Tensor, t: Tensor) -> Tensor:
    """mean((z_s - z_t)^2) / 2 = (1 - mean over channels of Pearson's r) (M - 1) / M, up to the epsilon."""
    return functional.mse_loss(standardised(s), standardised(t)) / 2.0
