"""IQL (Kostrikov et al. 2022), with the choices of the authors' repository and of CORL as switches."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from benchmarks.base import register
from benchmarks.d4rl.method import Batch, Draw, StackedMethod
from benchmarks.d4rl.networks import HALF_LOG_2PI, StackedCritics, StackedMLP, copy_of, orthogonal
from benchmarks.d4rl.optimisers import StackedAdam, TargetUpdate, cosine
from benchmarks.d4rl.presets import DEMO_TRAINING, MINI_TRAINING, published

Schedule = Literal["constant", "cosine_to_0"]
WhichValue = Literal["before_v_update", "after_v_update"]


@dataclass(frozen=True)
class Settings:
    """Defaults are CORL's. Rates per step; schedules run over the whole training; `critic_lr_schedule` also covers V and is ours.

    `update_order` is the order of the turns. It changes numbers only where the advantage is evaluated at the actor's turn
    (`advantage_value` after_v_update), because the target critics follow the critics at once.
    """

    hidden: tuple[int, ...] = (256, 256)
    actor_lr: float = 3e-4
    critic_lr: float = 3e-4
    value_lr: float = 3e-4
    actor_lr_schedule: Schedule = "cosine_to_0"
    critic_lr_schedule: Schedule = "constant"
    discount: float = 0.99
    target_tau: float = 0.005
    expectile: float = 0.7
    beta: float = 3.0
    adv_weight_max: float = 100.0
    deterministic_actor: bool = False
    actor_dropout: float = 0.0
    log_std_init: float = 0.0
    log_std_min: float = -20.0
    log_std_max: float = 2.0
    update_order: Literal["v,q,actor", "v,actor,q"] = "v,q,actor"
    advantage_value: WhichValue = "before_v_update"
    target_value: WhichValue = "before_v_update"
    q_loss_reduction: Literal["mean_of_two", "sum_of_two"] = "mean_of_two"
    init: Literal["pytorch_default", "orthogonal_sqrt2"] = "pytorch_default"


SMALL: Mapping[str, Any] = {
    **DEMO_TRAINING,
    "hidden": (64, 64),
    "actor_lr": 3e-3,
    "critic_lr": 3e-3,
    "value_lr": 3e-3,
    "critic_lr_schedule": "cosine_to_0",
    "discount": 0.97,
    "target_tau": 0.02,
    "beta": 1.0,
}
MINI: Mapping[str, Any] = {
    **SMALL,
    **MINI_TRAINING,
    "hidden": (128, 128),
    "actor_lr": 1e-3,
    "critic_lr": 1e-3,
    "value_lr": 1e-3,
    "discount": 0.99,
}


class GaussianActor(nn.Module):
    """mean = tanh(MLP(s)) and one learned log_std vector per run, un-squashed Gaussian; or the mean alone (`deterministic`)."""

    def __init__(
        self, observation_dim: int, action_dim: int, settings: Settings, seeds: Sequence[torch.Generator], **init: Any
    ) -> None:
        super().__init__()
        self.net = StackedMLP([observation_dim, *settings.hidden, action_dim], seeds, **init)
        self.bounds = (settings.log_std_min, settings.log_std_max)
        self.log_std = None
        if not settings.deterministic_actor:
            self.log_std = nn.Parameter(torch.full((len(seeds), 1, action_dim), float(settings.log_std_init)))

    def mean(self, states: Tensor, masks: Sequence[Tensor] | None = None) -> Tensor:
        """(S, B, O) -> (S, B, A); `masks` as in `StackedMLP`."""
        return torch.tanh(self.net(states, masks))

    def cloning_error(self, states: Tensor, actions: Tensor, masks: Sequence[Tensor] | None = None) -> Tensor:
        """-log pi(a | s), or the squared error where deterministic; summed over action dimensions, (S, B)."""
        difference = actions - self.mean(states, masks)
        if self.log_std is None:
            return difference.square().sum(-1)
        log_std = self.log_std.clamp(*self.bounds)
        return (0.5 * (difference / log_std.exp()).square() + log_std + HALF_LOG_2PI).sum(-1)


@register
class IQL(StackedMethod):
    """Implicit Q-learning: expectile regression of V, TD for Q towards V, advantage-weighted cloning for the policy."""

    name = "iql"
    label = "IQL"
    version = 1
    passes = 23.0
    paper = "Kostrikov et al. 2022, Offline Reinforcement Learning with Implicit Q-Learning"
    Settings = Settings
    presets = {
        "corl": published("IQL", "corl", return_segmentation="corl", eval_seed_mode="fixed"),
        "official": published("IQL", "official", return_segmentation="iql", eval_seed_mode="advance"),
        "small": lambda task: dict(SMALL),
        "mini": lambda task: dict(MINI),
    }
    stackable = frozenset(
        {"actor_lr", "critic_lr", "value_lr", "discount", "target_tau", "expectile", "beta", "adv_weight_max"}
    )

    def build(self) -> None:
        s, p = self.settings, self.problem
        init: dict[str, Any] = {"hidden_init": orthogonal(2**0.5), "bias": 0.0} if s.init == "orthogonal_sqrt2" else {}

        def critics() -> StackedCritics:
            return StackedCritics(p.observation_dim, p.action_dim, s.hidden, self.seeded("init.critic"), **init)

        self.critics = critics()
        self.target = copy_of(self.critics, critics)
        self.value = StackedMLP([p.observation_dim, *s.hidden, 1], self.seeded("init.value"), **init)
        self.actor = GaussianActor(p.observation_dim, p.action_dim, s, self.seeded("init.actor"), **init)

    def build_optimisers(self) -> None:
        self.critic_adam = StackedAdam(self.critics.parameters(), self.rates("critic_lr"))
        self.value_adam = StackedAdam(self.value.parameters(), self.rates("value_lr"))
        self.actor_adam = StackedAdam(self.actor.parameters(), self.rates("actor_lr"))
        self.soft_update = TargetUpdate(self.critics, self.target, self.rates("target_tau"))
        self.discount, self.expectile = self.scalar("discount"), self.scalar("expectile")
        self.beta, self.adv_weight_max = self.scalar("beta"), self.scalar("adv_weight_max")

    def draws(self) -> Mapping[str, Draw]:
        if self.settings.actor_dropout == 0.0:
            return {}
        rows = self.problem.batch_size
        return {f"dropout{i}": Draw("uniform", (rows, width)) for i, width in enumerate(self.settings.hidden)}

    def begin_step(self, step: int) -> Hashable:
        decay = cosine(step - 1, self.problem.steps)
        if self.settings.actor_lr_schedule == "cosine_to_0":
            self.actor_adam.set_scale(decay)
        if self.settings.critic_lr_schedule == "cosine_to_0":
            self.critic_adam.set_scale(decay)
            self.value_adam.set_scale(decay)
        return None

    def update(self, batch: Batch, noise: Mapping[str, Tensor]) -> dict[str, Tensor]:
        s = self.settings
        q = self._target_q(batch)
        v = self.value(batch.states)[..., 0]
        next_v = self._next_v(batch) if s.target_value == "before_v_update" else None
        advantage = q - v

        value_loss = self._expectile_loss(advantage)
        self.value_adam.step(value_loss.sum())
        scalars = {"value_loss": value_loss.detach()}
        for turn in s.update_order.split(",")[1:]:
            if turn == "q":
                scalars["critic_loss"] = self._update_critics(batch, next_v)
                continue
            if s.advantage_value == "after_v_update":
                advantage = self._advantage_now(batch)
            scalars["actor_loss"] = self._update_actor(batch, advantage.detach(), noise)
        if self.log:
            scalars["q"] = q.mean(-1)
        return scalars

    def _expectile_loss(self, advantage: Tensor) -> Tensor:
        """Eq. 5: |tau_e - 1[d < 0]| d^2 for d = Q - V, (S,)."""
        weight = torch.where(advantage < 0, 1.0 - self.expectile, self.expectile)
        return (weight * advantage.square()).mean(-1)

    def _update_critics(self, batch: Batch, next_v: Tensor | None) -> Tensor:
        """Eq. 6: squared error to r + gamma (1 - d) V(s'); then the target critics follow."""
        if next_v is None:
            next_v = self._next_v(batch)
        y = batch.rewards + self.discount * (1.0 - batch.dones) * next_v
        errors = (self.critics(batch.states, batch.actions) - y[:, None]).square().mean(-1)
        loss = errors.mean(1) if self.settings.q_loss_reduction == "mean_of_two" else errors.sum(1)
        self.critic_adam.step(loss.sum())
        self.soft_update.step()
        return loss.detach()

    def _update_actor(self, batch: Batch, advantage: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        """Eq. 7: cloning weighted by w = min(exp(beta (Q - V)), adv_weight_max)."""
        weight = torch.minimum((self.beta * advantage).exp(), self.adv_weight_max)
        loss = (weight * self.actor.cloning_error(batch.states, batch.actions, self._masks(noise))).mean(-1)
        self.actor_adam.step(loss.sum())
        return loss.detach()

    def _masks(self, noise: Mapping[str, Tensor]) -> list[Tensor] | None:
        rate = self.settings.actor_dropout
        if rate == 0.0:
            return None
        draws = [noise[f"dropout{i}"] for i in range(len(self.settings.hidden))]
        return [(draw >= rate).to(draw.dtype) / (1.0 - rate) for draw in draws]

    @torch.no_grad()
    def _target_q(self, batch: Batch) -> Tensor:
        return self.target(batch.states, batch.actions).amin(1)

    @torch.no_grad()
    def _next_v(self, batch: Batch) -> Tensor:
        return self.value(batch.next_states)[..., 0]

    @torch.no_grad()
    def _advantage_now(self, batch: Batch) -> Tensor:
        return self._target_q(batch) - self.value(batch.states)[..., 0]

    @torch.no_grad()
    def act(self, states: Tensor) -> Tensor:
        return self.actor.mean(states)
