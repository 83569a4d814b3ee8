"""MCQ: mildly conservative Q-learning (Lyu et al. 2022). Actions of the policy are pulled to the best behaviour value.

Sources: MCQ repository (preset `official`) and OfflineRL-Kit (preset `kit`); methods specification, section 3. Shapes:
S runs, B rows, R rows of states at which the policy's own actions are judged (2B, or B with ood_states=current), n such
actions per state, N behaviour actions per state.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from baselines.cvae import Reduction, StackedCVAE
from benchmarks.base import Json, RepriseError, register
from benchmarks.d4rl.method import Batch, Draw, FrozenModel, Source, StackedMethod
from benchmarks.d4rl.models import limit_actions
from benchmarks.d4rl.models.behavior import ReverseVariance
from benchmarks.d4rl.models.behavior_training import BehaviorSettings
from benchmarks.d4rl.networks import StackedCritics, TanhGaussianActor, copy_of, squash
from benchmarks.d4rl.optimisers import StackedAdam, TargetUpdate
from benchmarks.d4rl.presets import DEMO_ACTOR_CRITIC, DEMO_BEHAVIOR, MINI_ACTOR_CRITIC, MINI_MARGIN
from benchmarks.d4rl.warm_start import LrSchedule, WarmStart, check_warm_start, likelihood_loss

MARGIN_TASKS = frozenset(
    {"hopper-medium", "hopper-medium-expert", "hopper-expert", "halfcheetah-medium-expert", "halfcheetah-expert"}
)
POSITIVE_TASKS = frozenset({"maze2d-umaze", "maze2d-umaze-dense", "maze2d-medium", "maze2d-medium-dense"})
MARGIN, NEAR = 5.0, 0.1
"""Task-specific paths of the official code: the margin below y', and the squared distance under which an action is not
judged.
"""


@dataclass(frozen=True)
class Settings:
    """Methods specification, section 3. Widths in units, learning rates per step; defaults are the official code's, but
    lam.

    lam: weight of the in-sample loss; n_behavior_actions: N. alpha_lr None: the actor's rate; alpha_max: clamp of alpha
    from above. pseudo_critics, clamp_pseudo_target, ood_actions_per_state, ood_states, cvae_loss, actor_dropout,
    alpha_update: where the two public versions differ. mcq_special_cases: the official code's paths for single tasks.

    Not the paper's: limit_offset (added to y', in units of Q), behavior=cached_diffusion (N of limit_cache_size actions
    of a frozen diffusion model in place of the CVAE), lr_schedule, warm_steps, actor_lr_after_warm.
    """

    actor_hidden: tuple[int, ...] = (400, 400, 400)
    critic_hidden: tuple[int, ...] = (400, 400, 400)
    critic_lr: float = 3e-4
    actor_lr: float = 3e-4
    alpha_lr: float | None = None
    lr_schedule: LrSchedule = "constant"
    discount: float = 0.99
    target_tau: float = 0.005
    lam: float = 0.9
    n_behavior_actions: int = 10
    ood_actions_per_state: int = 10
    ood_states: Literal["current", "both"] = "both"
    pseudo_critics: Literal["online", "target"] = "online"
    clamp_pseudo_target: bool = True
    limit_offset: float = 0.0
    mcq_special_cases: bool = False
    target_entropy_per_dim: float = -1.0
    alpha_init: float = 1.0
    alpha_update: Literal["first", "last"] = "first"
    alpha_max: float | None = None
    actor_dropout: float = 0.0
    log_std_min: float = -5.0
    log_std_max: float = 2.0

    behavior: Literal["cvae", "cached_diffusion"] = "cvae"
    cvae_hidden: tuple[int, ...] = (750, 750)
    cvae_lr: float = 1e-3
    cvae_loss: Reduction = "sums"
    limit_cache_size: int = 10
    reverse_variance: ReverseVariance = "posterior"
    behavior_hidden: tuple[int, ...] = (256, 256, 256)
    behavior_train_steps: int = 300_000
    behavior_lr: float = 3e-4
    behavior_batch_size: int = 256
    behavior_standardize_states: bool = False
    behavior_lr_schedule: Literal["constant", "cosine"] = "constant"
    diffusion_steps: int = 5

    warm_steps: int = 0
    actor_lr_after_warm: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.lam <= 1.0:
            raise RepriseError(f"lam is {self.lam}; it weighs the in-sample loss, give a number from 0 to 1")
        if self.ood_actions_per_state < 1 or self.n_behavior_actions < 1:
            raise RepriseError("ood_actions_per_state and n_behavior_actions count actions; give 1 or more")
        if self.mcq_special_cases and self.ood_actions_per_state != self.n_behavior_actions:
            raise RepriseError(
                "mcq_special_cases compares each policy action with one behaviour action: give ood_actions_per_state "
                f"({self.ood_actions_per_state}) and n_behavior_actions ({self.n_behavior_actions}) the same value"
            )
        if not 0.0 <= self.actor_dropout < 1.0:
            raise RepriseError(f"actor_dropout is {self.actor_dropout}; give a share in [0, 1)")
        if self.behavior == "cached_diffusion":
            limit_actions.check_count(self.n_behavior_actions, self.limit_cache_size, "n_behavior_actions")
        check_warm_start(self.warm_steps, self.actor_lr_after_warm, self.lr_schedule)

    def cache(self, of: Literal["observations", "next_observations"]) -> limit_actions.LimitActionsSettings:
        """How cached behaviour actions are drawn."""
        behavior = BehaviorSettings(
            hidden=tuple(self.behavior_hidden),
            steps=self.behavior_train_steps,
            lr=self.behavior_lr,
            batch_size=self.behavior_batch_size,
            diffusion_steps=self.diffusion_steps,
            standardize_states=self.behavior_standardize_states,
            lr_schedule=self.behavior_lr_schedule,
        )
        return limit_actions.LimitActionsSettings(behavior, self.limit_cache_size, self.reverse_variance, of)


def official(task: str) -> dict[str, Json]:
    """The MCQ repository; lam is the default of its configuration file."""
    return {**_HARNESS, "lam": 0.7}


def kit(task: str) -> dict[str, Json]:
    """OfflineRL-Kit's version."""
    return {
        **_HARNESS,
        "actor_hidden": (400, 400),
        "critic_hidden": (400, 400),
        "lam": 0.9,
        "pseudo_critics": "target",
        "clamp_pseudo_target": False,
        "ood_actions_per_state": 1,
        "cvae_loss": "means",
        "actor_dropout": 0.1,
        "alpha_max": 1.0,
        "alpha_update": "last",
    }


_HARNESS: dict[str, Json] = {
    "train_steps": 1_000_000,
    "batch_size": 256,
    "normalize_states": False,
    "eval_every": 1_000,
    "eval_episodes": 10,
}


def small(task: str) -> dict[str, Json]:
    """The small-tier recipe, for every task alike: the kit's targets on the states s, with a diffusion model's actions.

    Not the paper's: widths, lam, limit_offset, cached diffusion actions, the states s alone, warm start, cosine.
    """
    return {
        **DEMO_ACTOR_CRITIC,
        **DEMO_BEHAVIOR,
        "log_std_min": -20.0,
        "lam": 0.5,
        "limit_offset": -2.0,
        "ood_states": "current",
        "ood_actions_per_state": 1,
        "pseudo_critics": "target",
        "clamp_pseudo_target": False,
        "alpha_update": "last",
        "behavior": "cached_diffusion",
        "n_behavior_actions": 5,
    }


def mini(task: str) -> dict[str, Json]:
    """The recipe of tier `mini`, for every task alike: that of the small tiers, wider, longer, with the published discount."""
    return {**small(task), **MINI_ACTOR_CRITIC, "limit_offset": MINI_MARGIN}


@register
class MCQ(StackedMethod):
    """Mildly conservative Q-learning; order of a step: CVAE, temperature (first), critics, actor, temperature (last),
    targets.
    """

    name = "mcq"
    label = "MCQ"
    version = 1
    passes = 210.0
    paper = "Lyu et al. 2022, Mildly Conservative Q-Learning for Offline Reinforcement Learning"
    Settings = Settings
    presets: ClassVar[Mapping[str, Any]] = {"official": official, "kit": kit, "small": small, "mini": mini}
    stackable = frozenset(
        {
            "actor_lr",
            "alpha_init",
            "alpha_lr",
            "critic_lr",
            "cvae_lr",
            "discount",
            "lam",
            "limit_offset",
            "target_entropy_per_dim",
            "target_tau",
        }
    )

    @classmethod
    def models(cls, settings: Any, source: Source) -> Mapping[str, FrozenModel]:
        if settings.behavior == "cvae":
            return {}
        found = {"limit_actions": limit_actions.limit_actions(settings.cache("observations"), source)}
        if settings.ood_states == "both":
            found["limit_actions_next"] = limit_actions.limit_actions(settings.cache("next_observations"), source)
        return found

    # -- construction --------------------------------------------------------------------------------------------------

    def build(self) -> None:
        s, p = self.settings, self.problem
        bounds = (s.log_std_min, s.log_std_max)
        self.actor = TanhGaussianActor(
            p.observation_dim, p.action_dim, s.actor_hidden, self.seeded("init.actor"), *bounds
        )
        self.critics = self._critics()
        self.target = copy_of(self.critics, self._critics)
        self.log_alpha = torch.nn.Parameter(self.scalar("alpha_init").log())
        if s.behavior == "cvae":
            self.cvae = StackedCVAE(p.observation_dim, p.action_dim, s.cvae_hidden, self.seeded("init.cvae"))

    def _critics(self) -> StackedCritics:
        p = self.problem
        return StackedCritics(p.observation_dim, p.action_dim, self.settings.critic_hidden, self.seeded("init.critic"))

    def build_optimisers(self) -> None:
        s, p = self.settings, self.problem
        self.actor_adam = StackedAdam(self.actor.parameters(), self.rates("actor_lr"))
        self.critic_adam = StackedAdam(self.critics.parameters(), self.rates("critic_lr"))
        self.alpha_adam = StackedAdam([self.log_alpha], self.rates("alpha_lr", "actor_lr"))
        self.soft_update = TargetUpdate(self.critics, self.target, self.rates("target_tau"))
        self.warm = WarmStart(s.warm_steps, s.actor_lr_after_warm, s.lr_schedule, p.steps)
        self.warming = self.warm.active(1)
        self.discount, self.lam, self.limit_offset = (self.scalar(n) for n in ("discount", "lam", "limit_offset"))
        self.target_entropy = self.scalar("target_entropy_per_dim") * p.action_dim
        self.ood_rows = p.batch_size * (2 if s.ood_states == "both" else 1)
        special = re.sub(r"-v\d+$", "", p.task) if s.mcq_special_cases else ""
        self.with_margin, self.positive_only = special in MARGIN_TASKS, special in POSITIVE_TASKS
        if s.behavior == "cvae":
            self.cvae_adam = StackedAdam(self.cvae.parameters(), self.rates("cvae_lr"))
        else:
            names = ["limit_actions"] + (["limit_actions_next"] if s.ood_states == "both" else [])
            self.caches: list[Tensor] = [p.models[name].to(p.device) for name in names]

    def draws(self) -> Mapping[str, Draw]:
        s, p = self.settings, self.problem
        rows, batch, actions = self.ood_rows, p.batch_size, p.action_dim
        draws = {"next": Draw("normal", (batch, actions)), "policy": Draw("normal", (batch, actions))}
        draws["ood"] = Draw("normal", (s.ood_actions_per_state, rows, actions))
        if s.behavior == "cvae":
            draws["latent"] = Draw("normal", (s.n_behavior_actions, rows, 2 * actions))
            draws["encode"] = Draw("normal", (batch, 2 * actions))
        else:
            draws["limit_start"] = Draw("integers", (rows,), high=s.limit_cache_size)
        if s.actor_dropout:
            for name, count in (("next", batch), ("policy", batch), ("ood", rows)):
                for layer, width in enumerate(s.actor_hidden):
                    draws[f"dropout.{name}.{layer}"] = Draw("uniform", (count, width))
        return draws

    # -- one step ------------------------------------------------------------------------------------------------------

    def begin_step(self, step: int) -> Hashable:
        self.actor_adam.set_scale(self.warm.actor_scale(step))
        self.alpha_adam.set_scale(self.warm.actor_scale(step))
        self.critic_adam.set_scale(self.warm.critic_scale(step))
        if self.settings.behavior == "cvae":
            self.cvae_adam.set_scale(self.warm.critic_scale(step))
        self.warming = self.warm.active(step)
        return self.warming

    def update(self, batch: Batch, noise: Mapping[str, Tensor]) -> dict[str, Tensor]:
        s = self.settings
        scalars: dict[str, Tensor] = {}
        if s.behavior == "cvae":
            cvae_loss = self.cvae.loss(batch.states, batch.actions, noise["encode"], s.cvae_loss)
            self.cvae_adam.step(cvae_loss.sum())
            scalars["cvae_loss"] = cvae_loss.detach()
        # The actor does not change before its own step: one pass and one sample at s serve the temperature and the actor.
        policy = self._policy(batch.states, noise, "policy")
        action, log_pi = squash(*policy, noise["policy"])
        if s.alpha_update == "first":
            self._alpha_step(log_pi)
        alpha = self.alpha()

        critic_loss, q, q_pi = self._critic_loss(batch, policy, alpha, noise)
        self.critic_adam.step(critic_loss.sum())
        if self.warming:
            actor_loss = likelihood_loss(*policy, batch.actions)
        else:
            actor_loss = (alpha * log_pi - self.critics(batch.states, action, frozen=True).amin(1)).mean(-1)
        self.actor_adam.step(actor_loss.sum())
        if s.alpha_update == "last":
            self._alpha_step(log_pi)
        self.soft_update.step()

        scalars |= {"critic_loss": critic_loss.detach(), "actor_loss": actor_loss.detach()}
        if self.log:
            q, on_s = q.detach(), q_pi.detach()[..., : q.shape[-1]]
            scalars["q_data"] = q.mean((1, 2))
            scalars["q_data_minus_policy"] = q.mean((1, 2)) - on_s.mean((1, 2, 3))
            scalars["alpha"], scalars["entropy"] = alpha[:, 0], -log_pi.detach().mean(-1)
        return scalars

    def alpha(self) -> Tensor:
        """The temperature (S, 1), clamped from above where the settings say so."""
        alpha = self.log_alpha.detach().exp()
        return alpha if self.settings.alpha_max is None else alpha.clamp(max=self.settings.alpha_max)

    def _alpha_step(self, log_pi: Tensor) -> None:
        if not self.warming:
            loss = -self.log_alpha[:, 0] * (log_pi.detach() + self.target_entropy).mean(-1)
            self.alpha_adam.step(loss.sum())

    def _policy(self, states: Tensor, noise: Mapping[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
        """Mean before the tanh and log_std, (S, B, A) each, with dropout where the settings have it."""
        drop = self.settings.actor_dropout
        if not drop:
            return self.actor(states)
        layers = range(len(self.settings.actor_hidden))
        masks = [(noise[f"dropout.{name}.{layer}"] >= drop).to(states) / (1.0 - drop) for layer in layers]
        mean, log_std = self.actor.net(states, masks).chunk(2, -1)
        return mean, log_std.clamp(self.settings.log_std_min, self.settings.log_std_max)

    def _critic_loss(
        self, batch: Batch, policy: tuple[Tensor, Tensor], alpha: Tensor, noise: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The loss (S,), Q(s, a) (S, 2, B) and Q at the policy's actions (S, 2, n, R)."""
        with torch.no_grad():
            following = self._policy(batch.next_states, noise, "next")
            next_action, next_log_pi = squash(*following, noise["next"])
            next_value = self.target(batch.next_states, next_action).amin(1) - alpha * next_log_pi
            y = batch.rewards + self.discount * (1.0 - batch.dones) * next_value
            states, a_pi = self._policy_actions(batch, policy, following, noise)
            b = self._behavior_actions(batch, states, noise)
            y_pseudo = self._pseudo_target(states, b)
        q, q_pi = self.critics(batch.states, batch.actions), self.critics.many(states, a_pi)
        deviation = self._deviation(q_pi, y_pseudo[:, None, None], a_pi, b)
        inside, outside = (q - y[:, None]).square().mean(-1), deviation.mean((-2, -1))
        return (self.lam * inside + (1.0 - self.lam) * outside).sum(1), q, q_pi

    def _policy_actions(
        self, batch: Batch, policy: tuple[Tensor, Tensor], following: tuple[Tensor, Tensor], noise: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """States (S, R, O) and the policy's actions at them (S, n, R, A)."""
        (mean, log_std), states = policy, batch.states
        if self.settings.ood_states == "both":
            states = torch.cat([states, batch.next_states], 1)
            mean, log_std = torch.cat([mean, following[0]], 1), torch.cat([log_std, following[1]], 1)
        if self.settings.actor_dropout:  # every pass of the public code drops other units
            mean, log_std = self._policy(states, noise, "ood")
        return states, torch.tanh(mean[:, None] + log_std.exp()[:, None] * noise["ood"])

    def _behavior_actions(self, batch: Batch, states: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        """b_1..b_N at every state: (S, N, R, A)."""
        if self.settings.behavior == "cvae":
            return self.cvae.decode(states, noise["latent"])
        starts = noise["limit_start"].split(self.problem.batch_size, dim=1)
        count = self.settings.n_behavior_actions
        pairs = zip(self.caches, starts, strict=True)
        chosen = [limit_actions.choose(cache, batch.rows, start, count) for cache, start in pairs]
        return torch.cat(chosen, 2).to(states.dtype)

    def _pseudo_target(self, states: Tensor, b: Tensor) -> Tensor:
        """y' = min_j max_n Q_j(., b_n), the maximum inside each critic: (S, R)."""
        critics = self.critics if self.settings.pseudo_critics == "online" else self.target
        best = critics.many(states, b).amax(2)
        if self.settings.clamp_pseudo_target:
            best = best.clamp(min=0.0)
        return best.amin(1) + self.limit_offset

    def _deviation(self, q_pi: Tensor, y_pseudo: Tensor, a_pi: Tensor, b: Tensor) -> Tensor:
        """Squared deviation of Q from y', (S, 2, n, R), on the task's own path where mcq_special_cases asks for it."""
        if self.with_margin:
            far = ((a_pi - b).square().sum(-1) >= NEAR).to(q_pi)[:, None]
            return far * (q_pi - (y_pseudo - MARGIN)).clamp(min=0.0).square()
        if self.positive_only:
            return (q_pi - y_pseudo).clamp(min=0.0).square()
        return (q_pi - y_pseudo).square()

    @torch.no_grad()
    def act(self, states: Tensor) -> Tensor:
        return self.actor.deterministic(states)
