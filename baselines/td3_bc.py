"""TD3+BC (Fujimoto and Gu 2021); the authors' repository and CORL agree."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from benchmarks.base import register
from benchmarks.d4rl.method import Batch, Draw, StackedMethod
from benchmarks.d4rl.networks import StackedCritics, StackedMLP, copy_of
from benchmarks.d4rl.optimisers import StackedAdam, TargetUpdate, cosine
from benchmarks.d4rl.presets import DEMO_TRAINING, MINI_TRAINING, published


@dataclass(frozen=True)
class Settings:
    """`policy_freq`: the actor and all targets follow at every such step. `lr_schedule` (all networks) is ours."""

    hidden: tuple[int, ...] = (256, 256)
    lr: float = 3e-4
    lr_schedule: Literal["constant", "cosine"] = "constant"
    alpha: float = 2.5
    discount: float = 0.99
    target_tau: float = 0.005
    policy_freq: int = 2
    policy_noise: float = 0.2
    noise_clip: float = 0.5


SMALL: Mapping[str, Any] = {
    **DEMO_TRAINING,
    "hidden": (64, 64),
    "lr": 3e-3,
    "lr_schedule": "cosine",
    "alpha": 1.0,
    "discount": 0.97,
    "target_tau": 0.02,
}
MINI: Mapping[str, Any] = {**SMALL, **MINI_TRAINING, "hidden": (128, 128), "lr": 1e-3, "discount": 0.99}


@register
class TD3BC(StackedMethod):
    """TD3 whose actor also clones the data; the weight of Q is scaled by its mean size."""

    name = "td3_bc"
    label = "TD3+BC"
    version = 1
    passes = 16.0
    paper = "Fujimoto and Gu 2021, A Minimalist Approach to Offline Reinforcement Learning"
    Settings = Settings
    presets = {
        "published": published("TD3+BC", "corl", eval_seed_mode="fixed"),
        "small": lambda task: dict(SMALL),
        "mini": lambda task: dict(MINI),
    }
    stackable = frozenset({"lr", "alpha", "discount", "target_tau", "policy_noise", "noise_clip"})

    def build(self) -> None:
        self.actor, self.critics = self._actor(), self._critics()
        self.target_actor = copy_of(self.actor, self._actor)
        self.target_critics = copy_of(self.critics, self._critics)

    def _actor(self) -> StackedMLP:
        p = self.problem
        return StackedMLP([p.observation_dim, *self.settings.hidden, p.action_dim], self.seeded("init.actor"))

    def _critics(self) -> StackedCritics:
        p = self.problem
        return StackedCritics(p.observation_dim, p.action_dim, self.settings.hidden, self.seeded("init.critic"))

    def build_optimisers(self) -> None:
        rates, tau = self.rates("lr"), self.rates("target_tau")
        self.actor_adam = StackedAdam(self.actor.parameters(), rates)
        self.critic_adam = StackedAdam(self.critics.parameters(), rates)
        self.actor_follows = TargetUpdate(self.actor, self.target_actor, tau)
        self.critics_follow = TargetUpdate(self.critics, self.target_critics, tau)
        self.discount, self.alpha = self.scalar("discount"), self.scalar("alpha")
        self.policy_noise, self.noise_clip = (
            self.scalar("policy_noise")[..., None],
            self.scalar("noise_clip")[..., None],
        )

    def draws(self) -> Mapping[str, Draw]:
        return {"target": Draw("normal", (self.problem.batch_size, self.problem.action_dim))}

    def begin_step(self, step: int) -> Hashable:
        if self.settings.lr_schedule == "cosine":
            for adam in (self.actor_adam, self.critic_adam):
                adam.set_scale(cosine(step - 1, self.problem.steps))
        self.actor_turn = step % self.settings.policy_freq == 0
        return self.actor_turn

    def update(self, batch: Batch, noise: Mapping[str, Tensor]) -> dict[str, Tensor]:
        y = self._target(batch, noise["target"])
        q = self.critics(batch.states, batch.actions)
        critic_loss = (q - y[:, None]).square().mean(-1).sum(1)
        self.critic_adam.step(critic_loss.sum())
        scalars = {"critic_loss": critic_loss.detach()}
        if self.actor_turn:
            scalars["actor_loss"] = self._update_actor(batch)
        if self.log:
            scalars["q"] = q.detach().mean((1, 2))
        return scalars

    @torch.no_grad()
    def _target(self, batch: Batch, noise: Tensor) -> Tensor:
        """y = r + gamma (1 - d) min_j Qb_j(s', a~), a~ the target policy's action with clipped noise; (S, B)."""
        smoothing = (self.policy_noise * noise).clamp(-self.noise_clip, self.noise_clip)
        action = (torch.tanh(self.target_actor(batch.next_states)) + smoothing).clamp(-1.0, 1.0)
        next_q = self.target_critics(batch.next_states, action).amin(1)
        return batch.rewards + self.discount * (1.0 - batch.dones) * next_q

    def _update_actor(self, batch: Batch) -> Tensor:
        """Eq. 3 and 5 with lam = alpha / mean |Q_1(s, pi(s))|; then the targets follow."""
        action = torch.tanh(self.actor(batch.states))
        q = self.critics.first(batch.states, action)
        lam = self.alpha[:, 0] / q.detach().abs().mean(-1)
        loss = -lam * q.mean(-1) + (action - batch.actions).square().mean((1, 2))
        self.actor_adam.step(loss.sum())
        self.actor_follows.step()
        self.critics_follow.step()
        return loss.detach()

    @torch.no_grad()
    def act(self, states: Tensor) -> Tensor:
        return torch.tanh(self.actor(states))
