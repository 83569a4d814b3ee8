"""Hyperparameters of ILQ: the paper's, the gaps it leaves, and what is this suite's own (off in the published preset)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmarks.base import Json, RepriseError
from benchmarks.d4rl.models.behavior import ReverseVariance
from benchmarks.d4rl.models.behavior_training import BehaviorSettings
from benchmarks.d4rl.models.dynamics import Penalty, Sample
from benchmarks.d4rl.models.dynamics_training import DynamicsSettings
from benchmarks.d4rl.models.limit_actions import LimitActionsSettings, check_count
from benchmarks.d4rl.presets import DEMO_ACTOR_CRITIC, DEMO_BEHAVIOR, MINI_ACTOR_CRITIC, MINI_MARGIN, published
from benchmarks.d4rl.warm_start import LrSchedule, check_warm_start


@dataclass(frozen=True)
class Settings:
    """ILQ paper, Tables 3 to 6 and methods specification 1.5, 1.7, 1.8. Widths in units, learning rates per step.

    eta: weight of the in-sample loss; delta: margin added to the out-of-sample target, in units of Q; n_limit_actions:
    M. alpha_lr None: the actor's rate; 0 keeps alpha at alpha_init. target_entropy_per_dim times |A| is the target
    entropy. imagination=false: y_o = y_lmt + delta; limit=false: y_o = y_img + delta; with ablation_keeps_delta=false
    without delta.

    Not the paper's: limit_actions=cached (M of limit_cache_size actions drawn once per stored state, from a random
    place), warm_steps, actor_lr_after_warm (see `benchmarks.d4rl.warm_start`), dynamics_standardize_targets,
    dynamics_lr_schedule, behavior_standardize_states, behavior_lr_schedule.
    """

    actor_hidden: tuple[int, ...] = (256, 256, 256)
    critic_hidden: tuple[int, ...] = (256, 256, 256)
    init: Literal["default", "orthogonal"] = "default"
    critic_lr: float = 5e-4
    actor_lr: float = 3e-4
    alpha_lr: float | None = None
    lr_schedule: LrSchedule = "constant"
    discount: float = 0.99
    target_tau: float = 0.005
    eta: float = 0.9
    delta: float = 0.0
    ablation_keeps_delta: bool = True
    imagination: bool = True
    limit: bool = True
    ood_actions_per_state: int = 1
    ood_states: Literal["current", "both"] = "current"
    use_entropy: bool = True
    backup_entropy: bool = False
    target_entropy_per_dim: float = -1.0
    alpha_init: float = 1.0
    log_std_min: float = -20.0
    log_std_max: float = 2.0

    n_limit_actions: int = 10
    limit_actions: Literal["fresh", "cached"] = "fresh"
    limit_cache_size: int = 10
    reverse_variance: ReverseVariance = "posterior"
    behavior_hidden: tuple[int, ...] = (256, 256, 256)
    behavior_train_steps: int = 300_000
    behavior_lr: float = 3e-4
    behavior_batch_size: int = 256
    behavior_ema: bool = False
    behavior_ema_decay: float = 0.995
    behavior_standardize_states: bool = False
    behavior_lr_schedule: Literal["constant", "cosine"] = "constant"
    diffusion_steps: int = 5

    reward_penalty: float = 0.0
    penalty: Penalty = "max_std"
    use_termination_fn: bool = True
    dynamics_sample: Sample = "elite_sample"
    dynamics_hidden: tuple[int, ...] = (200, 200, 200, 200)
    dynamics_ensemble: int = 7
    dynamics_elites: int = 5
    dynamics_epochs: int = 40
    dynamics_lr: float = 1e-3
    dynamics_batch_size: int = 256
    dynamics_data_ratio: float = 1.0
    dynamics_restore_best: bool = True
    next_obs: Literal["true_next", "shifted"] = "true_next"
    dynamics_standardize_targets: bool = False
    dynamics_lr_schedule: Literal["constant", "cosine"] = "constant"

    warm_steps: int = 0
    actor_lr_after_warm: float = 1.0

    def __post_init__(self) -> None:
        if not (self.imagination or self.limit):
            raise RepriseError(
                "imagination=off and limit=off leave ILQ without an out-of-sample target; switch one of them on"
            )
        if not 0.0 <= self.eta <= 1.0:
            raise RepriseError(f"eta is {self.eta}; it weighs the in-sample loss, give a number from 0 to 1")
        if self.alpha_init <= 0.0:
            raise RepriseError(
                f"alpha_init is {self.alpha_init}; give a positive number, or use_entropy=false for none"
            )
        if self.ood_actions_per_state < 1 or self.n_limit_actions < 1:
            raise RepriseError("ood_actions_per_state and n_limit_actions count actions; give 1 or more")
        if self.limit and self.limit_actions == "cached":
            check_count(self.n_limit_actions, self.limit_cache_size)
        check_warm_start(self.warm_steps, self.actor_lr_after_warm, self.lr_schedule)

    @property
    def dynamics(self) -> DynamicsSettings:
        """How the frozen dynamics ensemble is trained."""
        return DynamicsSettings(
            hidden=tuple(self.dynamics_hidden),
            ensemble=self.dynamics_ensemble,
            elites=self.dynamics_elites,
            epochs=self.dynamics_epochs,
            lr=self.dynamics_lr,
            batch_size=self.dynamics_batch_size,
            data_ratio=self.dynamics_data_ratio,
            restore_best=self.dynamics_restore_best,
            next_obs=self.next_obs,
            standardize_targets=self.dynamics_standardize_targets,
            lr_schedule=self.dynamics_lr_schedule,
        )

    @property
    def behavior(self) -> BehaviorSettings:
        """How the frozen behaviour model is trained."""
        return BehaviorSettings(
            hidden=tuple(self.behavior_hidden),
            steps=self.behavior_train_steps,
            lr=self.behavior_lr,
            batch_size=self.behavior_batch_size,
            diffusion_steps=self.diffusion_steps,
            ema=self.behavior_ema,
            ema_decay=self.behavior_ema_decay,
            standardize_states=self.behavior_standardize_states,
            lr_schedule=self.behavior_lr_schedule,
        )

    def cache(self, of: Literal["observations", "next_observations"]) -> LimitActionsSettings:
        """How the cache of limit actions is drawn."""
        return LimitActionsSettings(self.behavior, self.limit_cache_size, self.reverse_variance, of)


STACKABLE = frozenset(
    {
        "actor_lr",
        "alpha_init",
        "alpha_lr",
        "critic_lr",
        "delta",
        "discount",
        "eta",
        "reward_penalty",
        "target_entropy_per_dim",
        "target_tau",
    }
)

preset_paper = published("ILQ", "paper", "suite_default")


def preset_paper_cached(task: str) -> dict[str, Json]:
    """The paper's settings with M = 5 limit actions out of 10 drawn once per stored state: what a CPU can afford."""
    return {**preset_paper(task), "limit_actions": "cached", "limit_cache_size": 10, "n_limit_actions": 5}


def preset_adroit(task: str) -> dict[str, Json]:
    """What the paper states for Adroit as a whole (rates, no entropy, cosine), for tasks of it without a row, such as door-human.

    Ours, no paper's: eta and delta are those of unlisted tasks (methods specification 1.5), everything else the pen rows'.
    """
    return {**preset_paper("pen-human-v0"), "eta": Settings.eta, "delta": Settings.delta}


def preset_paper_early(task: str) -> dict[str, Json]:
    """As `paper_cached`, with frozen models that a CPU trains in a quarter of an hour on a million rows.

    The dynamics model gets 8 of the paper's 40 epochs, the behaviour model 100,000 of its 300,000 steps.
    """
    return {**preset_paper_cached(task), "dynamics_epochs": 8, "behavior_train_steps": 100_000}


def preset_small(task: str) -> dict[str, Json]:
    """The small-tier recipe, for every task alike. Not the paper's: warm start, cosine, caching, M, eta, delta, widths."""
    return {
        **DEMO_ACTOR_CRITIC,
        **DEMO_BEHAVIOR,
        "eta": 0.5,
        "delta": -2.0,
        "reward_penalty": 0.0,
        "n_limit_actions": 5,
        "limit_actions": "cached",
        **SMALL_DYNAMICS,
    }


def preset_mini(task: str) -> dict[str, Json]:
    """The recipe of tier `mini`, for every task alike: that of the small tiers, wider, longer, with the published discount."""
    return {**preset_small(task), **MINI_ACTOR_CRITIC, "delta": MINI_MARGIN}


SMALL_DYNAMICS: dict[str, Json] = {
    "dynamics_hidden": (128, 128),
    "dynamics_ensemble": 4,
    "dynamics_elites": 3,
    "dynamics_epochs": 8,
    "dynamics_standardize_targets": True,
    "dynamics_lr_schedule": "cosine",
}
"""A dynamics model that trains in seconds."""
