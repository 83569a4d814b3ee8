"""The training loop every method shares: a stack of runs on one data set, evaluated on schedule, resumable."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.base import Point, Progress, Report, RepriseError, Run, RunResult, StopTrial
from benchmarks.d4rl.cuda_graph import Updater
from benchmarks.d4rl.evaluation import Evaluator, statistics
from benchmarks.d4rl.method import Batch, Draw, StackedMethod
from benchmarks.d4rl.scores import normalized_score
from benchmarks.d4rl.settings import TrainingSettings
from benchmarks.d4rl.streams import Stream

CHECKPOINT = "checkpoint.pt"


class Sampler:
    """Minibatches for a stack: uniform rows with replacement, each run from its own stream."""

    def __init__(self, table: Tensor, widths: Sequence[int], task: str, seeds: Sequence[int], batch_size: int) -> None:
        self.table, self.widths = table, tuple(widths)
        draws = {"row": Draw("integers", (batch_size,), high=len(table))}
        self.stream = Stream("batches", task, seeds, draws, device=table.device)

    def index(self, step: int) -> Tensor:
        """Rows of step `step` (0-based), (S, B)."""
        return self.stream.at(step)["row"]

    def batch(self, index: Tensor) -> Batch:
        """The rows of an index as a batch."""
        rows = self.table.index_select(0, index.reshape(-1)).view(*index.shape, -1)
        states, actions, rewards, next_states, dones = rows.split(self.widths, -1)
        return Batch(states, actions, rewards[..., 0], next_states, dones[..., 0], index)


@contextlib.contextmanager
def arithmetic(precision: str) -> Iterator[None]:
    """How the calling thread computes meanwhile. `bf16`: matrix products in bfloat16 with float32 storage; `fp32`: single.

    Denormal numbers count as zero in both: Adam's moments of units that died decay into them, where one fused step of five
    small critics was measured to cost ten times as much (0.48 against 0.046 ms).
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium" if precision == "bf16" else "highest")
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_float32_matmul_precision(before)


class Trainer:
    """Trains one stack. `folder` keeps the checkpoint written at every evaluation; `train` goes on from it."""

    def __init__(
        self,
        runs: Sequence[Run],
        method: StackedMethod,
        sampler: Sampler,
        evaluator: Evaluator,
        settings: TrainingSettings,
        folder: Path,
    ) -> None:
        self.runs, self.method, self.sampler, self.evaluator = list(runs), method, sampler, evaluator
        self.settings, self.folder = settings, folder
        problem = method.problem
        seeds = [run.seed for run in runs]
        self.noise = Stream("noise", problem.task, seeds, method.draws(), problem.dtype, problem.device)
        self.updater = Updater(method, sampler.batch)
        self.mean, self.std = problem.state_mean.cpu().numpy(), problem.state_std.cpu().numpy()
        self.curves: list[list[Point]] = [[] for _ in runs]
        self.returns: list[dict[str, list[float]]] = [{} for _ in runs]
        self.diverged = np.zeros(len(runs), dtype=bool)

    def train(self, report: Report) -> list[RunResult]:
        """Train to the end and return one result per run; a StopTrial from `report` ends it early."""
        try:
            with arithmetic(self.settings.precision):
                self._train(report)
        except StopTrial:
            return self._results("stopped_early")
        finally:
            self.evaluator.close()
        return self._results("finished")

    def _train(self, report: Report) -> None:
        for step in range(self._resume() + 1, self.settings.train_steps + 1):
            due = step % self.settings.eval_every == 0 or step == self.settings.train_steps
            logged = self._step(step, log=due)
            if due:
                scores = self._evaluate(step, logged)
                self._save(step)
                report(Progress(step, self.settings.train_steps, scores))

    def _step(self, step: int, log: bool) -> dict[str, Tensor]:
        method = self.method
        method.step, method.log = step, log
        phase = method.begin_step(step)
        return self.updater.update(self.sampler.index(step - 1), self.noise.at(step - 1), phase)

    def _evaluate(self, step: int, logged: Mapping[str, Tensor]) -> tuple[float, ...]:
        env = self.evaluator.env_name
        number = -(-step // self.settings.eval_every) - 1
        last = step == self.settings.train_steps
        episodes = (self.settings.last_eval_episodes if last else None) or self.settings.eval_episodes
        returns, broken = self.evaluator.evaluate(self.method.act, self.mean, self.std, number, episodes)
        self.diverged |= broken
        scores = normalized_score(env, returns.mean(axis=1))
        losses = {name: value.detach().double().cpu().numpy() for name, value in logged.items()}
        for slot, curve in enumerate(self.curves):
            curve.append(Point("normalized_score", step, float(scores[slot])))
            curve.append(Point("return", step, float(returns[slot].mean())))
            curve.extend(Point(name, step, float(v[slot])) for name, v in losses.items() if np.isfinite(v[slot]))
            self.returns[slot][str(step)] = [float(value) for value in returns[slot]]
        return tuple(float(score) for score in scores)

    def _results(self, status: str) -> list[RunResult]:
        results = []
        for slot, run in enumerate(self.runs):
            summary = {}
            for metric in ("normalized_score", "return"):
                values = [point.value for point in self.curves[slot] if point.metric == metric]
                summary[metric] = statistics(values)
            state = status
            if self.diverged[slot]:
                state = "diverged" if status == "finished" else status
                summary["normalized_score"] = dict.fromkeys(summary["normalized_score"], 0.0)
            results.append(RunResult(run, state, self.curves[slot], summary, {"episode_returns": self.returns[slot]}))
        return results

    # -- checkpoints ---------------------------------------------------------------------------------------------------

    def _save(self, step: int) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        state = {
            "keys": [run.key for run in self.runs],
            "step": step,
            "method": self.method.state_dict(),
            "curves": [[(p.metric, p.step, p.value) for p in curve] for curve in self.curves],
            "returns": self.returns,
            "diverged": self.diverged.tolist(),
            "state_mean": self.method.problem.state_mean,
            "state_std": self.method.problem.state_std,
        }
        scratch = self.folder / f"{CHECKPOINT}.tmp"
        torch.save(state, scratch)
        scratch.rename(self.folder / CHECKPOINT)

    def _resume(self) -> int:
        if not (self.folder / CHECKPOINT).exists():
            return 0
        state = read_checkpoint(self.folder, self.runs, self.method.problem.device)
        self.method.load_state_dict(state["method"])
        self.curves = [[Point(*point) for point in curve] for curve in state["curves"]]
        self.returns, self.diverged = state["returns"], np.array(state["diverged"])
        return int(state["step"])


def read_checkpoint(folder: Path, runs: Sequence[Run], device: torch.device) -> dict[str, Any]:
    """The checkpoint of a stack: `step`, the `method`'s state, and `state_mean` and `state_std` (O,), by which states are
    normalised. RepriseError where there is none or it belongs to other runs.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        raise RepriseError(f"{path}: no such checkpoint; `reprise clean` deletes those of finished runs")
    state: dict[str, Any] = torch.load(path, weights_only=True, map_location=device)
    if state["keys"] != [run.key for run in runs]:
        raise RepriseError(f"{path}: belongs to other runs; remove the folder or choose another")
    return state
