"""Evaluation speed: a stack's episodes side by side against one environment at a time, in steps per CPU-second.

    python -m benchmarks.speed.evaluation [--policy FILE.npz] [--members 5] [--episodes 10]

Both sides play the same policies from the same starting states.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.base import stream_seed
from benchmarks.d4rl.environments import environment, make
from benchmarks.d4rl.evaluation import Evaluator
from benchmarks.d4rl.networks import TanhGaussianActor, generators
from benchmarks.d4rl.policies import Policy


def batched(actor: TanhGaussianActor, env: str, members: int, episodes: int, number: int) -> tuple[float, int]:
    """CPU-seconds and environment steps of one batched evaluation."""
    evaluator = Evaluator(env, f"{env}-medium", range(members), episodes)
    zeros = np.zeros(environment(env).observation_dim)
    start = time.process_time()
    with torch.no_grad():
        evaluator.evaluate(actor.deterministic, zeros, zeros + 1.0, number)
    seconds = time.process_time() - start
    steps = int(evaluator.envs.steps.sum())
    evaluator.close()
    return seconds, steps


def one_at_a_time(actor: TanhGaussianActor, env: str, members: int, episodes: int, number: int) -> tuple[float, int]:
    """The same episodes as public implementations play them: one environment, one row through an `nn.Sequential`."""
    single = make(env)
    zeros = np.zeros(environment(env).observation_dim)
    policies = [_sequential(actor, member) for member in range(members)]
    start, steps = time.process_time(), 0
    for member, policy in enumerate(policies):
        for episode in range(episodes):
            observation, _ = single.reset(seed=stream_seed("evaluation", f"{env}-medium", member, number, episode))
            done = False
            while not done:
                state = torch.tensor(((observation - zeros) / (zeros + 1.0)).reshape(1, -1), dtype=torch.float32)
                with torch.no_grad():
                    mean = policy(state)[:, : single.action_space.shape[0]]
                    action = torch.tanh(mean).numpy().flatten()
                observation, _, terminated, truncated, _ = single.step(action)
                done, steps = terminated or truncated, steps + 1
    return time.process_time() - start, steps


def _sequential(actor: TanhGaussianActor, member: int) -> nn.Sequential:
    modules: list[nn.Module] = []
    for weight, bias in zip(actor.net.weights, actor.net.biases, strict=True):
        linear = nn.Linear(weight.shape[1], weight.shape[2])
        with torch.no_grad():
            linear.weight.copy_(weight[member].t())
            linear.bias.copy_(bias[member, 0])
        modules += [linear, nn.ReLU()]
    return nn.Sequential(*modules[:-1])


def load(path: Path | None, env: str, members: int, hidden: Sequence[int]) -> TanhGaussianActor:
    """A stack of one saved policy, or of untrained ones (which fall at once, so that resets dominate)."""
    spec = environment(env)
    policy = Policy.load(path) if path else None
    widths = [weight.shape[1] for weight in policy.weights[:-1]] if policy else hidden
    actor = TanhGaussianActor(spec.observation_dim, spec.action_dim, widths, generators(range(members)), -20.0, 2.0)
    if policy:
        with torch.no_grad():
            for slot, (weight, bias) in enumerate(zip(policy.weights, policy.biases, strict=True)):
                actor.net.weights[slot].copy_(torch.from_numpy(weight).expand(members, -1, -1))
                actor.net.biases[slot].copy_(torch.from_numpy(bias).expand(members, 1, -1))
    return actor


def main(arguments: Sequence[str]) -> None:
    """Measure both, interleaved, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--episodes", type=int, default=10)
    parser.add_argument("--env", default="hopper")
    parser.add_argument("--policy", type=Path, help="a committed policy (.npz)")
    parser.add_argument("--hidden", type=int, nargs="+", default=[256, 256])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    actor = load(options.policy, options.env, options.members, options.hidden)
    rates: dict[str, list[float]] = {"batched": [], "one at a time": []}
    for number in range(options.rounds):
        for name, play in (("batched", batched), ("one at a time", one_at_a_time)):
            seconds, steps = play(actor, options.env, options.members, options.episodes, number)
            rates[name].append(steps / seconds)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    for name, value in medians.items():
        print(f"{name:14s} {value:9.0f} steps per CPU-second")
    print(f"ratio          {medians['batched'] / medians['one at a time']:9.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
