"""Collecting episodes: many simulated side by side, each from seeds of its own, returned in the order of their numbers."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.base import stream_seed
from benchmarks.d4rl.behaviour import Behaviour
from benchmarks.d4rl.environments import TIME_LIMIT, BatchedEnvironment

Array = np.ndarray


@dataclass(frozen=True)
class Episode:
    """T steps of one episode, float32. It starts as `env.reset(seed=seed)` does; replaying its actions gives it again.

    `seed` is None where the episode was recorded elsewhere. `terminated` is a true terminal, `truncated` the time limit; both
    are False where the set was cut inside the episode.
    """

    seed: int | None
    observations: Array  # (T + 1, O)
    actions: Array  # (T, A)
    rewards: Array  # (T,)
    terminated: bool
    truncated: bool

    def __len__(self) -> int:
        return len(self.rewards)

    @property
    def complete(self) -> bool:
        return self.terminated or self.truncated

    @property
    def total(self) -> float:
        """The undiscounted return, summed in float64."""
        return float(self.rewards.sum(dtype=np.float64))

    def first(self, steps: int) -> Episode:
        """The episode cut after some of its steps."""
        return Episode(
            self.seed, self.observations[: steps + 1], self.actions[:steps], self.rewards[:steps], False, False
        )


def collect(
    environment: str,
    behaviour: Behaviour,
    stream: str,
    seed: int,
    *,
    rows: int | None = None,
    episodes: int | None = None,
    width: int | None = None,
    threads: int | None = None,
    progress: Callable[[int], None] = lambda rows: None,
) -> list[Episode]:
    """The first episodes of a stream, all complete: as many as hold `rows` steps, or `episodes` of them.

    Episode k draws its start from `stream_seed("data.reset", stream, seed, k)` and its actions from `"data.action"`, so the
    result depends neither on `width`, how many are simulated side by side, nor on `threads`, and a longer collection begins
    with a shorter one. `progress` hears the number of rows done.
    """
    if width is None:
        width = episodes if rows is None else rows // 256
        width = max(4, min(32, width or 0))
    collector = _Collector(environment, behaviour, stream, seed, width, threads or len(os.sched_getaffinity(0)))
    try:
        while not collector.complete(rows, episodes):
            collector.start(rows, episodes)
            collector.step()
            progress(collector.rows)
    finally:
        collector.envs.close()
    return collector.result(rows)


def cut(episodes: Sequence[Episode], rows: int) -> list[Episode]:
    """The leading episodes that hold the first `rows` steps; the last one cut where it goes beyond."""
    before = np.cumsum([0, *map(len, episodes)])
    kept = [episode for episode, start in zip(episodes, before, strict=False) if start < rows]
    excess = sum(map(len, kept)) - rows
    return [*kept[:-1], kept[-1].first(len(kept[-1]) - excess)] if excess > 0 else kept


class _Collector:
    """State of a collection: one running episode per slot, finished episodes by number."""

    def __init__(
        self, environment: str, behaviour: Behaviour, stream: str, seed: int, width: int, threads: int
    ) -> None:
        self.envs = BatchedEnvironment(environment, width, threads)
        self.behaviour, self.stream, self.seed = behaviour, stream, seed
        observation_dim, action_dim = self.envs.spec.observation_dim, self.envs.spec.action_dim
        self.observations = np.empty((width, TIME_LIMIT + 1, observation_dim), dtype=np.float32)
        self.actions = np.empty((width, TIME_LIMIT, action_dim), dtype=np.float32)
        self.rewards = np.empty((width, TIME_LIMIT), dtype=np.float32)
        self.draws = np.empty((width, TIME_LIMIT, action_dim))
        self.number = np.full(width, -1)
        self.seeds = [0] * width
        self.finished: dict[int, Episode] = {}
        self.rows = 0  # of finished episodes
        self.started = 0
        self.leading = 0  # episodes 0 .. leading - 1 are finished
        self.leading_rows = 0

    def complete(self, rows: int | None, episodes: int | None) -> bool:
        """Whether all episodes before some number are finished and hold enough."""
        while self.leading in self.finished:
            self.leading_rows += len(self.finished[self.leading])
            self.leading += 1
        return self.leading_rows >= rows if rows is not None else self.leading >= (episodes or 0)

    def start(self, rows: int | None, episodes: int | None) -> None:
        """Start episodes in idle slots while those under way are not expected to suffice; the guess affects speed only."""
        for slot in np.flatnonzero(self.number < 0).tolist():
            if not self._wanted(rows, episodes):
                return
            reset_seed = stream_seed("data.reset", self.stream, self.seed, self.started)
            self.observations[slot, 0] = self.envs.reset([slot], [reset_seed])[0]
            generator = np.random.default_rng(stream_seed("data.action", self.stream, self.seed, self.started))
            self.draws[slot] = self.behaviour.draw(generator, TIME_LIMIT)
            self.number[slot], self.seeds[slot] = self.started, reset_seed
            self.started += 1

    def _wanted(self, rows: int | None, episodes: int | None) -> bool:
        if rows is None:
            return self.started < (episodes or 0)
        running = self.envs.steps[self.number >= 0]
        if not len(running):
            return True
        typical = self.rows / len(self.finished) if self.finished else 1.0
        return self.rows + np.maximum(running, typical).sum() < rows

    def step(self) -> None:
        """Advance every running episode by one step and put away those that end."""
        slots = np.flatnonzero(self.number >= 0)
        steps = self.envs.steps[slots]
        actions = self.behaviour.act(self.observations[slots, steps], self.draws[slots, steps])
        self.actions[slots, steps] = actions
        self.rewards[slots, steps] = self.envs.step(actions, slots)
        self.observations[slots, steps + 1] = self.envs.observations()[slots]
        for slot in slots[(self.envs.terminated | self.envs.truncated)[slots]]:
            self._finish(slot)

    def _finish(self, slot: int) -> None:
        steps = int(self.envs.steps[slot])
        terminated = bool(self.envs.terminated[slot])
        self.finished[int(self.number[slot])] = Episode(
            self.seeds[slot],
            self.observations[slot, : steps + 1].copy(),
            self.actions[slot, :steps].copy(),
            self.rewards[slot, :steps].copy(),
            terminated,
            not terminated,
        )
        self.number[slot] = -1
        self.rows += steps

    def result(self, rows: int | None) -> list[Episode]:
        """The leading episodes in order, without those that start after the rows asked for."""
        leading = [self.finished[number] for number in range(self.leading)]
        return leading if rows is None else leading[: len(cut(leading, rows))]
