"""Adroit's door with D4RL's reward: the environment, many of them at once, and the state behind an observation.

gymnasium-robotics 1.2.1 to 1.4.2 pay +0.1 times the distance of palm and handle where D4RL's rule charges it (protocol,
section 8), so returns of the stock `AdroitHandDoor-v1` are not D4RL's.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import mujoco
import numpy as np
from gymnasium_robotics.envs.adroit_hand.adroit_door import AdroitHandDoorEnv

from benchmarks.d4rl.environments import DOOR, check_mujoco

Array = np.ndarray

HAND, LATCH, HINGE, PALM, HANDLE, REACH = slice(0, 27), 27, 28, slice(29, 32), slice(32, 35), slice(35, 38)
"""Parts of an observation (39,): the joints qpos[1:28], latch, hinge, palm, handle, palm - handle; the last is the open flag."""

REWARD_RULE = (
    "D4RL: -0.1*|palm - handle| - 0.1*(hinge - 1.57)^2 - 1e-5*|qvel|^2, +2 if hinge > 0.2, +8 if > 1.0, +10 if > 1.35, "
    "on the observation after the step"
)


def observable_reward(observations: Array) -> Array:
    """D4RL's reward without the velocity cost, of observations after a step: (..., 39) -> (...)."""
    hinge = observations[..., HINGE]
    distance = np.linalg.norm(observations[..., REACH], axis=-1)
    bonus = 2.0 * (hinge > 0.2) + 8.0 * (hinge > 1.0) + 10.0 * (hinge > 1.35)
    return -0.1 * distance - 0.1 * np.square(hinge - 1.57) + bonus


class AdroitDoor(AdroitHandDoorEnv):
    """The stock environment with D4RL's (dense) reward; everything else is the stock environment's."""

    def step(self, action: Array) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        observation, _, terminated, truncated, info = super().step(action)
        reward = float(observable_reward(observation) - 1e-5 * np.sum(np.square(self.data.qvel)))
        return observation, reward, terminated, truncated, info

    def state_at(self, observation: Array) -> dict[str, Array]:
        """The state at rest that shows an observation (39,), in the form of `reset(options={"initial_state_dict": ...})`.

        An observation holds all joints but the arm's slide, which moves the palm linearly, and not where the door stands,
        which moves the handle one to one. Velocities are not observed and are 0.
        """
        qpos = np.zeros(self.model.nq)
        qpos[1:28], qpos[28], qpos[29] = observation[HAND], observation[HINGE], observation[LATCH]
        (palm, handle), (further, _) = self._sites(qpos), self._sites(qpos + np.eye(len(qpos))[0])
        slide = further - palm
        qpos[0] = slide @ (observation[PALM] - palm) / (slide @ slide)
        return {"qpos": qpos, "qvel": np.zeros(self.model.nv), "door_body_pos": observation[HANDLE] - handle}

    def _sites(self, qpos: Array) -> tuple[Array, Array]:
        """Where palm and handle are with the door's frame at the origin, (3,) each."""
        self.set_env_state({"qpos": qpos, "qvel": np.zeros(self.model.nv), "door_body_pos": np.zeros(3)})
        sites = self.data.site_xpos
        return sites[self.grasp_site_id].copy(), sites[self.handle_site_id].copy()


class DoorSimulation:
    """Many doors (see `benchmarks.d4rl.environments.Simulation`): one environment per thread, one MuJoCo state per copy.

    An environment steps its copies in turn, so that every step is its own `step`. Nine tenths of one are MuJoCo's.
    """

    def __init__(self, count: int, threads: int = 1) -> None:
        check_mujoco()
        self.spec = DOOR
        self._envs = [AdroitDoor() for _ in range(max(1, min(threads, count)))]
        self._data = [mujoco.MjData(self._env(index).model) for index in range(count)]
        self._doors = np.zeros((count, 3))
        self._observations = np.zeros((count, DOOR.observation_dim))
        self.steps = np.zeros(count, dtype=np.int64)
        self.terminated = np.zeros(count, dtype=bool)
        self.truncated = np.zeros(count, dtype=bool)
        self._pool = ThreadPoolExecutor(len(self._envs)) if len(self._envs) > 1 else None

    def _env(self, index: int) -> AdroitDoor:
        return self._envs[index % len(self._envs)]

    def _entered(self, index: int) -> AdroitDoor:
        """The environment of a copy, in that copy's state. Where the door stands belongs to the model, not to the state."""
        env = self._env(index)
        env.data = self._data[index]
        env.model.body_pos[env.door_body_id] = self._doors[index]
        return env

    def reset(self, indices: Sequence[int] | Array, seeds: Sequence[int]) -> Array:
        chosen = np.asarray(indices, dtype=np.int64)
        for index, seed in zip(chosen.tolist(), seeds, strict=True):
            env = self._entered(index)
            self._observations[index], _ = env.reset(seed=int(seed))
            self._doors[index] = env.model.body_pos[env.door_body_id]
        self.steps[chosen] = 0
        self.terminated[chosen] = self.truncated[chosen] = False
        return self._observations[chosen]

    def observations(self) -> Array:
        return self._observations.copy()

    def step(self, actions: Array, indices: Array | None = None) -> Array:
        chosen = np.arange(len(self._data)) if indices is None else np.asarray(indices)
        rewards = np.zeros(len(chosen))

        def simulate(turn: int) -> None:
            for position in np.flatnonzero(chosen % len(self._envs) == turn).tolist():
                index = int(chosen[position])
                observation, rewards[position], *_ = self._entered(index).step(actions[position])
                self._observations[index] = observation

        if self._pool is None:
            simulate(0)
        else:
            list(self._pool.map(simulate, range(len(self._envs))))
        self.steps[chosen] += 1
        self.truncated[chosen] = self.steps[chosen] >= DOOR.time_limit
        return rewards

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()
        for env in self._envs:
            env.close()
