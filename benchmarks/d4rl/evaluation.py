"""Evaluation of a whole stack at once: every run's episodes side by side in one batched simulation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from benchmarks.base import stream_seed
from benchmarks.d4rl.environments import simulation
from benchmarks.d4rl.scores import references

Array = np.ndarray
Act = Callable[[Tensor], Tensor]
"""Deterministic policy of a stack: states (S, B, O) -> actions (S, B, A)."""

EVAL_SEED_MODES = ("advance", "fixed")


class Evaluator:
    """Plays up to `episodes` episodes for each of S runs on the raw environment (undiscounted, raw reward).

    `seed_mode` is `advance` (each evaluation has its own starting states) or `fixed` (all see the same); see the methods
    specification, section 0. Starting states depend on task, seed and evaluation number, never on the method.
    """

    def __init__(
        self,
        env: str,
        task: str,
        seeds: Sequence[int],
        episodes: int,
        seed_mode: str = "advance",
        threads: int = 1,
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
    ) -> None:
        self.env_name, self.task, self.seeds = env, task, list(seeds)
        self.episodes, self.seed_mode = episodes, seed_mode
        self.dtype, self.device = dtype, device or torch.device("cpu")
        self.envs = simulation(env, len(self.seeds) * episodes, threads)

    def evaluate(
        self, act: Act, mean: Array, std: Array, number: int, episodes: int | None = None
    ) -> tuple[Array, Array]:
        """Returns of evaluation `number` (0-based), (S, episodes) float64, and which runs gave a non-finite action, (S,).

        `episodes` is at most the evaluator's own number (None: all of them); fewer are the first of these. States are
        normalised by `mean` and `std` (O,) at every step. An episode of a run whose policy is not finite counts with the
        environment's reference minimum.
        """
        runs, envs, each = len(self.seeds), self.envs, episodes or self.episodes
        count = runs * each
        envs.reset(range(count), [self._seed(seed, number, i) for seed in self.seeds for i in range(each)])
        returns = np.zeros(count)
        active = np.arange(count)
        broken = np.zeros(runs, dtype=bool)
        while len(active):
            actions = self._actions(act, (envs.observations()[:count] - mean) / std)
            finite = np.isfinite(actions[active]).all(axis=1)
            if not finite.all():
                lost = active[~finite]
                returns[lost] = references(self.env_name)[0]
                broken[lost // each] = True
                active = active[finite]
            returns[active] += envs.step(actions[active], active)
            active = active[~(envs.terminated | envs.truncated)[active]]
        return returns.reshape(runs, each), broken

    def _seed(self, seed: int, number: int, episode: int) -> int:
        position = (episode,) if self.seed_mode == "fixed" else (number, episode)
        return stream_seed("evaluation", self.task, seed, *position)

    def _actions(self, act: Act, states: Array) -> Array:
        batch = torch.from_numpy(states).to(self.device, self.dtype).view(len(self.seeds), -1, states.shape[1])
        return act(batch).to("cpu", torch.float32).flatten(0, 1).numpy()

    def close(self) -> None:
        """Release the simulation."""
        self.envs.close()


def statistics(values: Sequence[float]) -> dict[str, float]:
    """`last`, `final10` (mean of the last ten evaluations; absent where there were fewer) and `best` of one run's curve."""
    result = {"last": float(values[-1]), "best": float(max(values))}
    if len(values) >= 10:
        result["final10"] = float(np.mean(values[-10:]))
    return result
