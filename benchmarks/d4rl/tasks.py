"""The catalogue of offline tasks: the twelve MuJoCo locomotion sets of ILQ's Table 1, the expert sets beside them, and Adroit's
human door demonstrations.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.base import Task, unknown
from benchmarks.d4rl.environments import LOCOMOTION
from benchmarks.d4rl.scores import NORMALIZED_SCORE

KINDS = ("random", "medium", "medium-replay", "medium-expert", "expert")
"""What locomotion data were collected with. `expert` is not a row of ILQ's Table 1."""

RECORDED_KINDS = ("human",)
"""Kinds that people recorded: imported, never collected anew."""

_MINARI_KINDS = ("medium", "expert")


@dataclass(frozen=True)
class OfflineTask(Task):
    """One data set kind of one environment; scored by the normalised return of `environment` (`benchmarks.d4rl.scores`).

    `d4rl_name` names the D4RL set that published numbers belong to. `minari_id` names a Minari set where a like one exists: of
    locomotion other policies on gymnasium v5, of Adroit D4RL's actions replayed, so neither is D4RL's data (protocol, section 4).
    """

    environment: str
    kind: str
    d4rl_name: str
    minari_id: str | None

    @property
    def recorded(self) -> bool:
        """Whether its data are people's recordings (source `recorded`) and not rebuilt ones (`local`)."""
        return self.kind in RECORDED_KINDS

    @property
    def command(self) -> str:
        """What puts the suite's own set of the task on this machine."""
        return "reprise data import adroit FILE" if self.recorded else f"reprise data build {self.name}"


def _entry(environment: str, kind: str, version: int, minari_id: str | None) -> OfflineTask:
    return OfflineTask(
        name=f"{environment}-{kind}",
        family="offline_rl",
        version=1,
        metric=NORMALIZED_SCORE,
        environment=environment,
        kind=kind,
        d4rl_name=f"{environment}-{kind}-v{version}",
        minari_id=minari_id,
    )


def _locomotion(environment: str, kind: str) -> OfflineTask:
    return _entry(environment, kind, 2, f"mujoco/{environment}/{kind}-v0" if kind in _MINARI_KINDS else None)


TASKS = {
    entry.name: entry
    for entry in (
        *(_locomotion(environment, kind) for environment in LOCOMOTION for kind in KINDS),
        _entry("door", "human", 1, "D4RL/door/human-v2"),
    )
}
"""Every task by name, such as `hopper-medium`."""

_BY_D4RL_NAME = {entry.d4rl_name: entry for entry in TASKS.values()}


def task(name: str) -> OfflineTask:
    """A task by its name, or by its D4RL name (`hopper-medium-v2`, `door-human-v1`); raises RepriseError with the nearest."""
    known = TASKS.get(name) or _BY_D4RL_NAME.get(name)
    if known is None:
        raise unknown("task", name, TASKS)
    return known
