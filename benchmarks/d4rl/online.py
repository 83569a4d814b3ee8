"""Online training of a stack of agents, one environment each: tasks `online/hopper`, `online/halfcheetah`, `online/walker2d`.

Every transition is kept with its true next observation. Every `eval_every` steps the present policy plays stochastic episodes
and is saved as a snapshot; the behaviour policies of the local data sets are such snapshots (protocol, section 6.2).
"""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from benchmarks.base import Progress, Report, stream_seed
from benchmarks.d4rl.environments import BatchedEnvironment, check_mujoco, environment
from benchmarks.d4rl.method import Batch, Draw, Problem, StackedMethod
from benchmarks.d4rl.rollout import play
from benchmarks.d4rl.scores import normalized_score
from benchmarks.d4rl.streams import Stream
from benchmarks.d4rl.training import arithmetic

LOG_COLUMNS = ("step", "mean_return", "std_return", "mean_length", "normalized_score", "training_episodes", "seconds")

STOP_WINDOW = 3
"""Evaluations whose mean decides whether the aim is reached; one alone may be luck."""


@dataclass(frozen=True)
class OnlineTraining:
    """Budget and protocol of online training (protocol, section 6.2).

    Uniform actions for `warmup_steps`, then one update per step; every `eval_every` steps `eval_episodes` stochastic episodes.
    Training ends before `train_steps` once the mean of every agent's last `STOP_WINDOW` evaluations is at least `stop_at_score`.
    """

    train_steps: int = 1_000_000
    batch_size: int = 256
    warmup_steps: int = 10_000
    eval_every: int = 10_000
    eval_episodes: int = 10
    checkpoint_every: int = 50_000
    stop_at_score: float | None = None
    precision: Literal["fp32", "bf16"] = "fp32"


class Replay:
    """All transitions of S agents, (S, capacity, ...), in order."""

    def __init__(self, runs: int, capacity: int, observation_dim: int, action_dim: int) -> None:
        self.size = 0
        self.widths = (observation_dim, action_dim, 1, observation_dim, 1)
        self.rows = torch.zeros(runs, capacity, sum(self.widths))

    def add(self, parts: Sequence[np.ndarray]) -> None:
        """parts: s (S, O), a (S, A), r (S,), s' (S, O), d (S,)."""
        columns = [np.asarray(part, dtype=np.float32).reshape(len(self.rows), -1) for part in parts]
        self.rows[:, self.size] = torch.from_numpy(np.concatenate(columns, axis=1))
        self.size += 1

    def batch(self, uniform: torch.Tensor) -> Batch:
        """Rows drawn uniformly from all stored ones, by numbers in [0, 1), (S, B)."""
        index = (uniform * self.size).long().clamp_(max=self.size - 1)
        picked = torch.stack([rows[i] for rows, i in zip(self.rows, index, strict=True)])
        states, actions, rewards, next_states, dones = picked.split(self.widths, -1)
        return Batch(states, actions, rewards[..., 0], next_states, dones[..., 0], index)


class OnlineTrainer:
    """Trains agents of one method on one environment; `train` goes on from the last checkpoint in `folder`."""

    def __init__(
        self,
        method: type[StackedMethod],
        settings: Sequence[Any],
        env: str,
        seeds: Sequence[int],
        training: OnlineTraining,
        folder: Path,
    ) -> None:
        check_mujoco()
        spec = environment(env)
        self.env_name, self.spec, self.seeds, self.training, self.folder = env, spec, list(seeds), training, folder
        self.label, self.task = method.label, f"online/{env}"
        zeros = torch.zeros(spec.observation_dim)
        problem = Problem(
            task=self.task,
            environment=env,
            observation_dim=spec.observation_dim,
            action_dim=spec.action_dim,
            steps=training.train_steps,
            batch_size=training.batch_size,
            state_mean=zeros,
            state_std=zeros + 1.0,
        )
        self.agent = method(settings, problem, seeds)
        self.noise = Stream("noise", self.task, seeds, self.agent.draws())
        self.batches = Stream("batches", self.task, seeds, {"row": Draw("uniform", (training.batch_size,))})
        shape = (spec.action_dim,)
        explore = {"normal": Draw("normal", shape), "uniform": Draw("uniform", shape)}
        self.exploration = Stream("exploration", self.task, seeds, explore)
        self.replay = Replay(len(seeds), training.train_steps, spec.observation_dim, spec.action_dim)
        self.envs = BatchedEnvironment(env, len(seeds))
        self.resets = [np.random.default_rng(stream_seed("reset", self.task, seed)) for seed in seeds]
        self.logs: list[list[dict[str, float]]] = [[] for _ in seeds]
        self.episodes = np.zeros(len(seeds), dtype=np.int64)

    def train(self, report: Report) -> None:
        """Train to the end; snapshots and logs lie in `folder/seed<k>/`."""
        with arithmetic(self.training.precision):
            self._train(report)

    def _train(self, report: Report) -> None:
        start, clock = self._resume(), time.perf_counter()
        if self._aim_reached():
            return
        observations = self.envs.observations()
        for step in range(start + 1, self.training.train_steps + 1):
            observations = self._interact(step, observations)
            if step > self.training.warmup_steps:
                self.agent.step = step
                self.agent.update(self.replay.batch(self.batches.at(step - 1)["row"]), self.noise.at(step - 1))
            if step % self.training.eval_every == 0:
                self._evaluate(step, time.perf_counter() - clock)
                scores = tuple(log[-1]["normalized_score"] for log in self.logs)
                report(Progress(step, self.training.train_steps, scores))
                if self._aim_reached():
                    self._save(step)
                    return
            if step % self.training.checkpoint_every == 0:
                self._save(step)

    def _interact(self, step: int, observations: np.ndarray) -> np.ndarray:
        draws = self.exploration.at(step - 1)
        if step <= self.training.warmup_steps:
            actions = (2.0 * draws["uniform"] - 1.0).numpy()
        else:
            states = torch.from_numpy(observations.astype(np.float32))[:, None]
            actions = self.agent.sample(states, draws["normal"][:, None])[:, 0].numpy()
        rewards = self.envs.step(actions)
        after = self.envs.observations()
        self.replay.add([observations, actions, rewards, after, self.envs.terminated])
        ended = np.flatnonzero(self.envs.terminated | self.envs.truncated)
        for slot in ended.tolist():
            self.envs.reset_from(slot, self.resets[slot])
            self.episodes[slot] += 1
        return self.envs.observations() if len(ended) else after

    def _evaluate(self, step: int, seconds: float) -> None:
        for slot, seed in enumerate(self.seeds):
            meta = {"environment": self.spec.gym_id, "algorithm": self.label, "seed": seed, "step": step}
            policy = self.agent.policy(slot, meta)
            seeds = [stream_seed("evaluation", self.task, seed, step, i) for i in range(self.training.eval_episodes)]
            returns, lengths = play(self.env_name, policy, seeds)
            folder = self.folder / f"seed{seed}"
            folder.mkdir(parents=True, exist_ok=True)
            policy.save(folder / f"step{step:07d}.npz")
            values = (
                float(step),
                float(returns.mean()),
                float(returns.std(ddof=1)) if len(returns) > 1 else 0.0,
                float(lengths.mean()),
                float(normalized_score(self.env_name, returns.mean())),
                float(self.episodes[slot]),
                round(seconds, 1),
            )
            self.logs[slot].append(dict(zip(LOG_COLUMNS, values, strict=True)))
            with (folder / "log.csv").open("w", newline="") as file:
                writer = csv.DictWriter(file, LOG_COLUMNS)
                writer.writeheader()
                writer.writerows(self.logs[slot])

    def _aim_reached(self) -> bool:
        aim = self.training.stop_at_score
        latest = [[row["normalized_score"] for row in log[-STOP_WINDOW:]] for log in self.logs]
        return aim is not None and all(len(scores) == STOP_WINDOW and np.mean(scores) >= aim for scores in latest)

    def _save(self, step: int) -> None:
        state = {
            "step": step,
            "agent": self.agent.state_dict(),
            "replay": self.replay.rows[:, : self.replay.size].clone(),  # a view would be saved with all its storage
            "resets": [generator.bit_generator.state for generator in self.resets],
            "logs": self.logs,
            "episodes": self.episodes.tolist(),
        }
        scratch = self.folder / "checkpoint.pt.tmp"
        torch.save(state, scratch)
        scratch.rename(self.folder / "checkpoint.pt")

    def _resume(self) -> int:
        path = self.folder / "checkpoint.pt"
        self.folder.mkdir(parents=True, exist_ok=True)
        for slot, generator in enumerate(self.resets):
            self.envs.reset_from(slot, generator)
        if not path.exists():
            return 0
        state = torch.load(path, weights_only=False)  # our own checkpoint; it holds generator states
        self.agent.load_state_dict(state["agent"])
        self.replay.size = state["replay"].shape[1]
        self.replay.rows[:, : self.replay.size] = state["replay"]
        self.logs, self.episodes = state["logs"], np.array(state["episodes"])
        for slot, (generator, saved) in enumerate(zip(self.resets, state["resets"], strict=True)):
            generator.bit_generator.state = saved
            self.envs.reset_from(slot, generator)
        return int(state["step"])
