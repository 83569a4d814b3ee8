"""A conditional variational autoencoder of actions given states, trained online beside a stack of runs.

Source: MCQ repository and OfflineRL-Kit; methods specification, section 3. Shapes: S runs, B rows, L = 2 A latents.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from benchmarks.d4rl.networks import StackedMLP

LOG_STD_MIN, LOG_STD_MAX = -4.0, 15.0
LATENT_CLIP = 0.5

Reduction = Literal["sums", "means"]


class StackedCVAE(nn.Module):
    """S independent autoencoders: encoder [s, a] -> (mean, log_std) of z, decoder [s, z] -> tanh action."""

    def __init__(
        self, observation_dim: int, action_dim: int, hidden: Sequence[int], seeds: Sequence[torch.Generator]
    ) -> None:
        super().__init__()
        self.observation_dim, self.latent_dim = observation_dim, 2 * action_dim
        self.encoder = StackedMLP([observation_dim + action_dim, *hidden, 2 * self.latent_dim], seeds)
        self.decoder = StackedMLP([observation_dim + self.latent_dim, *hidden, action_dim], seeds)

    def loss(self, states: Tensor, actions: Tensor, noise: Tensor, reduction: Reduction) -> Tensor:
        """KL divergence plus squared reconstruction error, (S,); noise (S, B, L) standard normal.

        `sums` adds over latents and action dimensions before the mean over the batch (MCQ repository), `means` averages
        over them as well (OfflineRL-Kit).
        """
        mean, log_std = self.encoder(torch.cat([states, actions], -1)).chunk(2, -1)
        log_std = log_std.clamp(LOG_STD_MIN, LOG_STD_MAX)
        std = log_std.exp()
        divergence = -0.5 * (1.0 + 2.0 * log_std - mean.square() - std.square())
        rebuilt = torch.tanh(self.decoder(torch.cat([states, mean + std * noise], -1)))
        error = (rebuilt - actions).square()
        if reduction == "sums":
            return (divergence.sum(-1) + error.sum(-1)).mean(-1)
        return divergence.mean((1, 2)) + error.mean((1, 2))

    @torch.no_grad()
    def decode(self, states: Tensor, noise: Tensor) -> Tensor:
        """Actions for z = noise clipped to [-0.5, 0.5]: (S, R, O), (S, N, R, L) -> (S, N, R, A).

        The first layer's product with the state is computed once per state.
        """
        runs, count, rows, _ = noise.shape
        weight, bias = self.decoder.weights[0], self.decoder.biases[0]
        of_state = torch.baddbmm(bias, states, weight[:, : self.observation_dim])
        z = noise.clamp(-LATENT_CLIP, LATENT_CLIP).flatten(1, 2)
        first = torch.bmm(z, weight[:, self.observation_dim :]).view(runs, count, rows, -1) + of_state[:, None]
        return torch.tanh(self.decoder.tail(first.flatten(1, 2))).view(runs, count, rows, -1)
