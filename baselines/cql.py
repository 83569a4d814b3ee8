"""CQL (Kumar et al. 2020), with the choices of the authors' repository and of CORL as switches."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from baselines.cql_networks import AffineTanhGaussianActor, CriticInit, CriticPair, Init, arguments, finish
from benchmarks.base import register
from benchmarks.d4rl.action_blocks import ActionBlocks
from benchmarks.d4rl.method import Batch, Draw, StackedMethod
from benchmarks.d4rl.networks import LOG_2, TanhGaussianActor, copy_of, squash, tanh_gaussian_log_density
from benchmarks.d4rl.optimisers import StackedAdam, TargetUpdate
from benchmarks.d4rl.presets import DEMO_TRAINING, MINI_TRAINING, published
from benchmarks.d4rl.warm_start import LrSchedule, WarmStart, check_warm_start, likelihood_loss

Gaussian = tuple[Tensor, Tensor]
"""Mean before the tanh and log_std, (S, B, A) each."""


@dataclass(frozen=True)
class Settings:
    """Defaults are CORL's for gym tasks. Rates per step; alpha_lr and alpha_prime_lr None: as actor_lr and critic_lr.

    `orthogonal_init` False: the critics start as `actor_init` says. `update_schedule` together: every loss from the parameters
    before the step; in_turn: temperature (its new value is used), critics, actor. `warmup_log_density` fresh_sample is CORL's
    defect: the warm-up takes the density of a fresh sample instead of the data's action. `warm_steps`, `actor_lr_after_warm` and
    `lr_schedule` are ours and off in the published presets.
    """

    actor_hidden: tuple[int, ...] = (256, 256, 256)
    critic_hidden_width: int = 256
    critic_1_hidden_layers: int = 3
    critic_2_hidden_layers: int = 3
    orthogonal_init: bool = True
    actor_init: Init = "small_last_layer"
    log_std_affine: bool = True
    log_std_multiplier_init: float = 1.0
    log_std_offset_init: float = -1.0
    log_std_min: float = -20.0
    log_std_max: float = 2.0
    actor_lr: float = 3e-5
    critic_lr: float = 3e-4
    alpha_lr: float | None = None
    alpha_prime_lr: float | None = None
    discount: float = 0.99
    target_tau: float = 0.005
    auto_entropy: bool = True
    alpha_multiplier: float = 1.0
    log_alpha_init: float = 0.0
    target_entropy_per_dim: float = -1.0
    backup_entropy: bool = False
    max_target_backup: bool = False
    max_backup_order: Literal["min_then_max", "max_then_min"] = "min_then_max"
    cql_alpha: float = 10.0
    n_sampled_actions: int = 10
    temperature: float = 1.0
    importance_sample: bool = True
    clip_diff_min: float = -math.inf
    clip_diff_max: float = math.inf
    lagrange: bool = False
    lagrange_gap: float = -1.0
    lagrange_form: Literal["weighted_gap", "gap_after_weight"] = "weighted_gap"
    log_alpha_prime_init: float = 1.0
    update_schedule: Literal["together", "in_turn"] = "together"
    bc_warmup_steps: int = 0
    warmup_log_density: Literal["fresh_sample", "data"] = "fresh_sample"
    warm_steps: int = 0
    actor_lr_after_warm: float = 1.0
    lr_schedule: LrSchedule = "constant"

    def __post_init__(self) -> None:
        check_warm_start(self.warm_steps, self.actor_lr_after_warm, self.lr_schedule)


OFFICIAL: Mapping[str, Any] = {
    "orthogonal_init": False,
    "actor_init": "rlkit",
    "log_std_affine": False,
    "log_std_min": -5.0,
    "update_schedule": "in_turn",
    "warmup_log_density": "data",
}
SMALL: Mapping[str, Any] = {
    **DEMO_TRAINING,
    "actor_hidden": (64, 64),
    "critic_hidden_width": 64,
    "critic_1_hidden_layers": 2,
    "critic_2_hidden_layers": 2,
    "orthogonal_init": False,
    "actor_init": "pytorch_default",
    "log_std_affine": False,
    "actor_lr": 3e-3,
    "critic_lr": 3e-3,
    "discount": 0.97,
    "target_tau": 0.02,
    "cql_alpha": 30.0,
    "n_sampled_actions": 4,
    "warm_steps": 2_000,
    "actor_lr_after_warm": 0.1,
    "lr_schedule": "cosine",
}
MINI: Mapping[str, Any] = {
    **SMALL,
    **MINI_TRAINING,
    "actor_hidden": (128, 128),
    "critic_hidden_width": 128,
    "actor_lr": 1e-3,
    "critic_lr": 1e-3,
    "discount": 0.99,
    "warm_steps": 4_000,
}


@register
class CQL(StackedMethod):
    """CQL(H): SAC whose critics are pushed down on sampled actions and up on the data's."""

    name = "cql"
    label = "CQL"
    version = 1
    passes = 260.0
    paper = "Kumar et al. 2020, Conservative Q-Learning for Offline Reinforcement Learning"
    Settings = Settings
    presets = {
        "corl": published("CQL", "corl", return_segmentation="corl", eval_seed_mode="fixed"),
        "official": published("CQL", "official", **OFFICIAL),
        "small": lambda task: dict(SMALL),
        "mini": lambda task: dict(MINI),
    }
    stackable = frozenset(
        {
            *("actor_lr", "critic_lr", "alpha_lr", "alpha_prime_lr", "discount", "target_tau", "alpha_multiplier"),
            *("target_entropy_per_dim", "cql_alpha", "temperature", "clip_diff_min", "clip_diff_max", "lagrange_gap"),
        }
    )

    def build(self) -> None:
        s, p = self.settings, self.problem
        seeds, bounds = self.seeded("init.actor"), (s.log_std_min, s.log_std_max)
        sizes, how = (p.observation_dim, p.action_dim, s.actor_hidden, seeds), arguments(s.actor_init, "actor")
        self.actor = TanhGaussianActor(*sizes, *bounds, **how)
        if s.log_std_affine:
            scalars = {"multiplier": s.log_std_multiplier_init, "offset": s.log_std_offset_init}
            self.actor = AffineTanhGaussianActor(*sizes, *bounds, **scalars, **how)
        finish(self.actor.net, s.actor_init, "actor", seeds)
        self.critics = self._critics()
        self.target = copy_of(self.critics, self._critics)
        self.log_alpha, self.log_alpha_prime = self.column(s.log_alpha_init), self.column(s.log_alpha_prime_init)

    def _critics(self) -> CriticPair:
        s, p = self.settings, self.problem
        layers = (s.critic_1_hidden_layers, s.critic_2_hidden_layers)
        init: CriticInit = "orthogonal" if s.orthogonal_init else s.actor_init
        return CriticPair(
            p.observation_dim, p.action_dim, s.critic_hidden_width, layers, self.seeded("init.critic"), init
        )

    def build_optimisers(self) -> None:
        s = self.settings
        self.actor_adam = StackedAdam(self.actor.parameters(), self.rates("actor_lr"))
        self.critic_adam = StackedAdam(self.critics.parameters(), self.rates("critic_lr"))
        self.alpha_adam = StackedAdam([self.log_alpha], self._rates_or("alpha_lr", "actor_lr"))
        self.alpha_prime_adam = StackedAdam([self.log_alpha_prime], self._rates_or("alpha_prime_lr", "critic_lr"))
        self.blocks = [ActionBlocks(stack) for stack in self.critics.parts()]
        self.soft_update = TargetUpdate(self.critics, self.target, self.rates("target_tau"))
        self.warm = WarmStart(s.warm_steps, s.actor_lr_after_warm, s.lr_schedule, self.problem.steps)
        self.discount, self.cql_alpha = self.scalar("discount"), self.scalar("cql_alpha")
        self.alpha_multiplier, self.lagrange_gap = self.scalar("alpha_multiplier"), self.scalar("lagrange_gap")
        self.target_entropy = self.scalar("target_entropy_per_dim") * self.problem.action_dim
        self.temperature = self.scalar("temperature")[..., None]
        self.clip = (self.scalar("clip_diff_min")[..., None], self.scalar("clip_diff_max")[..., None])

    def _rates_or(self, name: str, fallback: str) -> list[float]:
        return [getattr(run, fallback) if getattr(run, name) is None else getattr(run, name) for run in self.runs]

    def draws(self) -> Mapping[str, Draw]:
        s, p = self.settings, self.problem
        one, many = (p.batch_size, p.action_dim), (s.n_sampled_actions, p.batch_size, p.action_dim)
        draws = {
            "policy": Draw("normal", one),
            "target": Draw("normal", many if s.max_target_backup else (1, *one)),
            "uniform": Draw("uniform", many),
            "current": Draw("normal", many),
            "next": Draw("normal", many),
        }
        if s.bc_warmup_steps > 0 and s.warmup_log_density == "fresh_sample":
            draws["warmup"] = Draw("normal", one)
        return draws

    def begin_step(self, step: int) -> Hashable:
        for adam in (self.actor_adam, self.alpha_adam):
            adam.set_scale(self.warm.actor_scale(step))
        for adam in (self.critic_adam, self.alpha_prime_adam):
            adam.set_scale(self.warm.critic_scale(step))
        self.warming = self.warm.active(step)
        self.cloning = step <= self.settings.bc_warmup_steps
        return self.warming, self.cloning

    def update(self, batch: Batch, noise: Mapping[str, Tensor]) -> dict[str, Tensor]:
        policy: Gaussian = self.actor(batch.states)
        action, log_pi = squash(*policy, noise["policy"])
        with torch.no_grad():
            next_policy: Gaussian = self.actor(batch.next_states)
        alpha = self._alpha()
        if self.settings.update_schedule == "in_turn":
            self._update_temperature(log_pi)
            alpha = self._alpha()
            scalars = self._update_critics(batch, policy, next_policy, alpha, noise)
            actor_loss = self._update_actor(batch, policy, action, log_pi, alpha, noise)
        else:  # every loss from the parameters before the step: both policies were evaluated above
            actor_loss = self._update_actor(batch, policy, action, log_pi, alpha, noise)
            scalars = self._update_critics(batch, policy, next_policy, alpha, noise)
            self._update_temperature(log_pi)
        return {**scalars, "actor_loss": actor_loss, "alpha": alpha[:, 0]}

    # -- actor and temperature -----------------------------------------------------------------------------------------

    def _alpha(self) -> Tensor:
        """alpha_multiplier * exp(log alpha), or the multiplier alone; (S, 1)."""
        return (
            self.alpha_multiplier * self.log_alpha.detach().exp()
            if self.settings.auto_entropy
            else self.alpha_multiplier
        )

    def _update_temperature(self, log_pi: Tensor) -> None:
        """Minimise -log_alpha (log pi + H), H = -|A|; the warm start leaves the temperature alone."""
        if self.settings.auto_entropy and not self.warming:
            loss = -self.log_alpha[:, 0] * (log_pi.detach() + self.target_entropy).mean(-1)
            self.alpha_adam.step(loss.sum())

    def _update_actor(
        self,
        batch: Batch,
        policy: Gaussian,
        action: Tensor,
        log_pi: Tensor,
        alpha: Tensor,
        noise: Mapping[str, Tensor],
    ) -> Tensor:
        """alpha log pi - min_j Q_j(s, a_pi); the published warm-up puts log pi(a_data) in Q's place, ours is that alone."""
        if self.warming:
            loss = likelihood_loss(*policy, batch.actions)
        elif self.cloning:
            loss = (alpha * log_pi - self._cloned_density(policy, batch.actions, noise)).mean(-1)
        else:
            loss = (alpha * log_pi - self.critics(batch.states, action, frozen=True).amin(1)).mean(-1)
        self.actor_adam.step(loss.sum())
        return loss.detach()

    def _cloned_density(self, policy: Gaussian, actions: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        if self.settings.warmup_log_density == "fresh_sample":
            return squash(*policy, noise["warmup"])[1]
        return tanh_gaussian_log_density(*policy, actions, limit=1.0 - 1e-6)

    # -- critics -------------------------------------------------------------------------------------------------------

    def _update_critics(
        self,
        batch: Batch,
        policy: Gaussian,
        next_policy: Gaussian,
        alpha: Tensor,
        noise: Mapping[str, Tensor],
    ) -> dict[str, Tensor]:
        """TD error plus the conservative term, accumulated over blocks of rows; then alpha' and the target critics."""
        s = self.settings
        y = self._target(batch, next_policy, alpha, noise["target"])
        actions, log_density = self._proposals(batch, policy, next_policy, noise)
        alpha_prime = self.log_alpha_prime.exp().clamp(0.0, 1e6)
        weight = self.cql_alpha * alpha_prime.detach() if s.lagrange else self.cql_alpha

        rows, kept = batch.states.shape[1], []

        def loss(q: Tensor, block: slice) -> Tensor:
            error = (q[:, :, 0] - y[:, None, block]).square()
            gap = self._gap(q, log_density[:, :, block])
            kept.append(torch.stack([error.detach(), gap.detach()]))
            return (error + weight[..., None] * gap).sum() / rows

        means, gradients = [], []
        for stack in self.blocks:
            gradients += stack.gradients(batch.states, actions, loss)
            means.append(torch.cat(kept, -1).mean(-1))
            kept.clear()
        self.critic_adam.apply(gradients)
        self.soft_update.step()

        td, gap = torch.cat(means, -1)  # (S, 2) each
        scalars = {"td_loss": td.sum(1), "gap": gap.mean(1)}
        if s.lagrange:
            scalars["alpha_prime"] = alpha_prime.detach()[:, 0]
            penalty = self._lagrange_penalty(gap, alpha_prime)
            self.alpha_prime_adam.step(-0.5 * penalty.sum())
        else:
            penalty = self.cql_alpha * gap
        return {**scalars, "critic_loss": scalars["td_loss"] + penalty.detach().sum(1)}

    def _lagrange_penalty(self, gap: Tensor, alpha_prime: Tensor) -> Tensor:
        if self.settings.lagrange_form == "weighted_gap":
            return alpha_prime * self.cql_alpha * (gap - self.lagrange_gap)
        return alpha_prime * (self.cql_alpha * gap - self.lagrange_gap)

    def _gap(self, q: Tensor, log_density: Tensor) -> Tensor:
        """clip(logsumexp - Q(s, a_data)) per row: q (S, 2, M, b), data's action first; log densities (S, M - 1, b)."""
        candidates = q[:, :, 1:] - log_density[:, None] if self.settings.importance_sample else q
        lse = self.temperature * torch.logsumexp(candidates / self.temperature[..., None], 2)
        return torch.clamp(lse - q[:, :, 0], *self.clip)

    @torch.no_grad()
    def _target(self, batch: Batch, next_policy: Gaussian, alpha: Tensor, noise: Tensor) -> Tensor:
        """y = r + gamma (1 - d) min_j Qb_j(s', a'), or the best of several a' (`max_target_backup`); (S, B)."""
        s = self.settings
        mean, log_std = next_policy
        action, log_pi = squash(mean[:, None], log_std[:, None], noise)
        values = self.target.many(batch.next_states, action)
        if s.max_target_backup and s.max_backup_order == "max_then_min":
            value = values.amax(2).amin(1)
        else:
            value, best = values.amin(1).max(1)
            log_pi = log_pi.gather(1, best[:, None])[:, 0]
            if s.backup_entropy:
                value = value - alpha * log_pi
        return batch.rewards + self.discount * (1.0 - batch.dones) * value

    @torch.no_grad()
    def _proposals(
        self,
        batch: Batch,
        policy: Gaussian,
        next_policy: Gaussian,
        noise: Mapping[str, Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Actions (S, 1 + 3N, B, A): the data's, N uniform, N of pi(. | s'), N of pi(. | s); log densities (S, 3N, B)."""
        uniform = 2.0 * noise["uniform"] - 1.0
        (mean, log_std), (next_mean, next_log_std) = policy, next_policy
        current, current_density = squash(mean[:, None], log_std[:, None], noise["current"])
        following, following_density = squash(next_mean[:, None], next_log_std[:, None], noise["next"])
        flat = torch.full_like(current_density, -self.problem.action_dim * LOG_2)
        actions = torch.cat([batch.actions[:, None], uniform, following, current], 1)
        return actions, torch.cat([flat, following_density, current_density], 1)

    @torch.no_grad()
    def act(self, states: Tensor) -> Tensor:
        return self.actor.deterministic(states)
