"""The warm start of a SAC-type actor, written once, and the learning-rate schedules that go with it.

For the first `warm_steps` updates the actor maximises the likelihood of the data; afterwards it follows its method's
loss at a share of its learning rate. Critics train from the first step. The warm start is this suite's, no paper's:
published presets leave `warm_steps` at 0.

Methods whose actors have the same widths, log_std bounds, initialisation and learning rate hold the same actor after
the warm steps, because everything it depends on is shared: the streams `init.actor` and `batches`, the loss below and
`actor_scale`. Use in a method:

    build_optimisers:  self.warm = WarmStart(s.warm_steps, s.actor_lr_after_warm, s.lr_schedule, self.problem.steps)
    begin_step(step):  self.actor_adam.set_scale(self.warm.actor_scale(step))
                       self.critic_adam.set_scale(self.warm.critic_scale(step))
                       self.warming = self.warm.active(step)
                       return self.warming
    update:            mean, log_std = self.actor(batch.states)
                       if self.warming: actor_loss = likelihood_loss(mean, log_std, batch.actions)
                       else: the method's own loss, then the temperature's step

The control "warm start alone" takes the same steps and leaves the actor alone afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from torch import Tensor

from benchmarks.base import RepriseError, unknown
from benchmarks.d4rl.networks import tanh_gaussian_log_density
from benchmarks.d4rl.optimisers import cosine

LrSchedule = Literal["constant", "cosine", "cosine_actor"]
"""`cosine` takes every learning rate to 0 over the training, `cosine_actor` the actor's and the temperature's alone."""


@dataclass(frozen=True)
class WarmStart:
    """When the actor imitates and what share of their learning rates the networks use at each step (1-based).

    `warm_steps` updates by likelihood (0: none), then the actor's rate times `actor_lr_after_warm`; `lr_schedule` runs
    over all `steps` of the training. Raises RepriseError for values that mean nothing.
    """

    warm_steps: int
    actor_lr_after_warm: float
    lr_schedule: LrSchedule
    steps: int

    def __post_init__(self) -> None:
        check_warm_start(self.warm_steps, self.actor_lr_after_warm, self.lr_schedule)

    def active(self, step: int) -> bool:
        """Whether the actor maximises the likelihood of the data at this step."""
        return step <= self.warm_steps

    def actor_scale(self, step: int) -> float:
        """What the actor's (and the temperature's) learning rate is multiplied by; the first step has the full rate."""
        decay = 1.0 if self.lr_schedule == "constant" else cosine(step - 1, self.steps)
        return decay if self.warm_steps == 0 or self.active(step) else decay * self.actor_lr_after_warm

    def critic_scale(self, step: int) -> float:
        """What every other network's learning rate is multiplied by."""
        return cosine(step - 1, self.steps) if self.lr_schedule == "cosine" else 1.0


def check_warm_start(warm_steps: int, actor_lr_after_warm: float, lr_schedule: str) -> None:
    """Raise RepriseError for settings of a warm start that mean nothing (for `__post_init__` of a method's Settings)."""
    if warm_steps < 0:
        raise RepriseError(f"warm_steps is {warm_steps}; give 0 (no warm start) or a number of steps")
    if actor_lr_after_warm < 0.0:
        raise RepriseError(f"actor_lr_after_warm is {actor_lr_after_warm}; it is a share of actor_lr, give 0 or more")
    if lr_schedule not in get_args(LrSchedule):
        raise unknown("lr_schedule", lr_schedule, get_args(LrSchedule))


def likelihood_loss(mean: Tensor, log_std: Tensor, actions: Tensor) -> Tensor:
    """Mean negative log-likelihood of the data's actions under a tanh-Gaussian: (S, B, A) each -> (S,)."""
    return -tanh_gaussian_log_density(mean, log_std, actions).mean(-1)
