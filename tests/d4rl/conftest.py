"""Small random behaviour policies and door demonstrations, so that data sets can be made without the real ones."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from benchmarks.d4rl.environments import environment
from benchmarks.d4rl.policies import Policy


def make_policy(env: str, seed: int, hidden: int = 32) -> Policy:
    """A tanh-Gaussian policy with two hidden layers and weights of ordinary size."""
    spec, rng = environment(env), np.random.default_rng(seed)
    sizes = [spec.observation_dim, hidden, hidden, 2 * spec.action_dim]
    weights = [rng.normal(0, 1 / np.sqrt(n), (n, m)).astype(np.float32) for n, m in pairwise(sizes)]
    biases = [rng.normal(0, 0.1, m).astype(np.float32) for m in sizes[1:]]
    return Policy(tuple(weights), tuple(biases), -5.0, 2.0, {"environment": spec.gym_id, "seed": seed, "step": 7})


@pytest.fixture(scope="session")
def random_policy() -> Callable[[str, int], Policy]:
    return make_policy


@pytest.fixture
def policy() -> Policy:
    return make_policy("hopper", 0)


@pytest.fixture(scope="session")
def behaviour_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a medium and an expert policy for Hopper; REPRISE_BEHAVIOR must point to it."""
    folder = tmp_path_factory.mktemp("behavior")
    for seed, level in enumerate(("medium", "expert")):
        make_policy("hopper", seed).save(folder / f"hopper-{level}.npz")
    return folder


Demos = list[dict[str, Any]]


@pytest.fixture(scope="session")
def door_demos() -> Demos:
    """Three short episodes of the door by random actions, some beyond [-1, 1], in the form of the original demonstrations."""
    from benchmarks.d4rl.adroit import AdroitDoor

    env, rng, demos = AdroitDoor(), np.random.default_rng(0), []
    for number, length in enumerate((9, 2, 14)):
        observation, _ = env.reset(seed=number)
        start = env.get_env_state()
        observations, rewards = [], []
        actions = rng.uniform(-1.4, 1.4, (length, 28))
        for action in actions:
            observations.append(observation)
            observation, reward, *_ = env.step(action)
            rewards.append(reward)
        demos.append(
            {
                "observations": np.array(observations),
                "actions": actions,
                "rewards": np.array(rewards),
                "init_state_dict": start,
                "env_infos": {"door": [{"open": False}] * length},
            }
        )
    return demos


class _Python2(pickle._Pickler):  # type: ignore[name-defined]
    """Pickles as Python 2 did: texts and bytes are both its `str`, and NumPy's internals are under their old name."""

    dispatch = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def _string(self, value: bytes | str) -> None:
        content = value.encode("latin1") if isinstance(value, str) else value
        self.write(b"T" + struct.pack("<i", len(content)) + content)

    dispatch[bytes] = dispatch[str] = _string

    def save_global(self, obj: Any, name: str | None = None) -> None:
        module = obj.__module__.replace("numpy._core", "numpy.core")
        self.write(f"c{module}\n{name or obj.__qualname__}\n".encode())
        self.memoize(obj)

    dispatch[type] = save_global


def write_door_demos(path: Path, layout: str, demos: Demos) -> Path:
    """Demonstrations in a layout: `npz`, `hdf5` (D4RL's, actions clipped), `pickle` or `python 2` pickle."""
    if layout in ("pickle", "python 2"):
        with path.open("wb") as file:
            (_Python2(file, 2) if layout == "python 2" else pickle.Pickler(file, 2)).dump(demos)
        return path
    joined = {key: np.concatenate([demo[key] for demo in demos]) for key in ("observations", "actions", "rewards")}
    lengths = np.array([len(demo["rewards"]) for demo in demos])
    if layout == "npz":
        with path.open("wb") as file:
            np.savez(file, **joined, episode_lengths=lengths)
        return path
    timeouts = np.zeros(lengths.sum(), dtype=bool)
    timeouts[np.cumsum(lengths) - 1] = True
    with h5py.File(path, "w") as file:
        for key, array in {**joined, "actions": np.clip(joined["actions"], -1, 1)}.items():
            file.create_dataset(key, data=array.astype(np.float32), compression="gzip")
        file["terminals"], file["timeouts"] = np.zeros_like(timeouts), timeouts
        file["infos/door_body_pos"] = np.zeros((len(timeouts), 3), np.float32)
    return path


@pytest.fixture(scope="session")
def write_demos() -> Callable[[Path, str, Demos], Path]:
    return write_door_demos
