"""Ours beside d3rlpy, turn by turn in one run.

    python -m benchmarks.peers.compare --peer-python .tox/peers/bin/python

Five stacked seeds of ours against one d3rlpy agent (it has no stacks), at 2x256 and batch 256, fp32, one thread each. The
figure is seed-steps per CPU-second, median over rounds; the ratio is of those medians.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.d4rl.training import arithmetic
from benchmarks.memory import keep_freed_memory
from benchmarks.speed.updates import Loop, cases, parse

PEER = Path(__file__).with_name("d3rlpy_updates.py")


class Peer:
    """The d3rlpy process, asked for turns."""

    def __init__(self, python: str, algorithm: str) -> None:
        self.process = subprocess.Popen(
            [python, str(PEER), algorithm],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        while self._line() != "ready":
            pass

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the peer process ended; run its script by hand to see why")
        return line.strip()

    def seconds(self, steps: int) -> float:
        """CPU-seconds of so many steps."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        return float(self._line())

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=30)


def main(arguments: Sequence[str]) -> None:
    """Measure both in turns and print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", required=True)
    parser.add_argument("--method", default="baselines.iql:IQL@corl")
    parser.add_argument("--algorithm", choices=["iql", "cql"], default="iql")
    parser.add_argument("--stack", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100, help="per turn and seed")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    keep_freed_memory()
    measured = parse([options.method, "--stack", str(options.stack)])
    ours = Loop(cases(measured)[0], measured, torch.device("cpu"))
    peer = Peer(options.peer_python, options.algorithm)
    ours.seconds_per_step(10)
    peer.seconds(20)
    rates: dict[str, list[float]] = {"Reprise": [], "d3rlpy": []}
    for _ in range(options.rounds):
        with arithmetic("fp32"):
            rates["Reprise"].append(options.stack / ours.seconds_per_step(options.steps))
        rates["d3rlpy"].append(options.steps / peer.seconds(options.steps))
    peer.close()
    medians = {name: statistics.median(values) for name, values in rates.items()}
    for name, value in medians.items():
        print(
            f"{name:8s} {value:8.1f} seed-steps per CPU-second (rounds: {', '.join(f'{v:.0f}' for v in rates[name])})"
        )
    print(f"ratio    {medians['Reprise'] / medians['d3rlpy']:8.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
