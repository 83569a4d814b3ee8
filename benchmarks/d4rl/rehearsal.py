"""A method on random transitions: what contract tests, smoke benchmarks and speed measurements train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from benchmarks import resolution
from benchmarks.base import Json, stream_seed
from benchmarks.d4rl.cuda_graph import Updater
from benchmarks.d4rl.datasets import Transitions
from benchmarks.d4rl.environments import environment
from benchmarks.d4rl.method import Problem, Source, StackedMethod
from benchmarks.d4rl.online import OnlineTraining
from benchmarks.d4rl.settings import TrainingSettings
from benchmarks.d4rl.streams import Stream
from benchmarks.d4rl.training import Sampler

QUICK_MODELS: Mapping[str, Json] = {"dynamics_epochs": 1, "behavior_train_steps": 10}
"""Frozen models are asked as often however long they were trained."""


def random_transitions(env: str, rows: int, seed: int = 0) -> Transitions:
    """`rows` transitions of an environment's shape in episodes of 100, every other one ending in a terminal; raw float32."""
    spec = environment(env)
    generator = torch.Generator().manual_seed(stream_seed("rehearsal", env, seed))
    states = torch.randn(rows + 1, spec.observation_dim, generator=generator)
    actions = torch.randn(rows, spec.action_dim, generator=generator).tanh()
    rewards = torch.randn(rows, generator=generator)
    terminals, timeouts = torch.zeros(rows), torch.zeros(rows)
    terminals[99::200] = 1.0
    timeouts[199::200] = 1.0
    return Transitions(
        "rehearsal", f"rehearsal-{rows}-{seed}", states[:-1], actions, rewards, states[1:], terminals, timeouts
    )


class Rehearsal:
    """A stack of one method ready to take steps on random transitions, as the training loop would.

    `overrides` change settings of every member; `members` (one mapping per seed) those that differ along the stack. Frozen
    models are built in the present `REPRISE_HOME`, briefly.
    """

    def __init__(
        self,
        method: type[StackedMethod],
        preset: str | None = None,
        seeds: Sequence[int] = (0,),
        overrides: Mapping[str, Json] | None = None,
        members: Sequence[Mapping[str, Json]] | None = None,
        env: str = "hopper",
        batch_size: int = 256,
        rows: int = 20_000,
        steps: int = 1_000_000,
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
    ) -> None:
        device = device or torch.device("cpu")
        self.task, spec = f"{env}-medium", environment(env)
        self.quick = {name: value for name, value in QUICK_MODELS.items() if hasattr(method.Settings, name)}
        runs = [
            self._settings(method, preset, {**(overrides or {}), **member}) for member in members or [{} for _ in seeds]
        ]
        data = random_transitions(env, rows)
        columns = (
            data.observations,
            data.actions,
            data.rewards[:, None],
            data.next_observations,
            data.terminals[:, None],
        )
        table = torch.cat(columns, 1).to(device, dtype)
        models = method.models(runs[0], Source(self.task, env, data.hash, lambda: data))
        problem = Problem(
            task=self.task,
            environment=env,
            observation_dim=spec.observation_dim,
            action_dim=spec.action_dim,
            steps=steps,
            batch_size=batch_size,
            state_mean=torch.zeros(spec.observation_dim, device=device),
            state_std=torch.ones(spec.observation_dim, device=device),
            dtype=dtype,
            device=device,
            models={name: model.load(model.artifact.ensure()) for name, model in models.items()},
        )
        self.method = method(runs, problem, seeds)
        self.sampler = Sampler(table, [column.shape[1] for column in columns], self.task, seeds, batch_size)
        self.noise = Stream("noise", self.task, seeds, self.method.draws(), dtype, device)
        self.updater = Updater(self.method, self.sampler.batch)
        self.taken = 0

    def _settings(self, method: type[StackedMethod], preset: str | None, overrides: Mapping[str, Json]) -> Any:
        values = {**self.quick, **overrides}
        harness = OnlineTraining if method.family == "online_rl" else TrainingSettings
        settings, _ = resolution.resolve(method, harness, self.task, preset, values, "rehearsal")
        return resolution.validated(method.Settings, settings, "rehearsal")

    def run(self, steps: int, log: bool = False) -> dict[str, Tensor]:
        """Take steps; the scalars of the last one, (S,) each."""
        scalars: dict[str, Tensor] = {}
        for _ in range(steps):
            self.taken += 1
            self.method.step, self.method.log = self.taken, log
            phase = self.method.begin_step(self.taken)
            scalars = self.updater.update(self.sampler.index(self.taken - 1), self.noise.at(self.taken - 1), phase)
        return scalars
