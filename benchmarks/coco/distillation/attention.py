"""Where a map is strong: mean absolute values over channels and over positions (specification, 2.3)."""

from __future__ import annotations

from torch import Tensor


def spatial_mean(f: Tensor) -> Tensor:
    """G^S (N, H, W): the mean over channels of |F|, F (N, C, H, W)."""
    return f.abs().mean(1)


def channel_mean(f: Tensor, inside: Tensor | None = None) -> Tensor:
    """G^C (N, C): the mean over positions of |F|.

    inside (N, H, W), boolean, restricts it to some positions; images without any such position use all.
    """
    if inside is None:
        return f.abs().mean((2, 3))
    none = ~inside.any(2, keepdim=True).any(1, keepdim=True)
    counted = (inside | none).unsqueeze(1).to(f.dtype)
    return (f.abs() * counted).sum((2, 3)) / counted.sum((2, 3))


def spatial_attention(g: Tensor, temperature: float) -> Tensor:
    """A^S (N, H, W) = H W softmax(G^S / T) over all positions; its mean is 1."""
    return (g.shape[1] * g.shape[2]) * (g / temperature).flatten(1).softmax(1).view_as(g)


def channel_attention(g: Tensor, temperature: float) -> Tensor:
    """A^C (N, C) = C softmax(G^C / T); its mean is 1."""
    return g.shape[1] * (g / temperature).softmax(1)
