"""SAC (Haarnoja et al. 2018), online: the source of the behaviour policies that the local data sets are collected with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.base import Json, register
from benchmarks.d4rl.method import Batch, Draw, StackedMethod
from benchmarks.d4rl.networks import StackedCritics, TanhGaussianActor, copy_of
from benchmarks.d4rl.optimisers import StackedAdam, TargetUpdate
from benchmarks.d4rl.policies import Policy
from benchmarks.d4rl.recipes import EXPERT_AIM


@dataclass(frozen=True)
class Settings:
    """Protocol section 6.2. Widths in units; rates per step; `target_entropy_per_dim` times |A| is the target entropy."""

    hidden: tuple[int, ...] = (256, 256)
    actor_lr: float = 3e-4
    critic_lr: float = 3e-4
    alpha_lr: float = 3e-4
    discount: float = 0.99
    target_tau: float = 0.005
    target_entropy_per_dim: float = -1.0
    log_std_min: float = -20.0
    log_std_max: float = 2.0


MARGIN = 5.0
"""Points beyond the aim at which training ends: thirty episodes that reach the aim often belong to a policy below it."""


def rebuild(task: str) -> dict[str, Json]:
    """Train until the policy is an expert (protocol, section 6.2), or to the end where no aim is known."""
    aim = EXPERT_AIM.get(task.removeprefix("online/"))
    return {"stop_at_score": None if aim is None else aim + MARGIN}


@register
class SAC(StackedMethod):
    """Soft actor-critic with two critics and an automatic temperature; order: critics, actor, temperature, targets."""

    name = "sac"
    label = "SAC"
    version = 1
    paper = "Haarnoja et al. 2018, Soft Actor-Critic Algorithms and Applications"
    family = "online_rl"
    Settings = Settings
    presets = {"rebuild": rebuild}
    stackable = frozenset({"actor_lr", "critic_lr", "alpha_lr", "discount", "target_tau", "target_entropy_per_dim"})

    def build(self) -> None:
        s, p = self.settings, self.problem
        bounds = (s.log_std_min, s.log_std_max)
        self.actor = TanhGaussianActor(p.observation_dim, p.action_dim, s.hidden, self.seeded("init.actor"), *bounds)
        self.critics = self._critics()
        self.target = copy_of(self.critics, self._critics)
        self.log_alpha = self.column(0.0)

    def _critics(self) -> StackedCritics:
        p = self.problem
        return StackedCritics(p.observation_dim, p.action_dim, self.settings.hidden, self.seeded("init.critic"))

    def build_optimisers(self) -> None:
        self.actor_adam = StackedAdam(self.actor.parameters(), self.rates("actor_lr"))
        self.critic_adam = StackedAdam(self.critics.parameters(), self.rates("critic_lr"))
        self.alpha_adam = StackedAdam([self.log_alpha], self.rates("alpha_lr"))
        self.soft_update = TargetUpdate(self.critics, self.target, self.rates("target_tau"))
        self.discount = self.scalar("discount")
        self.target_entropy = self.scalar("target_entropy_per_dim") * self.problem.action_dim

    def draws(self) -> Mapping[str, Draw]:
        shape = (self.problem.batch_size, self.problem.action_dim)
        return {"next": Draw("normal", shape), "policy": Draw("normal", shape)}

    def update(self, batch: Batch, noise: Mapping[str, Tensor]) -> dict[str, Tensor]:
        alpha = self.log_alpha.detach().exp()
        with torch.no_grad():
            next_action, next_log_pi = self.actor.sample(batch.next_states, noise["next"])
            next_value = self.target(batch.next_states, next_action).amin(1) - alpha * next_log_pi
            y = batch.rewards + self.discount * (1.0 - batch.dones) * next_value
        critic_loss = (self.critics(batch.states, batch.actions) - y[:, None]).square().mean(-1).sum(1)
        self.critic_adam.step(critic_loss.sum())

        action, log_pi = self.actor.sample(batch.states, noise["policy"])
        actor_loss = (alpha * log_pi - self.critics(batch.states, action, frozen=True).amin(1)).mean(-1)
        self.actor_adam.step(actor_loss.sum())

        alpha_loss = -self.log_alpha[:, 0] * (log_pi.detach() + self.target_entropy).mean(-1)
        self.alpha_adam.step(alpha_loss.sum())
        self.soft_update.step()
        return {"critic_loss": critic_loss.detach(), "actor_loss": actor_loss.detach(), "alpha": alpha[:, 0]}

    @torch.no_grad()
    def act(self, states: Tensor) -> Tensor:
        return self.actor.deterministic(states)

    @torch.no_grad()
    def sample(self, states: Tensor, noise: Tensor) -> Tensor:
        """Stochastic actions (S, B, A) from normalised states and standard normal noise, for exploration."""
        return self.actor.sample(states, noise)[0]

    def policy(self, run: int, meta: Mapping[str, Any]) -> Policy:
        return Policy.of_actor(self.actor, run, meta)
