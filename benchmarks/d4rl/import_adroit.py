"""Importing Adroit's human door demonstrations: checked whole, written as a Minari set with a manifest (protocol, section 8).

The set `recorded/door-human-v0` lies in `<home>/datasets`: the Minari set, a flat copy of its rows, `manifest.json`. Observations
and rewards are the recorded ones, never replayed; actions are clipped to [-1, 1], which is what the environment (and D4RL's own
file) makes of them. A recording ends with an action whose next observation nobody recorded: that last step is left out, as
D4RL's loader leaves it out, and the episode counts as cut by time, never as terminated.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import h5py
import numpy as np

from benchmarks.base import Json
from benchmarks.d4rl import demonstrations, flat
from benchmarks.d4rl.adroit import REWARD_RULE, AdroitDoor, observable_reward
from benchmarks.d4rl.collect import Episode
from benchmarks.d4rl.demonstrations import Recording
from benchmarks.d4rl.environments import DOOR, check_mujoco
from benchmarks.d4rl.minari_store import HDF5, flat_rows, write_set
from benchmarks.d4rl.own_set import FLAT, MANIFEST, RecordedSet
from benchmarks.d4rl.rebuild import SetArtifact
from benchmarks.d4rl.replay import as_json, open_loop
from benchmarks.d4rl.scores import normalized_score
from benchmarks.d4rl.tasks import task as find_task

VERSION = 1
"""Raised whenever the same file would give another set."""

PACKAGES = ("numpy", "mujoco", "gymnasium", "gymnasium-robotics", "minari", "h5py")

VELOCITY_COST = (-0.1, 1e-5)
"""Where what D4RL's rule leaves of a reward beside its observable terms must lie: at most 0 but for rounding."""


def import_file(path: Path) -> RecordedSet:
    """Turn a file of human door demonstrations (`benchmarks.d4rl.demonstrations`) into the set of `door-human`.

    The set is written whole or not at all, in place of one from another file; the same file again changes nothing. The same
    episodes give the same hashes in every layout. Raises RepriseError naming file, episode and key.
    """
    made = RecordedSet(find_task("door-human"))
    layout, recordings = demonstrations.read(path)
    source = {"file": path.name, "layout": layout, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    identity: dict[str, Json] = {"set": made.name, "source": source["sha256"], "version": VERSION}
    label = f"data {made.name}"
    SetArtifact("dataset", identity, lambda folder, _: _write(made, recordings, source, folder), (), label).ensure()
    return made


def _write(made: RecordedSet, recordings: Sequence[Recording], source: dict[str, str], folder: Path) -> None:
    episodes = [_episode(recording) for recording in recordings]
    minari_metadata: dict[str, Json] = {
        "algorithm_name": "human demonstrations",
        "author": {"Rajeswaran et al. 2018"},
        "description": f"{made.name}: recorded human demonstrations, imported by '{made.command}'. Not D4RL's own file. Rewards "
        f"and observations as recorded; reward rule {REWARD_RULE}. recover_environment needs the package reprise.",
        "requirements": [f"mujoco=={check_mujoco()}", f"gymnasium-robotics=={version('gymnasium-robotics')}"],
    }
    write_set(folder, made.name, DOOR.name, episodes, minari_metadata)
    _write_first_states(folder / HDF5, episodes)
    copy = flat.write(folder / FLAT, flat_rows(episodes), folder / HDF5)
    text = json.dumps(_manifest(made, recordings, episodes, copy, source), indent=1)
    (folder / MANIFEST).write_text(text)


def _episode(recording: Recording) -> Episode:
    return Episode(
        None,
        recording.observations.astype(np.float32),
        np.clip(recording.actions[:-1], -1.0, 1.0).astype(np.float32),
        recording.rewards[:-1].astype(np.float32),
        terminated=False,
        truncated=True,
    )


def _write_first_states(path: Path, episodes: Sequence[Episode]) -> None:
    """Beside each episode, as Minari keeps them: the options of `env.reset` that start it."""
    env = AdroitDoor()
    with h5py.File(path, "a") as file:
        for number, episode in enumerate(episodes):
            state = env.state_at(episode.observations[0].astype(np.float64))
            for key, value in state.items():
                file[f"episode_{number}"].attrs[f"options/initial_state_dict/{key}"] = value
    env.close()


def _manifest(
    made: RecordedSet,
    recordings: Sequence[Recording],
    episodes: Sequence[Episode],
    copy: flat.FlatCopy,
    source: dict[str, str],
) -> dict[str, Json]:
    """What is known of a recorded set, under the names that manifests of local sets use. Returns are of the rows kept."""
    returns = np.array([episode.total for episode in episodes])
    return {
        "dataset": made.name,
        "task": made.task.name,
        "environment": DOOR.gym_id,
        "kind": made.task.kind,
        "source": source,
        "rows": int(sum(map(len, episodes))),
        "episodes": len(episodes),
        "rows_after_last_episode": 0,
        "hash": copy.hash,
        "arrays": dict(copy.arrays),
        "behaviours": [{"policy": "human demonstrations"}],
        "reward_rule": REWARD_RULE,
        "acceptance": _acceptance(episodes),
        "mean_return": float(returns.mean()),
        "mean_normalized_return": {"d4rl_references": float(normalized_score(DOOR.name, returns.mean()))},
        "terminal_share": 0.0,
        "evaluation_time_limit": DOOR.time_limit,
        "left_out": {
            "rows": len(episodes),
            "why": "the observation after the last action of a recording was not recorded",
            "rewards": [float(recording.rewards[-1]) for recording in recordings],
        },
        "clipped_actions": int(sum((np.abs(recording.actions[:-1]) > 1.0).sum() for recording in recordings)),
        "first_states": "rebuilt from the first observation of each episode, at rest: the arm's slide from the palm, the door "
        "from the handle; velocities were not recorded",
        "open_loop": as_json(open_loop(episodes)),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "import_version": VERSION,
        "returns": [round(value, 4) for value in returns.tolist()],
        "lengths": [len(episode) for episode in episodes],
    }


def _acceptance(episodes: Sequence[Episode]) -> dict[str, Json]:
    """Whether the recorded rewards follow D4RL's rule: what its observable terms leave must be a velocity cost."""
    left = np.concatenate([episode.rewards - observable_reward(episode.observations[1:]) for episode in episodes])
    low, high = VELOCITY_COST
    return {
        "reward_less_observable_terms": [float(left.min()), float(left.max())],
        "expected_within": [low, high],
        "met": bool(low <= left.min() and left.max() <= high),
    }
