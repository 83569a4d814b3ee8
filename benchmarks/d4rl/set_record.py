"""What is written beside a local set: the facts of protocol section 6.2, and whether the set is what its kind promises."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import version

import numpy as np
import pandas as pd

from benchmarks.base import Json
from benchmarks.d4rl import flat
from benchmarks.d4rl.collect import Episode
from benchmarks.d4rl.environments import environment
from benchmarks.d4rl.own_set import LocalSet
from benchmarks.d4rl.recipes import EXPERT_AIM, MEDIUM_THRESHOLD
from benchmarks.d4rl.scores import normalized_score
from benchmarks.d4rl.tasks import OfflineTask

PACKAGES = ("numpy", "mujoco", "gymnasium", "minari", "h5py")

RANDOM_RETURN = {"halfcheetah": (-264.0, 96.0, 20), "hopper": (18.0, 19.9, 200), "walker2d": (2.1, 7.8, 200)}
"""Mean, sd and number of episodes of uniform random actions on v5, as measured in the protocol (section 2)."""

SCORE_TOLERANCE = 10.0
"""Points by which a medium set may miss its threshold, and the first tenth of a replay the random policy."""

LEARNING_CORRELATION = 0.4
"""Least rank correlation of episode number and return in a replay that looks like learning."""


def manifest(
    wanted: LocalSet, episodes: Sequence[Episode], copy: flat.FlatCopy, behaviours: Sequence[Json], own: dict[str, Json]
) -> dict[str, Json]:
    """The manifest of a set. Returns and lengths are of complete episodes."""
    task = wanted.task
    complete = [episode for episode in episodes if episode.complete]
    returns = np.array([episode.total for episode in complete])
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
        "returns": [round(value, 4) for value in returns.tolist()],
        "lengths": [len(episode) for episode in complete],
    }


def _own_score(returns: np.ndarray, low: Json, high: Json) -> float | None:
    if high is None or not len(returns):
        return None
    return float(100.0 * (returns.mean() - low["mean_return"]) / (high["mean_return"] - low["mean_return"]))


def _acceptance(task: OfflineTask, returns: np.ndarray) -> dict[str, Json] | None:
    """Whether the set is what its kind promises; None where the protocol says nothing or there are too few episodes."""
    if len(returns) < 2 or task.kind not in _JUDGED:
        return None
    return _JUDGED[task.kind](task.environment, returns)


def _random(env: str, returns: np.ndarray) -> dict[str, Json]:
    """Mean return within 3 standard errors of the protocol's."""
    expected, spread, episodes = RANDOM_RETURN[env]
    error = float(np.hypot(spread / np.sqrt(episodes), returns.std(ddof=1) / np.sqrt(len(returns))))
    return {
        "expected_return": expected,
        "standard_error": error,
        "met": bool(abs(returns.mean() - expected) <= 3 * error),
    }


def _medium(env: str, returns: np.ndarray) -> dict[str, Json]:
    """Mean score within 10 points of the threshold."""
    score = float(normalized_score(env, returns.mean()))
    return {
        "threshold": MEDIUM_THRESHOLD[env],
        "tolerance": SCORE_TOLERANCE,
        "met": abs(score - MEDIUM_THRESHOLD[env]) <= SCORE_TOLERANCE,
    }


def _expert(env: str, returns: np.ndarray) -> dict[str, Json]:
    """Mean score at the aim, with D4RL's references."""
    return {"aim": EXPERT_AIM[env], "met": bool(normalized_score(env, returns.mean()) >= EXPERT_AIM[env])}


def _replay(env: str, returns: np.ndarray) -> dict[str, Json]:
    """Looks like learning: returns rise with the episode's number, and the first tenth is near random."""
    correlation = rank_correlation(returns)
    early = float(normalized_score(env, returns[: max(1, len(returns) // 10)].mean()))
    near = early - float(normalized_score(env, RANDOM_RETURN[env][0]))
    return {
        "rank_correlation": correlation,
        "at_least": LEARNING_CORRELATION,
        "first_tenth_score_above_random": near,
        "tolerance": SCORE_TOLERANCE,
        "met": correlation > LEARNING_CORRELATION and near <= SCORE_TOLERANCE,
    }


_JUDGED = {"random": _random, "medium": _medium, "medium-replay": _replay, "expert": _expert}


def rank_correlation(values: np.ndarray) -> float:
    """Spearman's correlation of values with their position; 0 where all are equal."""
    ranks = pd.Series(values).rank().to_numpy()
    if np.ptp(ranks) == 0:
        return 0.0
    return float(np.corrcoef(np.arange(len(ranks)), ranks)[0, 1])
