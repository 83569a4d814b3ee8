"""Local data sets: collected from committed behaviour policies, written as Minari sets (protocol, section 6.2).

A set `local/{env}-{kind}-v5-n{N}-s{seed}-v0` lies in `<home>/datasets`: the Minari set, a flat copy of its rows, `manifest.json`.
It holds complete episodes in the order of their numbers, cut to N rows as D4RL cuts its arrays; the row at the cut is neither a
terminal nor a time-out. `medium-expert` is medium up to its last complete episode, followed by expert.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks.base import Artifact, Json, RepriseError, home
from benchmarks.d4rl import flat
from benchmarks.d4rl.behaviour import Behaviour, ExactPolicy, Uniform, policy_path
from benchmarks.d4rl.collect import Episode, collect
from benchmarks.d4rl.environments import check_mujoco, environment
from benchmarks.d4rl.manifest import read_json
from benchmarks.d4rl.minari_store import HDF5, flat_rows, read_episodes, write_set
from benchmarks.d4rl.policies import Policy
from benchmarks.d4rl.scores import normalized_score
from benchmarks.d4rl.tasks import TASKS, LocomotionTask

VERSION = 1
"""Raised whenever the same policies and seed would give other data."""

MANIFEST = "manifest.json"
FLAT = "flat"
LEVELS = ("medium", "expert")
"""Kinds that one frozen policy collects."""

PARTS = {"medium-expert": ("medium", "expert")}
MEDIUM_THRESHOLD = {"halfcheetah": 40.0, "hopper": 45.0, "walker2d": 60.0}
EXPERT_AIM = {"halfcheetah": 70.0, "hopper": 80.0, "walker2d": 80.0}
RANDOM_RETURN = {"halfcheetah": (-264.0, 96.0, 20), "hopper": (18.0, 19.9, 200), "walker2d": (2.1, 7.8, 200)}
"""Mean, sd and number of episodes of uniform random actions on v5, as measured in the protocol (section 2)."""

REFERENCE_EPISODES = {"random": 200, "expert": 100}
PACKAGES = ("numpy", "mujoco", "gymnasium", "minari", "h5py")

Report = Callable[[int], None]
"""Hears the number of rows collected so far."""


@dataclass(frozen=True)
class LocalSet:
    """A local set by what it is made of, whether or not it exists."""

    task: LocomotionTask
    rows: int
    seed: int

    @property
    def name(self) -> str:
        return f"local/{self.task.name}-v5-n{self.rows}-s{self.seed}-v0"

    @property
    def folder(self) -> Path:
        return home() / "datasets" / self.name

    @property
    def parts(self) -> tuple[LocalSet, ...]:
        """The sets it is put together from; none where it is collected."""
        kinds = PARTS.get(self.task.kind, ())
        return tuple(LocalSet(TASKS[f"{self.task.environment}-{kind}"], self.rows, self.seed) for kind in kinds)

    @property
    def command(self) -> str:
        """What builds it."""
        return f"reprise data build {self.task.name} --rows {self.rows} --seed {self.seed}"

    def manifest(self) -> dict[str, Json] | None:
        """What is written beside the data, or None while there are none."""
        path = self.folder / MANIFEST
        return read_json(path, f"remove {self.folder} and build it again: {self.command}") if path.exists() else None


class SetArtifact(Artifact):
    """A local set as an artifact: it lies under its name among the Minari sets instead of under its key."""

    @property
    def folder(self) -> Path:
        return home() / "datasets" / str(self.identity["set"])

    def ready(self) -> bool:
        path = self.folder / "artifact.json"
        return path.exists() and json.loads(path.read_text())["key"] == self.key


def artifact(wanted: LocalSet, report: Report = lambda rows: None) -> SetArtifact:
    """The artifact that builds a local set; raises RepriseError where its behaviour policies do not exist."""
    needs = tuple(artifact(part, report) for part in wanted.parts)
    identity: dict[str, Json] = {
        "set": wanted.name,
        "environment": environment(wanted.task.environment).gym_id,
        "rows": wanted.rows,
        "seed": wanted.seed,
        "version": VERSION,
    }
    if needs:
        identity["parts"] = [need.key for need in needs]
    else:
        identity |= behaviour(wanted.task)[0].identity
    return SetArtifact("dataset", identity, lambda folder: _build(wanted, folder, report), needs, f"data {wanted.name}")


def behaviour(task: LocomotionTask) -> tuple[Behaviour, dict[str, Json]]:
    """What collects a task's data, and what is known about it; raises RepriseError where that is not there (yet)."""
    if task.kind == "random":
        return Uniform(environment(task.environment).action_dim), {"policy": "uniform"}
    path = policy_path(task.environment, task.kind)
    if task.kind not in LEVELS or not path.exists():
        buildable = ", ".join(name for name in sorted(TASKS) if available(TASKS[name]))
        raise RepriseError(
            f"'{task.name}' cannot be built yet: there is no behaviour policy for it ({path.name}). Sets that can be: {buildable}"
        )
    policy = Policy.load(path)
    made = ExactPolicy(policy, path.name)
    return made, {"policy": path.name, "sha256": made.identity["policy"], **policy.meta}


def available(task: LocomotionTask) -> bool:
    """Whether the behaviour policies that a task's set is collected with exist."""
    if task.kind in PARTS:
        return all(available(TASKS[f"{task.environment}-{kind}"]) for kind in PARTS[task.kind])
    return task.kind == "random" or (task.kind in LEVELS and policy_path(task.environment, task.kind).exists())


def _build(wanted: LocalSet, folder: Path, report: Report) -> None:
    task = wanted.task
    if wanted.parts:
        first, second = (read_episodes(part.folder) for part in wanted.parts)
        episodes = [*(episode for episode in first if episode.complete), *second]
        behaviours = [about for part in wanted.parts for about in _built(part)["behaviours"]]
    else:
        source, about = behaviour(task)
        episodes = collect(task.environment, source, task.name, wanted.seed, rows=wanted.rows, progress=report)
        behaviours = [about]
    own = {kind: own_reference(task.environment, kind) for kind in REFERENCE_EPISODES}
    known = {"ref_min_score": own["random"], "ref_max_score": own["expert"]}
    minari_metadata: dict[str, Json] = {
        "algorithm_name": "SAC" if task.kind != "random" else "uniform actions",
        "author": {"Reprise"},
        "description": f"{wanted.name}: built by '{wanted.command}'. Not a D4RL set.",
        "requirements": [f"mujoco=={check_mujoco()}", f"gymnasium=={version('gymnasium')}"],
        **{key: entry["mean_return"] for key, entry in known.items() if entry},
    }
    write_set(folder, wanted.name, task.environment, episodes, minari_metadata)
    copy = flat.write(folder / FLAT, flat_rows(episodes), folder / HDF5)
    text = json.dumps(_manifest(wanted, episodes, copy, behaviours, own), indent=1)
    (folder / MANIFEST).write_text(text)


def _built(part: LocalSet) -> dict[str, Json]:
    manifest = part.manifest()
    assert manifest is not None, "an artifact's needs are built before it"
    return manifest


def _manifest(
    wanted: LocalSet, episodes: Sequence[Episode], copy: flat.FlatCopy, behaviours: Sequence[Json], own: dict[str, Json]
) -> dict[str, Json]:
    """What protocol section 6.2 wants beside the data. Returns and lengths are of complete episodes."""
    task = wanted.task
    complete = [episode for episode in episodes if episode.complete]
    returns = np.array([episode.rewards.sum(dtype=np.float64) for episode in complete])
    rows = sum(map(len, episodes))
    low, high = own["random"], own["expert"]
    scores = normalized_score(task.environment, returns)
    return {
        "dataset": wanted.name,
        "task": task.name,
        "environment": environment(task.environment).gym_id,
        "kind": task.kind,
        "seed": wanted.seed,
        "rows_wanted": wanted.rows,
        "rows": rows,
        "episodes": len(complete),
        "rows_after_last_episode": rows - sum(map(len, complete)),
        "hash": copy.hash,
        "arrays": dict(copy.arrays),
        "behaviours": list(behaviours),
        "acceptance": _acceptance(task, returns),
        "mean_return": float(returns.mean()) if len(complete) else None,
        "mean_normalized_return": {
            "d4rl_references_on_v5": float(np.mean(scores)) if len(complete) else None,
            "own_references": _own_score(returns, low, high),
        },
        "own_references": own,
        "terminal_share": float(np.mean([episode.terminated for episode in complete])) if len(complete) else None,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "build_version": VERSION,
        "returns": [round(value, 4) for value in returns.tolist()],
        "lengths": [len(episode) for episode in complete],
    }


def _own_score(returns: np.ndarray, low: Json, high: Json) -> float | None:
    if high is None or not len(returns):
        return None
    return float(100.0 * (returns.mean() - low["mean_return"]) / (high["mean_return"] - low["mean_return"]))


def _acceptance(task: LocomotionTask, returns: np.ndarray) -> dict[str, Json] | None:
    """Whether the set is what its kind promises; None where the protocol says nothing or there are too few episodes.

    Random: mean return within 3 standard errors of the protocol's. Medium: mean score within 10 points of its threshold. Expert:
    mean score at its aim (D4RL references).
    """
    if len(returns) < 2 or task.kind not in ("random", *LEVELS):
        return None
    mean, score = float(returns.mean()), float(normalized_score(task.environment, returns.mean()))
    if task.kind == "random":
        expected, spread, episodes = RANDOM_RETURN[task.environment]
        error = float(np.hypot(spread / np.sqrt(episodes), returns.std(ddof=1) / np.sqrt(len(returns))))
        return {"expected_return": expected, "standard_error": error, "met": abs(mean - expected) <= 3 * error}
    if task.kind == "medium":
        threshold = MEDIUM_THRESHOLD[task.environment]
        return {"threshold": threshold, "tolerance": 10.0, "met": abs(score - threshold) <= 10.0}
    return {"aim": EXPERT_AIM[task.environment], "met": score >= EXPERT_AIM[task.environment]}


def own_reference(env: str, kind: str) -> dict[str, Json] | None:
    """Our own reference return of an environment: uniform random (200 episodes) or the expert policy (100, stochastic).

    Measured once per home and policy. None for `expert` where no expert policy exists.
    """
    task = TASKS[f"{env}-{kind}"]
    if not available(task):
        return None
    source, about = behaviour(task)
    count = REFERENCE_EPISODES[kind]
    identity = {"environment": environment(env).gym_id, "episodes": count, "version": VERSION, **source.identity}

    def build(folder: Path) -> None:
        episodes = collect(env, source, f"reference/{task.name}", 0, episodes=count)
        returns = np.array([episode.rewards.sum(dtype=np.float64) for episode in episodes])
        measured = {
            "mean_return": float(returns.mean()),
            "std_return": float(returns.std(ddof=1)),
            "episodes": count,
            **about,
        }
        (folder / "reference.json").write_text(json.dumps(measured, indent=1))

    made = Artifact("reference-return", identity, build, label=f"reference return {env} {kind}").ensure()
    return json.loads((made / "reference.json").read_text())
