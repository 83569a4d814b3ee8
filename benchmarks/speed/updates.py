"""Gradient steps per CPU-second of RL methods, alone and stacked, measured interleaved in one process.

    python -m benchmarks.speed.updates baselines.iql:IQL@corl --stack 1 5
    python -m benchmarks.speed.updates baselines.cql:CQL@small --stack 1 5 --set hidden=[64,64] --batch 64
    python -m benchmarks.speed.updates methods.ilq:ILQ@paper --set n_limit_actions=5 --precision bf16

Each case is timed in turns with the others; the table gives the median over rounds of seed-steps per CPU-second (steps times
stacked seeds), and the cost of a stack relative to the first size.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.base import stream_seed
from benchmarks.d4rl import settings as resolution
from benchmarks.d4rl.cuda_graph import Updater
from benchmarks.d4rl.datasets import Transitions
from benchmarks.d4rl.environments import environment
from benchmarks.d4rl.method import Problem, Source, StackedMethod
from benchmarks.d4rl.settings import TrainingSettings
from benchmarks.d4rl.streams import Stream
from benchmarks.d4rl.training import Sampler, set_precision
from benchmarks.memory import keep_freed_memory

ROWS = 20_000
QUICK_MODELS = {"dynamics_epochs": 1, "behavior_train_steps": 10}
"""Frozen models are asked as often however long they were trained."""


@dataclass(frozen=True)
class Case:
    """One method at one stack size."""

    method: type[StackedMethod]
    preset: str
    stack: int


class Loop:
    """A stack ready to take steps on a table of random transitions."""

    def __init__(self, case: Case, env: str, batch_size: int, overrides: dict[str, Any], device: torch.device) -> None:
        spec = environment(env)
        task = f"{env}-medium"
        quick = {name: value for name, value in QUICK_MODELS.items() if hasattr(case.method.Settings, name)}
        values, _ = resolution.resolve(case.method, TrainingSettings, task, case.preset, {**quick, **overrides}, "--set")
        settings = resolution.validated(case.method.Settings, values, "--set")
        generator = torch.Generator().manual_seed(stream_seed("speed", task, 0))
        widths = (spec.observation_dim, spec.action_dim, 1, spec.observation_dim, 1)
        table = torch.randn(ROWS, sum(widths), generator=generator)
        table[:, spec.observation_dim : spec.observation_dim + spec.action_dim].tanh_()
        table[:, -1] = 0.0
        source = Source(task, env, "speed", lambda: _transitions(table, widths))
        models = case.method.models(settings, source)
        problem = Problem(
            task=task,
            environment=env,
            observation_dim=spec.observation_dim,
            action_dim=spec.action_dim,
            steps=1_000_000,
            batch_size=batch_size,
            state_mean=torch.zeros(spec.observation_dim, device=device),
            state_std=torch.ones(spec.observation_dim, device=device),
            device=device,
            models={name: model.load(model.artifact.ensure()) for name, model in models.items()},
        )
        seeds = list(range(case.stack))
        self.method = case.method([settings] * case.stack, problem, seeds)
        self.sampler = Sampler(table.to(device), widths, task, seeds, batch_size)
        self.noise = Stream("noise", task, seeds, self.method.draws(), problem.dtype, device)
        self.updater = Updater(self.method, self.sampler.batch)
        self.taken = 0

    def run(self, steps: int) -> None:
        """Take steps as the training loop does."""
        for _ in range(steps):
            self.taken += 1
            self.method.step = self.taken
            phase = self.method.begin_step(self.taken)
            self.updater.update(self.sampler.index(self.taken - 1), self.noise.at(self.taken - 1), phase)

    def seconds_per_step(self, steps: int, device: torch.device) -> float:
        """CPU-seconds per step (wall seconds on CUDA)."""
        if device.type == "cuda":
            torch.cuda.synchronize()
            start = time.perf_counter()
            self.run(steps)
            torch.cuda.synchronize()
            return (time.perf_counter() - start) / steps
        start = time.process_time()
        self.run(steps)
        return (time.process_time() - start) / steps


def _transitions(table: torch.Tensor, widths: Sequence[int]) -> Transitions:
    states, actions, rewards, next_states, dones = (part.contiguous() for part in table.split(list(widths), -1))
    ends = torch.zeros(len(table))
    ends[999::1000] = 1.0
    return Transitions("speed", "speed", states, actions, rewards[:, 0], next_states, dones[:, 0], ends)


def measure(loops: Sequence[Loop], rounds: int, seconds: float, device: torch.device) -> list[float]:
    """Median seconds per step of each loop; loops take turns, each turn about `seconds` long."""
    steps = []
    for loop in loops:
        loop.run(5)
        steps.append(max(2, int(seconds / loop.seconds_per_step(5, device))))
    times: list[list[float]] = [[] for _ in loops]
    for _ in range(rounds):
        for loop, count, taken in zip(loops, steps, times, strict=True):
            taken.append(loop.seconds_per_step(count, device))
    return [statistics.median(taken) for taken in times]


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="+", metavar="module:Class@preset")
    parser.add_argument("--stack", nargs="+", type=int, default=[1])
    parser.add_argument("--env", default="hopper")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--set", nargs="*", default=[], metavar="name=json")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="per turn")
    parser.add_argument("--default-memory", action="store_true", help="leave the allocator alone")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


def cases(options: argparse.Namespace) -> list[Case]:
    """Every method at every stack size."""
    found = []
    for text in options.methods:
        path, _, preset = text.partition("@")
        module, _, name = path.partition(":")
        method = getattr(importlib.import_module(module), name)
        found += [Case(method, preset or next(iter(method.presets)), stack) for stack in options.stack]
    return found


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    options = parse(arguments)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["REPRISE_HOME"] = folder
        run(options)


def run(options: argparse.Namespace) -> None:
    """Measure and print, with frozen models in the present `REPRISE_HOME`."""
    torch.set_num_threads(1)
    if not options.default_memory:
        keep_freed_memory()
    set_precision(options.precision)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    overrides = {key: json.loads(value) for key, _, value in (text.partition("=") for text in options.set)}
    chosen = cases(options)
    loops = [Loop(case, options.env, options.batch, overrides, device) for case in chosen]
    medians = measure(loops, options.rounds, options.seconds, device)
    rows = [
        {
            "method": case.method.label,
            "preset": case.preset,
            "stack": case.stack,
            "precision": options.precision,
            "device": device.type,
            "ms_per_step": 1e3 * seconds,
            "seed_steps_per_second": case.stack / seconds,
            "cost_of_first": seconds / medians[index - index % len(options.stack)],
        }
        for index, (case, seconds) in enumerate(zip(chosen, medians, strict=True))
    ]
    if options.json:
        print(json.dumps(rows))
        return
    for row in rows:
        print(
            f"{row['method']:8s} {row['preset']:10s} stack {row['stack']:3d} {row['precision']} {row['device']}: "
            f"{row['ms_per_step']:8.3f} ms/step, {row['seed_steps_per_second']:9.1f} seed-steps/s, "
            f"{row['cost_of_first']:.2f} x the first stack size"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
