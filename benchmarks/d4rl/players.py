"""Who acts in an environment, whatever it was restored from, and the episodes it plays on the stock environment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import gymnasium
import numpy as np
import torch
from torch import Tensor

from benchmarks.base import RepriseError, Run, unknown
from benchmarks.d4rl.behaviour import policy_path
from benchmarks.d4rl.environments import ENVIRONMENTS, by_gym_id, make
from benchmarks.d4rl.method import StackedMethod
from benchmarks.d4rl.policies import Policy
from benchmarks.d4rl.scores import normalized_score
from benchmarks.d4rl.video import frame_rate

Array = np.ndarray


@dataclass(frozen=True)
class Player:
    """Something that acts in the environment of that D4RL name.

    `act` takes one observation (O,) and standard normal noise (A,) or None, for the mode, and gives an action (A,), float32.
    `samples` says whether it can use noise; `label` is for people.
    """

    label: str
    environment: str
    act: Callable[[Array, Array | None], Array]
    samples: bool


@runtime_checkable
class Playable(Protocol):
    """A family whose trained runs can be played."""

    def player(self, runs: Sequence[Run], run: Run, folder: Path) -> Player:
        """One run of a stack, from the last checkpoint in the folder in which the stack was trained."""


@dataclass(frozen=True)
class Outcome:
    """How an episode went. `total` is the undiscounted raw return, `end` is `terminal` or `time limit`."""

    seed: int
    steps: int
    total: float
    score: float
    end: str


def of_policy(policy: Policy, label: str) -> Player:
    """A tanh-Gaussian policy in the environment that its file names; raises RepriseError where it names none."""
    env = by_gym_id(policy.meta.get("environment"), label)

    def act(observation: Array, noise: Array | None) -> Array:
        return policy.act(observation[None], None if noise is None else noise[None])[0]

    return Player(label, env.name, act, samples=True)


def behaviours() -> dict[str, Path]:
    """The frozen behaviour policies of the rebuilt data sets, such as `hopper-medium`."""
    paths = {f"{env}-{level}": policy_path(env, level) for env in ENVIRONMENTS for level in ("medium", "expert")}
    return {name: path for name, path in paths.items() if path.exists()}


def of_behaviour(name: str) -> Player:
    """A behaviour policy by name; raises RepriseError with the nearest one."""
    found = behaviours()
    if name not in found:
        raise unknown("behaviour policy", name, found)
    return of_policy(Policy.load(found[name]), f"behaviour policy {name}")


def of_agent(agent: StackedMethod, slot: int, mean: Tensor, std: Tensor, label: str) -> Player:
    """One run of a stack of agents, acting as it is evaluated: deterministically, on states normalised by mean and std (O,)."""
    shift, scale = mean.cpu().numpy(), std.cpu().numpy()
    count, problem = len(agent.runs), agent.problem

    def act(observation: Array, noise: Array | None) -> Array:
        states = torch.from_numpy((observation - shift) / scale).to(problem.device, problem.dtype)
        with torch.no_grad():
            return agent.act(states.expand(count, 1, -1))[slot, 0].to("cpu", torch.float32).numpy()

    return Player(label, problem.environment, act, samples=False)


def episodes(
    player: Player,
    seeds: Sequence[int],
    stochastic: bool,
    watch: Callable[[Array], None] | None = None,
    size: tuple[int, int] = (640, 480),
) -> Iterator[Outcome]:
    """One episode per reset seed, one after the other. `watch` sees the frames to film, (height, width, 3), of `size` (w, h).

    Noise of an episode comes from a generator seeded with its reset seed, as in `benchmarks.d4rl.rollout`. Raises RepriseError
    for stochastic actions of a player that has none.
    """
    if stochastic and not player.samples:
        raise RepriseError(f"{player.label} acts deterministically as it is evaluated; leave --stochastic out")
    env = _filmed(player.environment, size) if watch else make(player.environment)
    every = frame_rate(env.unwrapped.dt)[0]
    try:
        for seed in seeds:
            observation, _ = env.reset(seed=seed)
            generator = np.random.default_rng(seed)
            total, steps, ended, truncated = 0.0, 0, False, False
            while not (ended or truncated):
                if watch and steps % every == 0:
                    watch(env.render())
                noise = generator.standard_normal(env.action_space.shape) if stochastic else None
                observation, reward, ended, truncated, _ = env.step(player.act(observation, noise))
                total, steps = total + float(reward), steps + 1
            score = float(normalized_score(player.environment, total))
            yield Outcome(seed, steps, total, score, "terminal" if ended else "time limit")
    finally:
        env.close()


def _filmed(name: str, size: tuple[int, int]) -> gymnasium.Env:
    """An environment that gives frames, seen by the camera that follows the robot where the model has one.

    gymnasium's default is a camera that stands still, and a robot that runs leaves its picture. Without a graphics card most
    of a frame's time goes into shadows, so their map is smaller than the model's.
    """
    env = make(name, render_mode="rgb_array", width=size[0], height=size[1], camera_name="track")
    env.unwrapped.model.vis.quality.shadowsize = 1024
    return env
