"""Behaviour cloning, cloning of the best trajectories, and the control "warm start alone"."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from benchmarks.base import RepriseError, register
from benchmarks.d4rl.method import Batch, StackedMethod
from benchmarks.d4rl.networks import StackedMLP, TanhGaussianActor
from benchmarks.d4rl.optimisers import StackedAdam
from benchmarks.d4rl.presets import DEMO_TRAINING, MINI_TRAINING, published
from benchmarks.d4rl.warm_start import WarmStart, likelihood_loss


@dataclass(frozen=True)
class Settings:
    """`actor` deterministic: mean squared error to the data's action, at every step.

    `actor` tanh_gaussian: the warm start alone. The SAC-type actor maximises the likelihood of the data for `warm_steps`
    updates and then stays as it is, so that it equals the actor with which ILQ, MCQ and CQL leave their warm start.
    `lr_schedule` cosine is ours and runs over the whole training.
    """

    hidden: tuple[int, ...] = (256, 256)
    lr: float = 3e-4
    lr_schedule: Literal["constant", "cosine"] = "constant"
    actor: Literal["deterministic", "tanh_gaussian"] = "deterministic"
    warm_steps: int = 0
    log_std_min: float = -20.0
    log_std_max: float = 2.0

    def __post_init__(self) -> None:
        if (self.actor == "tanh_gaussian") != (self.warm_steps > 0):
            raise RepriseError(
                f"bc: actor '{self.actor}' with warm_steps {self.warm_steps}; warm_steps belongs to actor 'tanh_gaussian' alone, "
                "which needs at least 1"
            )


SMALL: Mapping[str, Any] = {**DEMO_TRAINING, "hidden": (64, 64), "lr": 3e-3, "lr_schedule": "cosine"}
WARM_START: Mapping[str, Any] = {**SMALL, "actor": "tanh_gaussian", "warm_steps": 2_000}
MINI: Mapping[str, Any] = {**MINI_TRAINING, "hidden": (128, 128), "lr": 1e-3, "lr_schedule": "cosine"}
MINI_WARM_START: Mapping[str, Any] = {**MINI, "actor": "tanh_gaussian", "warm_steps": 4_000}


@register
class BC(StackedMethod):
    """Supervised learning of the data's actions. Data selection (10%BC) is the harness's `trajectory_fraction`."""

    name = "bc"
    label = "BC"
    version = 1
    passes = 3.0
    paper = "as in CORL (Tarasov et al. 2022)"
    Settings = Settings
    presets = {
        "corl": published("BC", "corl", eval_seed_mode="fixed"),
        "top10": published("10%BC", "corl", eval_seed_mode="fixed", return_segmentation="corl"),
        "small": lambda task: dict(SMALL),
        "warm-start": lambda task: dict(WARM_START),
        "mini": lambda task: dict(MINI),
        "mini-warm-start": lambda task: dict(MINI_WARM_START),
    }
    stackable = frozenset({"lr"})

    def build(self) -> None:
        s, p = self.settings, self.problem
        seeds = self.seeded("init.actor")
        self.actor: StackedMLP | TanhGaussianActor
        if s.actor == "tanh_gaussian":
            bounds = (s.log_std_min, s.log_std_max)
            self.actor = TanhGaussianActor(p.observation_dim, p.action_dim, s.hidden, seeds, *bounds)
        else:
            self.actor = StackedMLP([p.observation_dim, *s.hidden, p.action_dim], seeds)

    def build_optimisers(self) -> None:
        self.actor_adam = StackedAdam(self.actor.parameters(), self.rates("lr"))
        self.warm = WarmStart(self.settings.warm_steps, 0.0, self.settings.lr_schedule, self.problem.steps)

    def begin_step(self, step: int) -> Hashable:
        self.learning = self.settings.actor == "deterministic" or self.warm.active(step)
        self.actor_adam.set_scale(self.warm.actor_scale(step))
        return self.learning

    def update(self, batch: Batch, noise: Mapping[str, Tensor]) -> dict[str, Tensor]:
        if not self.learning and not self.log:
            return {}
        loss = self._loss(batch)
        if self.learning:
            self.actor_adam.step(loss.sum())
        return {"actor_loss": loss.detach()}

    def _loss(self, batch: Batch) -> Tensor:
        if isinstance(self.actor, TanhGaussianActor):
            mean, log_std = self.actor(batch.states)
            return likelihood_loss(mean, log_std, batch.actions)
        return (torch.tanh(self.actor(batch.states)) - batch.actions).square().mean((1, 2))

    @torch.no_grad()
    def act(self, states: Tensor) -> Tensor:
        if isinstance(self.actor, TanhGaussianActor):
            return self.actor.deterministic(states)
        return torch.tanh(self.actor(states))
