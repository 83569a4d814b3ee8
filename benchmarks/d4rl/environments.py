"""The environments of the tasks: one at a time through gymnasium, or many at once, bit-equal to it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version as installed
from typing import Any, Protocol

import gymnasium
import mujoco
import numpy as np
from gymnasium.utils import seeding

from benchmarks.base import RepriseError, unknown

TIME_LIMIT = 1000
BAD_MUJOCO = "4.0.0"

Array = np.ndarray

# By itself MuJoCo writes its warnings into MUJOCO_LOG.TXT in whatever the working directory is.
mujoco.set_mju_user_warning(logging.getLogger(__name__).info)


@dataclass(frozen=True)
class Environment:
    """One environment by its D4RL name: its gymnasium id, sizes, and after how many steps an episode is cut.

    Actions lie in [-1, 1]. `packages` beside gymnasium and mujoco determine the simulation.
    """

    name: str
    gym_id: str
    observation_dim: int
    action_dim: int
    time_limit: int = field(default=TIME_LIMIT, kw_only=True)
    packages: tuple[str, ...] = field(default=(), kw_only=True)


@dataclass(frozen=True)
class Locomotion(Environment):
    """What the batched simulation must know of one locomotion environment.

    `healthy(qpos, qvel)` takes full simulator positions (N, nq) and velocities (N, nv) and says which rows go on;
    `velocity_clip` bounds the velocities of an observation, `reset_velocity` is `uniform` or `normal`.
    """

    forward_weight: float
    control_cost: float
    healthy_reward: float
    healthy: Callable[[Array, Array], Array] | None
    velocity_clip: float | None
    reset_scale: float
    reset_velocity: str


def _hopper_healthy(qpos: Array, qvel: Array) -> Array:
    inside = (np.abs(qpos[:, 2:]).max(axis=1) < 100.0) & (np.abs(qvel).max(axis=1) < 100.0)
    return inside & (qpos[:, 1] > 0.7) & (np.abs(qpos[:, 2]) < 0.2)


def _walker2d_healthy(qpos: Array, qvel: Array) -> Array:
    return (qpos[:, 1] > 0.8) & (qpos[:, 1] < 2.0) & (np.abs(qpos[:, 2]) < 1.0)


LOCOMOTION = {
    "hopper": Locomotion("hopper", "Hopper-v5", 11, 3, 1.0, 1e-3, 1.0, _hopper_healthy, 10.0, 5e-3, "uniform"),
    "halfcheetah": Locomotion("halfcheetah", "HalfCheetah-v5", 17, 6, 1.0, 0.1, 0.0, None, None, 0.1, "normal"),
    "walker2d": Locomotion("walker2d", "Walker2d-v5", 17, 6, 1.0, 1e-3, 1.0, _walker2d_healthy, 10.0, 5e-3, "uniform"),
}

DOOR = Environment("door", "reprise/AdroitHandDoor-D4RL-v1", 39, 28, time_limit=200, packages=("gymnasium-robotics",))
"""Adroit's door with D4RL's reward (`benchmarks.d4rl.adroit`)."""

ENVIRONMENTS: dict[str, Environment] = {**LOCOMOTION, DOOR.name: DOOR}

# By its entry point stock Minari finds the environment again without this module.
gymnasium.register(DOOR.gym_id, "benchmarks.d4rl.adroit:AdroitDoor", max_episode_steps=DOOR.time_limit)


def environment(name: str) -> Environment:
    """An environment by its D4RL name; raises RepriseError with the nearest name."""
    try:
        return ENVIRONMENTS[name]
    except KeyError:
        raise unknown("environment", name, ENVIRONMENTS) from None


def by_gym_id(gym_id: object, where: str) -> Environment:
    """An environment by its gymnasium id, as policy files name it; RepriseError, after `where`, with the ids that are known."""
    for spec in ENVIRONMENTS.values():
        if spec.gym_id == gym_id:
            return spec
    known = ", ".join(spec.gym_id for spec in ENVIRONMENTS.values())
    raise RepriseError(f"{where}: its environment is '{gym_id}', not one of {known}; it cannot be played")


def check_mujoco(version: str | None = None) -> str:
    """The installed MuJoCo's version; raises RepriseError for 4.0.0, whose sparse Cholesky factorisation is wrong."""
    version = version or mujoco.__version__
    if version == BAD_MUJOCO:
        raise RepriseError(
            "mujoco 4.0.0 computes wrong accelerations (its sparse Cholesky factorisation merges rows; fixed in 4.0.1). "
            "Install another version: pip uninstall mujoco && pip install 'mujoco==3.17.0'"
        )
    return version


def versions(name: str) -> str:
    """What a table must say of the simulation: `Hopper-v5, gymnasium 1.4.0, mujoco 3.17.0`."""
    spec = environment(name)
    others = "".join(f", {package} {installed(package)}" for package in spec.packages)
    return f"{spec.gym_id}, gymnasium {gymnasium.__version__}, mujoco {mujoco.__version__}{others}"


def make(name: str, **options: Any) -> gymnasium.Env:
    """The gymnasium environment, with its time limit; options are gymnasium's (`render_mode`, `width`, ...)."""
    check_mujoco()
    return gymnasium.make(environment(name).gym_id, **options)


class Simulation(Protocol):
    """N copies of one environment stepped together. Copies do not reset themselves: the caller says which and when.

    `terminated` (N,) and `truncated` (N,) are of the last step, `steps` (N,) those taken in the present episode.
    """

    steps: Array
    terminated: Array
    truncated: Array

    @property
    def spec(self) -> Environment:
        """The environment simulated."""

    def reset(self, indices: Sequence[int] | Array, seeds: Sequence[int]) -> Array:
        """Start new episodes in the named copies as `env.reset(seed=...)` would; observations (len(indices), O), float64."""

    def observations(self) -> Array:
        """What each copy shows now, (N, O) float64."""

    def step(self, actions: Array, indices: Array | None = None) -> Array:
        """Advance the named copies (default: all) by one action each, (len(indices), A); rewards (len(indices),) float64."""

    def close(self) -> None:
        """Release the simulation."""


def simulation(name: str, count: int, threads: int = 1) -> Simulation:
    """`count` copies of an environment, bit-equal to stepping each alone; raises RepriseError for an unknown name."""
    if name in LOCOMOTION:
        return BatchedEnvironment(name, count, threads)
    environment(name)
    from benchmarks.d4rl.adroit import DoorSimulation  # gymnasium-robotics is imported only where the door is used

    return DoorSimulation(count, threads)


class BatchedEnvironment:
    """N copies of one locomotion environment stepped together on one shared model.

    Every copy runs the same MuJoCo calls as gymnasium's `env.step`, so states, rewards and flags are bit-equal to it when
    actions are float32; what is saved is Python's share. Copies do not reset themselves: the caller says which and when.

    Attributes: `terminated` (N,) and `truncated` (N,) of the last step; `steps` (N,) taken in the present episode.
    """

    def __init__(self, name: str, count: int, threads: int = 1) -> None:
        check_mujoco()
        self.spec = LOCOMOTION[name]
        self._gym = gymnasium.make(self.spec.gym_id).unwrapped
        model = self._gym.model
        self.model, self.frame_skip, self.dt = model, self._gym.frame_skip, self._gym.dt
        self._data = [mujoco.MjData(model) for _ in range(count)]
        self._qpos = [data.qpos for data in self._data]
        self._qvel = [data.qvel for data in self._data]
        self._ctrl = [data.ctrl for data in self._data]
        self.qpos = np.zeros((count, model.nq))
        self.qvel = np.zeros((count, model.nv))
        self.steps = np.zeros(count, dtype=np.int64)
        self.terminated = np.zeros(count, dtype=bool)
        self.truncated = np.zeros(count, dtype=bool)
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._threads = threads

    def __len__(self) -> int:
        return len(self._data)

    def reset(self, indices: Sequence[int] | Array, seeds: Sequence[int]) -> Array:
        """Start new episodes in the named copies as `env.reset(seed=...)` would; observations (len(indices), O), float64."""
        for index, seed in zip(indices, seeds, strict=True):
            generator, _ = seeding.np_random(int(seed))
            self._reset_state(int(index), generator)
        return self.observations()[np.asarray(indices, dtype=np.int64)]

    def reset_from(self, index: int, generator: np.random.Generator) -> None:
        """Start a new episode in one copy, drawing from the caller's generator as a gymnasium environment does from its own."""
        self._reset_state(index, generator)

    def _reset_state(self, index: int, generator: np.random.Generator) -> None:
        data, spec, model = self._data[index], self.spec, self.model
        mujoco.mj_resetData(model, data)
        scale = spec.reset_scale
        data.qpos[:] = self._gym.init_qpos + generator.uniform(low=-scale, high=scale, size=model.nq)
        if spec.reset_velocity == "uniform":
            data.qvel[:] = self._gym.init_qvel + generator.uniform(low=-scale, high=scale, size=model.nv)
        else:
            data.qvel[:] = self._gym.init_qvel + scale * generator.standard_normal(model.nv)
        mujoco.mj_forward(model, data)
        self.qpos[index], self.qvel[index] = data.qpos, data.qvel
        self.steps[index] = 0
        self.terminated[index] = self.truncated[index] = False

    def observations(self) -> Array:
        """What each copy shows now, (N, O) float64: positions without the first, velocities (clipped where the task clips)."""
        clip = self.spec.velocity_clip
        qvel = self.qvel if clip is None else np.clip(self.qvel, -clip, clip)
        return np.concatenate([self.qpos[:, 1:], qvel], axis=1)

    def step(self, actions: Array, indices: Array | None = None) -> Array:
        """Advance the named copies (default: all) by one action each; rewards (len(indices),) float64.

        actions: (len(indices), A). Observations afterwards come from `observations()`, the end of an episode from
        `terminated` (a true terminal) and `truncated` (the time limit of 1,000 steps).
        """
        spec = self.spec
        chosen = np.arange(len(self)) if indices is None else np.asarray(indices)
        before = self.qpos[chosen, 0]
        self._simulate(chosen.tolist(), actions)
        forward = (self.qpos[chosen, 0] - before) / self.dt * spec.forward_weight
        cost = spec.control_cost * np.sum(np.square(actions), axis=1)
        if spec.healthy is None:
            rewards = forward - cost
        else:
            healthy = spec.healthy(self.qpos[chosen], self.qvel[chosen])
            rewards = forward + healthy * spec.healthy_reward - cost
            self.terminated[chosen] = ~healthy
        self.steps[chosen] += 1
        self.truncated[chosen] = self.steps[chosen] >= TIME_LIMIT
        return rewards

    def _simulate(self, chosen: list[int], actions: Array) -> None:
        if self._pool is None or len(chosen) < 2 * self._threads:
            self._simulate_chunk(chosen, actions)
            return
        size = -(-len(chosen) // self._threads)
        starts = range(0, len(chosen), size)
        jobs = [self._pool.submit(self._simulate_chunk, chosen[i : i + size], actions[i : i + size]) for i in starts]
        for job in jobs:
            job.result()

    def _simulate_chunk(self, chosen: list[int], actions: Array) -> None:
        step, model, skip, control, data = mujoco.mj_step, self.model, self.frame_skip, self._ctrl, self._data
        for index, action in zip(chosen, actions, strict=True):
            control[index][:] = action
            step(model, data[index], skip)
        self.qpos[chosen] = [self._qpos[index] for index in chosen]
        self.qvel[chosen] = [self._qvel[index] for index in chosen]

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()
        self._gym.close()
