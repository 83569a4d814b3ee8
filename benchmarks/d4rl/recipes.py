"""What each kind of local set is made of: uniform actions, one frozen policy, or the snapshots of a policy's training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from benchmarks.base import Json, RepriseError
from benchmarks.d4rl.behaviour import Behaviour, ExactPolicy, Uniform, policy_path, snapshot_paths
from benchmarks.d4rl.environments import environment
from benchmarks.d4rl.policies import Policy
from benchmarks.d4rl.tasks import TASKS, OfflineTask

LEVELS = ("medium", "expert")
"""Kinds that one frozen policy collects."""

MEDIUM_THRESHOLD: Mapping[str, float] = {"halfcheetah": 40.0, "hopper": 45.0, "walker2d": 60.0}
EXPERT_AIM: Mapping[str, float] = {"halfcheetah": 70.0, "hopper": 80.0, "walker2d": 80.0}
"""Normalised scores (D4RL references on v5) of stochastic episodes that make a checkpoint `medium` or `expert`."""

PARTS = {"medium-expert": ("medium", "expert")}
"""Kinds that are put together from others."""


@dataclass(frozen=True)
class Segment:
    """A share of a set: who acts, which seed stream it draws from, and what is known about it (for the manifest)."""

    behaviour: Behaviour
    stream: str
    about: Mapping[str, Json]


def segments(task: OfflineTask) -> list[Segment]:
    """What collects a task's data, in order, with equal shares of the rows (protocol, section 6.2).

    `medium-replay` is what SAC would have stored until it became the medium policy: uniform actions while it warmed up, then
    its snapshots in the order of training. Raises RepriseError where behaviour policies are not there (yet).
    """
    if task.kind == "random":
        return [_uniform(task, task.name)]
    if task.recorded:
        raise RepriseError(
            f"the data of '{task.name}' are people's recordings, which cannot be built; import them: {task.command}"
        )
    if not available(task):
        buildable = ", ".join(name for name in sorted(TASKS) if available(TASKS[name]))
        raise RepriseError(
            f"'{task.name}' cannot be built yet: there is no behaviour policy for it ({task.environment}-*.npz). "
            f"Sets that can be: {buildable}"
        )
    if task.kind in LEVELS:
        return [_policy(task, task.kind, task.name)]
    return _training(task)


def _uniform(task: OfflineTask, stream: str) -> Segment:
    return Segment(Uniform(environment(task.environment).action_dim), stream, {"policy": "uniform"})


def _policy(task: OfflineTask, level: str, stream: str) -> Segment:
    path = policy_path(task.environment, level)
    return _segment(path, path.name, stream)


def _segment(path: Path, name: str, stream: str) -> Segment:
    made, meta = _loaded(path)
    return Segment(made, stream, {"policy": name, "sha256": made.identity["policy"], **meta})


def _loaded(path: Path) -> tuple[ExactPolicy, Mapping[str, Json]]:
    """A policy file's behaviour and metadata, read once per version of the file: every run that is planned asks for them."""
    stat = path.stat()
    return _read(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=256)
def _read(path: Path, size: int, modified: int) -> tuple[ExactPolicy, Mapping[str, Json]]:
    policy = Policy.load(path)
    return ExactPolicy(policy, path.name), policy.meta


def _training(task: OfflineTask) -> list[Segment]:
    """Warm-up, every snapshot before the medium policy, and the medium policy; each stands for the steps before it."""
    last = _policy(task, "medium", f"{task.name}/medium")
    steps = {path: _loaded(path)[1]["step"] for path in snapshot_paths(task.environment)}
    before = [
        _segment(path, f"{path.parent.name}/{path.name}", f"{task.name}/{step}")
        for path, step in steps.items()
        if step < last.about["step"]
    ]
    return [_uniform(task, f"{task.name}/warm-up"), *before, last]


def identity(of: Sequence[Segment]) -> dict[str, Json]:
    """JSON that determines what the segments collect."""
    if len(of) == 1:
        return dict(of[0].behaviour.identity)
    return {"segments": [{"stream": segment.stream, **segment.behaviour.identity} for segment in of]}


def remark(task: OfflineTask) -> str:
    """What a reader of a result on the set must know of its making; empty where there is nothing to say."""
    if task.kind == "medium-replay":
        return "rebuilt by playing the snapshots of a training in their order, not the replay buffer of that training"
    if "expert" not in task.kind or not available(task):
        return ""
    score = _loaded(policy_path(task.environment, "expert"))[1].get("normalized_score")
    aim = EXPERT_AIM[task.environment]
    return (
        f"its expert policy scores {score:.0f}, short of the aim of {aim:g}"
        if score is not None and score < aim
        else ""
    )


def available(task: OfflineTask) -> bool:
    """Whether the behaviour policies that a task's set is collected with exist."""
    if task.kind in PARTS:
        return all(available(TASKS[f"{task.environment}-{kind}"]) for kind in PARTS[task.kind])
    if task.kind == "medium-replay":
        return policy_path(task.environment, "medium").exists() and bool(snapshot_paths(task.environment))
    return task.kind == "random" or (task.kind in LEVELS and policy_path(task.environment, task.kind).exists())
