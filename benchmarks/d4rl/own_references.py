"""Our own reference returns: what uniform random actions and the expert policy earn on gymnasium v5 (protocol, section 6.2)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from benchmarks.base import Artifact, Json, Report
from benchmarks.d4rl.collect import collect
from benchmarks.d4rl.environments import environment
from benchmarks.d4rl.recipes import available, segments
from benchmarks.d4rl.tasks import TASKS

VERSION = 1
"""Raised whenever the same policy would give another number."""

EPISODES = {"random": 200, "expert": 100}


def reference_artifact(env: str, kind: str, threads: int | None = None) -> Artifact | None:
    """The measurement of `random` (200 episodes) or `expert` (100, stochastic) in an environment; None without an expert.

    Measured once per home and policy.
    """
    task = TASKS[f"{env}-{kind}"]
    if not available(task):
        return None
    (segment,) = segments(task)
    count = EPISODES[kind]
    identity: dict[str, Json] = {
        "environment": environment(env).gym_id,
        "episodes": count,
        "version": VERSION,
        **segment.behaviour.identity,
    }

    def build(folder: Path, _: Report) -> None:
        episodes = collect(env, segment.behaviour, f"reference/{task.name}", 0, episodes=count, threads=threads)
        returns = np.array([episode.total for episode in episodes])
        measured = {
            "mean_return": float(returns.mean()),
            "std_return": float(returns.std(ddof=1)),
            "episodes": count,
            **segment.about,
        }
        (folder / "reference.json").write_text(json.dumps(measured, indent=1))

    return Artifact("reference-return", identity, build, label=f"reference return {env} {kind}")


def own_reference(env: str, kind: str, threads: int | None = None) -> dict[str, Json] | None:
    """`mean_return`, `std_return`, `episodes` and the policy of a reference; None for `expert` without an expert policy."""
    artifact = reference_artifact(env, kind, threads)
    return json.loads((artifact.ensure() / "reference.json").read_text()) if artifact else None
