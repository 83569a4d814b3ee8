"""A conditional diffusion model of the data's actions given the state: the frozen sampler.

Source: Diffusion-QL (Wang et al. 2023) and its code; ILQ paper, Eqs. 6-8 and appendix A.2; methods specification 1.3.
Shapes: R states, M actions per state, K diffusion steps, O and A dimensions of raw observations and actions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from benchmarks.d4rl.models import building
from benchmarks.d4rl.models.mish import mish

ReverseVariance = Literal["posterior", "beta"]

EMBEDDING = 16
"""Width of the embedding of the diffusion step."""

BETA_MIN, BETA_MAX = 0.1, 10.0


def vp_schedule(steps: int) -> tuple[Tensor, Tensor]:
    """Variance-preserving schedule: beta_k and abar_k = prod (1 - beta), k = 1..K, float64 (K,) each."""
    k = torch.arange(1, steps + 1, dtype=torch.float64)
    beta = 1.0 - torch.exp(-BETA_MIN / steps - 0.5 * (BETA_MAX - BETA_MIN) * (2.0 * k - 1.0) / steps**2)
    return beta, torch.cumprod(1.0 - beta, 0)


def step_embedding(steps: int) -> Tensor:
    """Sinusoidal embedding of k - 1 for k = 1..K: 8 frequencies exp(-ln(10000) j / 7), sines then cosines, (K, 16)."""
    half = EMBEDDING // 2
    frequencies = torch.exp(-math.log(10_000.0) * torch.arange(half) / (half - 1))
    angles = torch.arange(steps)[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], 1)


@dataclass(frozen=True)
class Behavior:
    """A trained noise predictor. Input of the first layer: [a_k, embedding of k (already passed through its own small
    network), s]; Mish between. `weights[l]` (in, out), `biases[l]` (out,), `embedding` (K, 16).

    `state_mean` and `state_std` (O,) are 0 and 1 unless the model was trained on standardised states; states go in raw.
    """

    weights: Sequence[Tensor]
    biases: Sequence[Tensor]
    embedding: Tensor
    state_mean: Tensor
    state_std: Tensor

    @property
    def steps(self) -> int:
        """K."""
        return len(self.embedding)

    @property
    def action_dim(self) -> int:
        """A."""
        return self.weights[-1].shape[1]

    def to(self, dtype: torch.dtype, device: torch.device) -> Behavior:
        """The same model in another precision or on another device."""
        return Behavior(**{name: building.moved(value, dtype, device) for name, value in self.state().items()})

    def state(self) -> dict[str, Any]:
        """Tensors by name; `Behavior(**state)` is the inverse."""
        return {
            "weights": list(self.weights),
            "biases": list(self.biases),
            "embedding": self.embedding,
            "state_mean": self.state_mean,
            "state_std": self.state_std,
        }

    @classmethod
    def load(cls, folder: Path) -> Behavior:
        """Read a built artifact."""
        state: Mapping[str, Any] = building.load(folder, "behavior")
        return cls(**state)

    def predict_noise(self, actions: Tensor, of_state: Tensor, k: int) -> Tensor:
        """xi of actions (M, R, A) at diffusion step k (1..K), given `of_state` (R, width) from `state_part`."""
        of_step = self.embedding[k - 1] @ self.weights[0][self.action_dim : self.action_dim + EMBEDDING]
        flat = actions.reshape(-1, self.action_dim) @ self.weights[0][: self.action_dim]
        h = mish(flat.view(*actions.shape[:-1], -1) + (of_state + of_step)).view(flat.shape)
        for weight, bias in zip(self.weights[1:-1], self.biases[1:-1], strict=True):
            h = mish(torch.addmm(bias, h, weight))
        return torch.addmm(self.biases[-1], h, self.weights[-1]).view(actions.shape)

    def state_part(self, states: Tensor) -> Tensor:
        """The state's share of the first layer, the same for all K steps and M actions: raw (R, O) -> (R, width)."""
        x = (states - self.state_mean) / self.state_std
        return torch.addmm(self.biases[0], x, self.weights[0][self.action_dim + EMBEDDING :])

    @torch.no_grad()
    def sample(self, states: Tensor, noise: Tensor, reverse_variance: ReverseVariance = "posterior") -> Tensor:
        """Actions in [-1, 1] for raw states (R, O) from standard normal noise (K, M, R, A): (M, R, A).

        noise[0] is a_K; noise[i] enters the step that ends in a_(K-i).
        """
        of_state = self.state_part(states)
        return denoise(lambda a, k: self.predict_noise(a, of_state, k), noise, reverse_variance)


def denoise(predict: Any, noise: Tensor, reverse_variance: ReverseVariance = "posterior", clip: bool = True) -> Tensor:
    """The reverse process from noise (K, ..., A) with a noise predictor (a_k, k) -> xi: the actions a_0 (..., A).

    For k = K..1: a0 = (a_k - sqrt(1 - abar_k) xi) / sqrt(abar_k), clipped, then a draw from q(a_(k-1) | a_k, a0), with
    the posterior variance (the code the paper follows) or beta_k (the paper's text); no noise at k = 1.
    """
    steps = len(noise)
    beta, abar = (t.tolist() for t in vp_schedule(steps))
    a = noise[0]
    for k in range(steps, 0, -1):
        b, now, before = beta[k - 1], abar[k - 1], abar[k - 2] if k > 1 else 1.0
        a0 = (a - math.sqrt(1.0 - now) * predict(a, k)) / math.sqrt(now)
        if clip:
            a0 = a0.clamp(-1.0, 1.0)
        a = (math.sqrt(before) * b * a0 + math.sqrt(1.0 - b) * (1.0 - before) * a) / (1.0 - now)
        if k > 1:
            variance = b * (1.0 - before) / (1.0 - now) if reverse_variance == "posterior" else b
            a = a + math.sqrt(variance) * noise[steps - k + 1]
    return a.clamp(-1.0, 1.0) if clip else a
