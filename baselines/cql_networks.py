"""CQL's networks where its two code bases differ: critics of unequal depth, a learned map of log_std, initialisations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from benchmarks.d4rl.networks import StackedCritics, StackedMLP, TanhGaussianActor, orthogonal, xavier_uniform

Init = Literal["pytorch_default", "small_last_layer", "rlkit"]
CriticInit = Literal["orthogonal", "pytorch_default", "small_last_layer", "rlkit"]
"""`small_last_layer` is CORL's (last layer Xavier uniform with gain 0.01 and zero bias), `rlkit` that of the official code;
`orthogonal` is CORL's for critics (hidden layers with gain sqrt 2, last layer 0.01, zero biases)."""

RLKIT_LAST = {"actor": 1e-3, "critic": 3e-3}
"""rlkit's bound on weights and biases of the last layer."""


def _uniform(bound: float | None) -> Any:
    """Weights uniform within `bound`, or within 1/sqrt(fan_out) where None: rlkit takes the first axis for the fan-in."""

    def fill(weight: Tensor, generator: torch.Generator) -> None:
        limit = 1.0 / math.sqrt(weight.shape[0]) if bound is None else bound
        weight.uniform_(-limit, limit, generator=generator)

    return fill


def arguments(init: CriticInit, role: Literal["actor", "critic"]) -> dict[str, Any]:
    """What `StackedMLP` is called with; `finish` then sets the last biases."""
    if init == "orthogonal":
        return {"hidden_init": orthogonal(2**0.5), "last_init": orthogonal(0.01), "bias": 0.0}
    if init == "rlkit":
        return {"hidden_init": _uniform(None), "last_init": _uniform(RLKIT_LAST[role]), "bias": 0.1}
    return {"last_init": xavier_uniform(0.01)} if init == "small_last_layer" else {}


@torch.no_grad()
def finish(
    net: StackedMLP, init: CriticInit, role: Literal["actor", "critic"], seeds: Sequence[torch.Generator]
) -> None:
    """Last biases: zero (`small_last_layer`) or drawn within rlkit's bound; one generator per slice of `net`."""
    if init == "small_last_layer":
        net.biases[-1].zero_()
    if init == "rlkit":
        for bias, generator in zip(net.biases[-1], seeds, strict=True):
            bias.uniform_(-RLKIT_LAST[role], RLKIT_LAST[role], generator=generator)


class AffineTanhGaussianActor(TanhGaussianActor):
    """CORL's actor: log_std = m * out + b before clipping, with learned scalars m and b, (S, 1, 1) each."""

    def __init__(self, *sizes: Any, multiplier: float, offset: float, **init: Any) -> None:
        super().__init__(*sizes, **init)
        runs = self.net.weights[0].shape[0]
        self.multiplier = nn.Parameter(torch.full((runs, 1, 1), float(multiplier)))
        self.offset = nn.Parameter(torch.full((runs, 1, 1), float(offset)))

    def forward(self, states: Tensor) -> tuple[Tensor, Tensor]:
        mean, raw = self.net(states).chunk(2, -1)
        log_std = torch.addcmul(self.offset, self.multiplier, raw)
        return mean, log_std.clamp(self.log_std_min, self.log_std_max)


class CriticPair(nn.Module):
    """Two critics per run, of the depths `layers`: one stack of 2S slices where these are equal, else two stacks of S."""

    def __init__(
        self,
        observation_dim: int,
        action_dim: int,
        width: int,
        layers: tuple[int, int],
        seeds: Sequence[torch.Generator],
        init: CriticInit,
    ) -> None:
        super().__init__()
        count = 2 if layers[0] == layers[1] else 1
        per_slice = [generator for generator in seeds for _ in range(count)]
        self.stacks = nn.ModuleList()
        for depth in layers[: 3 - count]:
            how = arguments(init, "critic")
            stack = StackedCritics(observation_dim, action_dim, [width] * depth, seeds, count, **how)
            finish(stack.net, init, "critic", per_slice)
            self.stacks.append(stack)

    def parts(self) -> list[StackedCritics]:
        """The stacks, critic 1 first."""
        return [cast(StackedCritics, stack) for stack in self.stacks]

    def forward(self, states: Tensor, actions: Tensor, frozen: bool = False) -> Tensor:
        """Q (S, 2, B) as in `StackedCritics`."""
        return self._joined([stack(states, actions, frozen=frozen) for stack in self.parts()])

    def many(self, states: Tensor, actions: Tensor) -> Tensor:
        """Q (S, 2, M, B) of several actions per state, as in `StackedCritics.many`."""
        return self._joined([stack.many(states, actions) for stack in self.parts()])

    @staticmethod
    def _joined(values: list[Tensor]) -> Tensor:
        return values[0] if len(values) == 1 else torch.cat(values, 1)
