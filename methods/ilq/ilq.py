"""ILQ: Q-learning whose out-of-sample targets are imagined by a model and limited by the best behaviour value.

Source: ILQ paper (IJCAI 2025), Eqs. 16-21 and Algorithm 1; methods specification 1.4. Shapes: S runs, B rows, R rows of
states at which the policy's own actions are judged (B, or 2B with ood_states=both), n such actions per state, M limit
actions.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Hashable, Mapping
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from benchmarks.base import register
from benchmarks.d4rl.method import Batch, Draw, FrozenModel, Source, StackedMethod
from benchmarks.d4rl.models import limit_actions
from benchmarks.d4rl.models.behavior import Behavior
from benchmarks.d4rl.models.behavior_training import behavior_model
from benchmarks.d4rl.models.dynamics import Dynamics
from benchmarks.d4rl.models.dynamics_training import dynamics_model
from benchmarks.d4rl.models.termination import termination
from benchmarks.d4rl.networks import StackedCritics, TanhGaussianActor, copy_of, orthogonal, squash
from benchmarks.d4rl.optimisers import StackedAdam, TargetUpdate
from benchmarks.d4rl.warm_start import WarmStart, likelihood_loss
from methods.ilq.settings import (
    STACKABLE,
    Settings,
    preset_adroit,
    preset_mini,
    preset_paper,
    preset_paper_cached,
    preset_paper_early,
    preset_small,
)


class Imagination(NamedTuple):
    """What the model says of (s, a_o): r^ minus the penalty and d^ (S, n R), s^ normalised (S, n R, O)."""

    rewards: Tensor
    states: Tensor
    dones: Tensor


class Targets(NamedTuple):
    """y_in (S, B); y_o, y_img (S, n, R) and y_lmt (S, 1, R), the last two where they exist."""

    y_in: Tensor
    y_o: Tensor
    y_img: Tensor | None
    y_lmt: Tensor | None


def tanh_sample(mean: Tensor, log_std: Tensor, noise: Tensor) -> Tensor:
    """An action of a tanh-Gaussian without its density."""
    return torch.tanh(torch.addcmul(mean, log_std.exp(), noise))


@register
class ILQ(StackedMethod):
    """Imagination-limited Q-learning; order of a step: critics, actor, temperature, targets."""

    name = "ilq"
    label = "ILQ"
    version = 1
    passes = 50.0
    paper = "Imagination-Limited Q-Learning for Offline Reinforcement Learning (IJCAI 2025)"
    reconstruction = True
    Settings = Settings
    presets: ClassVar[Mapping[str, Any]] = {
        "paper": preset_paper,
        "paper_cached": preset_paper_cached,
        "paper_early": preset_paper_early,
        "adroit": preset_adroit,
        "small": preset_small,
        "mini": preset_mini,
    }
    stackable = STACKABLE

    @classmethod
    def models(cls, settings: Any, source: Source) -> Mapping[str, FrozenModel]:
        found: dict[str, FrozenModel] = {}
        if settings.imagination:
            found["dynamics"] = dynamics_model(settings.dynamics, source)
        if settings.limit and settings.limit_actions == "fresh":
            found["behavior"] = behavior_model(settings.behavior, source)
        if settings.limit and settings.limit_actions == "cached":
            found["limit_actions"] = limit_actions.limit_actions(settings.cache("observations"), source)
            if settings.ood_states == "both":
                found["limit_actions_next"] = limit_actions.limit_actions(settings.cache("next_observations"), source)
        return found

    # -- construction --------------------------------------------------------------------------------------------------

    def build(self) -> None:
        s, p = self.settings, self.problem
        bounds = (s.log_std_min, s.log_std_max)
        actors = self.seeded("init.actor")
        self.actor = TanhGaussianActor(p.observation_dim, p.action_dim, s.actor_hidden, actors, *bounds, **self._init())
        self.critics = self._critics()
        self.target = copy_of(self.critics, self._critics)
        self.log_alpha = torch.nn.Parameter(self.scalar("alpha_init").log())

    def _critics(self) -> StackedCritics:
        p, seeds = self.problem, self.seeded("init.critic")
        return StackedCritics(p.observation_dim, p.action_dim, self.settings.critic_hidden, seeds, **self._init())

    def _init(self) -> dict[str, Any]:
        return {"hidden_init": orthogonal(math.sqrt(2.0)), "bias": 0.0} if self.settings.init == "orthogonal" else {}

    def build_optimisers(self) -> None:
        s, p = self.settings, self.problem
        self.actor_adam = StackedAdam(self.actor.parameters(), self.rates("actor_lr"))
        self.critic_adam = StackedAdam(self.critics.parameters(), self.rates("critic_lr"))
        self.alpha_adam = StackedAdam([self.log_alpha], self.rates("alpha_lr", "actor_lr"))
        self.soft_update = TargetUpdate(self.critics, self.target, self.rates("target_tau"))
        self.warm = WarmStart(s.warm_steps, s.actor_lr_after_warm, s.lr_schedule, p.steps)
        self.warming = self.warm.active(1)
        self.discount, self.eta, self.reward_penalty = (self.scalar(n) for n in ("discount", "eta", "reward_penalty"))
        keeps_delta = s.ablation_keeps_delta or (s.imagination and s.limit)
        self.delta = self.scalar("delta") if keeps_delta else torch.zeros_like(self.eta)
        self.penalty = s.penalty if any(self.rates("reward_penalty")) else None
        self.target_entropy = self.scalar("target_entropy_per_dim") * p.action_dim
        self.ood_rows = p.batch_size * (2 if s.ood_states == "both" else 1)
        self.state_mean, self.state_std = (t.to(p.device, p.dtype) for t in (p.state_mean, p.state_std))
        self._frozen_models()

    def _frozen_models(self) -> None:
        s, p = self.settings, self.problem
        if s.imagination:
            self.dynamics: Dynamics = p.models["dynamics"].to(p.dtype, p.device)
            self.termination = termination(p.environment) if s.use_termination_fn else None
        if s.limit and s.limit_actions == "fresh":
            self.behavior: Behavior = p.models["behavior"].to(p.dtype, p.device)
        if s.limit and s.limit_actions == "cached":
            names = ["limit_actions"] + (["limit_actions_next"] if s.ood_states == "both" else [])
            self.caches: list[Tensor] = [p.models[name].to(p.device) for name in names]

    def draws(self) -> Mapping[str, Draw]:
        s, p = self.settings, self.problem
        rows, actions = self.ood_rows, p.action_dim
        shape = (p.batch_size, actions)
        imagined = s.ood_actions_per_state * rows
        draws = {"next": Draw("normal", shape), "policy": Draw("normal", shape)}
        draws["ood"] = Draw("normal", (s.ood_actions_per_state, rows, actions))
        if s.imagination:
            draws["elite"] = Draw("integers", (), high=s.dynamics_elites)
            draws["model"] = Draw("normal", (imagined, 1 + p.observation_dim))
            draws["imagined"] = Draw("normal", (imagined, actions))
        if s.limit and s.limit_actions == "fresh":
            draws["limit"] = Draw("normal", (s.diffusion_steps, s.n_limit_actions, rows, actions))
        if s.limit and s.limit_actions == "cached":
            draws["limit_start"] = Draw("integers", (rows,), high=s.limit_cache_size)
        return draws

    # -- one step ------------------------------------------------------------------------------------------------------

    def begin_step(self, step: int) -> Hashable:
        self.actor_adam.set_scale(self.warm.actor_scale(step))
        self.alpha_adam.set_scale(self.warm.actor_scale(step))
        self.critic_adam.set_scale(self.warm.critic_scale(step))
        self.warming = self.warm.active(step)
        return self.warming

    def update(self, batch: Batch, noise: Mapping[str, Tensor]) -> dict[str, Tensor]:
        # The actor does not change before its own step: one pass over s serves a_o and the actor's loss.
        policy = self.actor(batch.states)
        with torch.no_grad():
            states, a_o = self._policy_actions(batch, policy, noise["ood"])
            targets = self._targets(batch, states, a_o, noise)
        critic_loss, q, q_o = self._critic_loss(batch, states, a_o, targets)
        self.critic_adam.step(critic_loss.sum())

        actor_loss, log_pi = self._actor_loss(batch, policy, noise["policy"])
        self.actor_adam.step(actor_loss.sum())

        scalars = {"critic_loss": critic_loss.detach(), "actor_loss": actor_loss.detach()}
        if self.log:
            scalars |= self._diagnostics(q.detach(), q_o.detach(), targets, log_pi.detach())
        if self.settings.use_entropy and not self.warming:
            alpha_loss = -self.log_alpha[:, 0] * (log_pi.detach() + self.target_entropy).mean(-1)
            self.alpha_adam.step(alpha_loss.sum())
        self.soft_update.step()
        return scalars

    def alpha(self) -> Tensor:
        """The temperature (S, 1), 0 without entropy."""
        return self.log_alpha.detach().exp() if self.settings.use_entropy else torch.zeros_like(self.log_alpha)

    def _policy_actions(self, batch: Batch, policy: tuple[Tensor, Tensor], noise: Tensor) -> tuple[Tensor, Tensor]:
        """States (S, R, O) and a_o ~ pi(.|s) at them, (S, n, R, A)."""
        mean, log_std = policy
        states = batch.states
        if self.settings.ood_states == "both":
            states = torch.cat([states, batch.next_states], 1)
            following = self.actor(batch.next_states)
            mean, log_std = torch.cat([mean, following[0]], 1), torch.cat([log_std, following[1]], 1)
        return states, tanh_sample(mean[:, None], log_std[:, None], noise)

    def _targets(self, batch: Batch, states: Tensor, a_o: Tensor, noise: Mapping[str, Tensor]) -> Targets:
        s, rows = self.settings, batch.rewards.shape[1]
        if s.imagination:
            imagined = self._imagine(states, a_o, noise)
            following = torch.cat([batch.next_states, imagined.states], 1)
            value = self._next_value(following, torch.cat([noise["next"], noise["imagined"]], 1))
            y_img = imagined.rewards + self.discount * (1.0 - imagined.dones) * value[:, rows:]  # Eq. 17
            y_img = y_img.view(a_o.shape[:3])
        else:
            value, y_img = self._next_value(batch.next_states, noise["next"]), None
        y_in = batch.rewards + self.discount * (1.0 - batch.dones) * value[:, :rows]  # Eq. 19
        y_lmt = self._limit(batch, states, noise)[:, None] if s.limit else None
        bounds = [value for value in (y_img, y_lmt) if value is not None]
        y_o = functools.reduce(torch.minimum, bounds).expand(a_o.shape[:3])
        return Targets(y_in, y_o + self.delta[..., None], y_img, y_lmt)

    def _next_value(self, states: Tensor, noise: Tensor) -> Tensor:
        """min_j Qb_j(s, a), a ~ pi(.|s), less alpha log pi where the backup has entropy: (S, B, O) -> (S, B)."""
        if not self.settings.backup_entropy:
            mean, log_std = self.actor(states)
            return self.target(states, tanh_sample(mean, log_std, noise)).amin(1)
        action, log_pi = self.actor.sample(states, noise)
        return self.target(states, action).amin(1) - self.alpha() * log_pi

    def _imagine(self, states: Tensor, a_o: Tensor, noise: Mapping[str, Tensor]) -> Imagination:
        s, p = self.settings, self.problem
        raw = (states * self.state_std + self.state_mean).repeat(1, a_o.shape[1], 1)
        step = self.dynamics.imagine(
            raw, a_o.flatten(1, 2), noise["elite"], noise["model"], s.dynamics_sample, self.penalty
        )
        rewards = step.rewards * p.reward_scale + p.reward_shift
        if step.uncertainty is not None:
            rewards = rewards - self.reward_penalty * step.uncertainty
        done = self.termination(step.next_states) if self.termination else torch.zeros_like(rewards)
        return Imagination(rewards, (step.next_states - self.state_mean) / self.state_std, done.to(rewards))

    def _limit(self, batch: Batch, states: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        """y_lmt = min_j max_m Qb_j(s, b_m), the maximum inside each critic (Eq. 18): (S, R)."""
        s, p = self.settings, self.problem
        if s.limit_actions == "fresh":
            raw = (states * self.state_std + self.state_mean).flatten(0, 1)
            flat = self.behavior.sample(raw, noise["limit"].permute(1, 2, 0, 3, 4).flatten(2, 3), s.reverse_variance)
            b = flat.view(s.n_limit_actions, *states.shape[:2], -1).transpose(0, 1)
        else:
            starts = noise["limit_start"].split(p.batch_size, dim=1)
            chosen = [
                limit_actions.choose(cache, batch.rows, start, s.n_limit_actions)
                for cache, start in zip(self.caches, starts, strict=True)
            ]
            b = torch.cat(chosen, 2).to(p.dtype)
        return self.target.many(states, b).amax(2).amin(1)

    def _critic_loss(
        self, batch: Batch, states: Tensor, a_o: Tensor, targets: Targets
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Eqs. 16 and 20, one pass for both kinds of rows: the loss (S,), Q(s, a) (S, 2, B), Q(s, a_o) (S, 2, n, R)."""
        runs, count, rows, _ = a_o.shape
        all_states = torch.cat([batch.states, states.repeat(1, count, 1)], 1)
        values = self.critics(all_states, torch.cat([batch.actions, a_o.flatten(1, 2)], 1))
        q, q_o = values[..., : batch.rewards.shape[1]], values[..., batch.rewards.shape[1] :]
        q_o = q_o.reshape(runs, -1, count, rows)
        inside = (q - targets.y_in[:, None]).square().mean(-1)
        outside = (q_o - targets.y_o[:, None]).square().mean((-2, -1))
        return (self.eta * inside + (1.0 - self.eta) * outside).sum(1), q, q_o

    def _actor_loss(self, batch: Batch, policy: tuple[Tensor, Tensor], noise: Tensor) -> tuple[Tensor, Tensor]:
        """Eq. 21 (or the warm start's likelihood) and log pi of a sample: (S,), (S, B)."""
        action, log_pi = squash(*policy, noise)
        if self.warming:
            return likelihood_loss(*policy, batch.actions), log_pi
        value = self.critics(batch.states, action, frozen=True).amin(1)
        return (self.alpha() * log_pi - value).mean(-1), log_pi

    def _diagnostics(self, q: Tensor, q_o: Tensor, targets: Targets, log_pi: Tensor) -> dict[str, Tensor]:
        """What the paper's figures 1c and 10 and the analysis of delta look at (specification 1.4, 1.9)."""
        found = {
            "q_data": q.mean((1, 2)),
            "q_data_minus_policy": q.mean((1, 2)) - q_o[..., : q.shape[-1]].mean((1, 2, 3)),
            "alpha": self.alpha()[:, 0],
            "entropy": -log_pi.mean(-1),
        }
        if targets.y_img is not None and targets.y_lmt is not None:
            gap = targets.y_img - targets.y_lmt
            found |= {
                "y_img_minus_y_lmt_min": gap.amin((1, 2)),
                "y_img_minus_y_lmt_max": gap.amax((1, 2)),
                "y_img_minus_y_lmt_mean": gap.mean((1, 2)),
                "limit_binds": (gap > 0).to(gap).mean((1, 2)),
            }
        return found

    @torch.no_grad()
    def act(self, states: Tensor) -> Tensor:
        return self.actor.deterministic(states)
