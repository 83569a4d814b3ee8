"""The catalogue of offline tasks: the twelve MuJoCo locomotion sets of ILQ's Table 1, and the expert sets beside them."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.base import Task, unknown
from benchmarks.d4rl.environments import ENVIRONMENTS
from benchmarks.d4rl.scores import NORMALIZED_SCORE

KINDS = ("random", "medium", "medium-replay", "medium-expert", "expert")
"""What the data were collected with. `expert` is not a row of ILQ's Table 1."""

_MINARI_KINDS = ("medium", "expert")


@dataclass(frozen=True)
class LocomotionTask(Task):
    """One data set kind of one environment; scored by the normalised return of `environment` (`benchmarks.d4rl.scores`).

    `d4rl_name` names the D4RL set that published numbers belong to. `minari_id` names a Minari set where a like one exists:
    other policies on gymnasium v5, so not D4RL's data (protocol, section 4).
    """

    environment: str
    kind: str
    d4rl_name: str
    minari_id: str | None


def _entry(environment: str, kind: str) -> LocomotionTask:
    return LocomotionTask(
        name=f"{environment}-{kind}",
        family="offline_rl",
        version=1,
        metric=NORMALIZED_SCORE,
        environment=environment,
        kind=kind,
        d4rl_name=f"{environment}-{kind}-v2",
        minari_id=f"mujoco/{environment}/{kind}-v0" if kind in _MINARI_KINDS else None,
    )


TASKS = {entry.name: entry for entry in (_entry(environment, kind) for environment in ENVIRONMENTS for kind in KINDS)}
"""Every task by name, such as `hopper-medium`."""


def task(name: str) -> LocomotionTask:
    """A task by its name, or by its D4RL name (`hopper-medium-v2`); raises RepriseError with the nearest name."""
    known = TASKS.get(name) or TASKS.get(name.removesuffix("-v2"))
    if known is None:
        raise unknown("task", name, TASKS)
    return known
