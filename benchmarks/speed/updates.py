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

import torch

from benchmarks.d4rl.method import StackedMethod
from benchmarks.d4rl.rehearsal import Rehearsal
from benchmarks.d4rl.training import arithmetic
from benchmarks.memory import keep_freed_memory


@dataclass(frozen=True)
class Case:
    """One method at one stack size."""

    method: type[StackedMethod]
    preset: str
    stack: int


class Loop:
    """One case, timed in turns."""

    def __init__(self, case: Case, options: argparse.Namespace, device: torch.device) -> None:
        overrides = {key: json.loads(value) for key, _, value in (text.partition("=") for text in options.set)}
        self.device = device
        self.rehearsal = Rehearsal(
            case.method,
            case.preset,
            seeds=range(case.stack),
            overrides=overrides,
            env=options.env,
            batch_size=options.batch,
            device=device,
        )

    def seconds_per_step(self, steps: int) -> float:
        """CPU-seconds per step (wall seconds on CUDA)."""
        cuda = self.device.type == "cuda"
        clock = time.perf_counter if cuda else time.process_time
        if cuda:
            torch.cuda.synchronize()
        start = clock()
        self.rehearsal.run(steps)
        if cuda:
            torch.cuda.synchronize()
        return (clock() - start) / steps


def measure(loops: Sequence[Loop], rounds: int, seconds: float) -> list[float]:
    """Median seconds per step of each loop; loops take turns, each turn about `seconds` long."""
    steps = []
    for loop in loops:
        loop.seconds_per_step(10)
        steps.append(max(2, int(seconds / loop.seconds_per_step(5))))
    times: list[list[float]] = [[] for _ in loops]
    for _ in range(rounds):
        for loop, count, taken in zip(loops, steps, times, strict=True):
            taken.append(loop.seconds_per_step(count))
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
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    chosen = cases(options)
    with arithmetic(options.precision):
        medians = measure([Loop(case, options, device) for case in chosen], options.rounds, options.seconds)
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
