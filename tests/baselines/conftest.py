"""A training of a few steps on random transitions, and plain single networks to compare it with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks.d4rl.method import Batch, Problem, StackedMethod
from benchmarks.d4rl.networks import StackedMLP
from benchmarks.d4rl.streams import Stream

OBSERVATION, ACTION, ROWS = 4, 2, 200


class Training:
    """A stack trained on a table of transitions; `history` keeps every batch, noise and result."""

    def __init__(self, method: StackedMethod, table: Sequence[Tensor], task: str) -> None:
        problem = method.problem
        self.method, self.table = method, [column.to(problem.dtype) for column in table]
        self.task, self.seeds = task, method.seeds
        self.noise = Stream("noise", task, self.seeds, method.draws(), problem.dtype)
        self.history: list[tuple[Batch, Mapping[str, Tensor], dict[str, Tensor]]] = []

    def batch(self, step: int) -> Batch:
        generators = [torch.Generator().manual_seed(1000 * seed + step) for seed in self.seeds]
        rows, size = len(self.table[2]), self.method.problem.batch_size
        index = torch.stack([torch.randint(rows, (size,), generator=g) for g in generators])
        return Batch(*(column[index] for column in self.table), index)

    def run(self, steps: int, log: bool = False, keep: bool = True) -> Training:
        for _ in range(steps):
            step = self.method.step + 1
            self.method.step, self.method.log = step, log
            self.method.begin_step(step)
            batch, noise = self.batch(step), self.noise.at(step - 1)
            scalars = self.method.update(batch, noise)
            if keep:
                self.history.append((batch, noise, scalars))
        return self

    def slice(self, run: int) -> list[tuple[SimpleNamespace, dict[str, Tensor], dict[str, float]]]:
        """Batches (B, ...), noise and scalars of one run."""
        return [
            (
                SimpleNamespace(**{name: value[run] for name, value in batch._asdict().items()}),
                {name: value[run] for name, value in noise.items()},
                {name: float(value[run]) for name, value in scalars.items()},
            )
            for batch, noise, scalars in self.history
        ]


def random_table(rows: int = ROWS) -> list[Tensor]:
    """States, actions, rewards, next states, dones (one in five)."""
    g = torch.Generator().manual_seed(0)
    states, following = (torch.randn(rows, OBSERVATION, generator=g, dtype=torch.float64) for _ in range(2))
    actions = torch.tanh(torch.randn(rows, ACTION, generator=g, dtype=torch.float64))
    rewards = torch.randn(rows, generator=g, dtype=torch.float64)
    return [states, actions, rewards, following, (torch.rand(rows, generator=g) < 0.2).double()]


def start(
    kind: type[StackedMethod],
    settings: Sequence[Mapping[str, Any]],
    seeds: Sequence[int] | None = None,
    *,
    dtype: torch.dtype = torch.float64,
    steps: int = 10,
    batch_size: int = 16,
    table: Sequence[Tensor] | None = None,
    task: str = "toy",
) -> Training:
    """A stack with one run per mapping of settings, ready to train."""
    table = random_table() if table is None else table
    width, action_dim = table[0].shape[1], table[1].shape[1]
    problem = Problem(task, "toy", width, action_dim, steps, batch_size, torch.zeros(width), torch.ones(width), dtype)
    method = kind([kind.Settings(**values) for values in settings], problem, seeds or range(len(settings)))
    return Training(method, table, task)


def plain(net: StackedMLP, index: int) -> nn.Sequential:
    """The same network as `nn.Linear` layers with ReLU between."""
    layers: list[nn.Module] = []
    for weight, bias in zip(net.weights, net.biases, strict=True):
        fan_in, fan_out = weight.shape[1:]
        linear = nn.Linear(fan_in, fan_out, dtype=weight.dtype)
        linear.weight.data.copy_(weight[index].t())
        linear.bias.data.copy_(bias[index, 0])
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def distance(net: StackedMLP, index: int, reference: nn.Sequential) -> float:
    """Largest difference between the weights of a slice and of a plain network."""
    linears = [layer for layer in reference if isinstance(layer, nn.Linear)]
    pairs = [(w[index].t(), layer.weight) for w, layer in zip(net.weights, linears, strict=True)]
    pairs += [(b[index, 0], layer.bias) for b, layer in zip(net.biases, linears, strict=True)]
    return max(float((ours - theirs).detach().abs().max()) for ours, theirs in pairs)


def follow(target: nn.Module, online: nn.Module, tau: float) -> None:
    """theta_bar <- tau theta + (1 - tau) theta_bar."""
    for slow, fast in zip(target.parameters(), online.parameters(), strict=True):
        slow.data.mul_(1 - tau).add_(tau * fast.data)


def one_step_table() -> list[Tensor]:
    """The continuous one-step problem of the specification, section 9: every row terminal, a* = 0.5."""
    g = torch.Generator().manual_seed(0)
    states, actions = torch.randn(4000, 2, generator=g), (0.5 * torch.randn(4000, 2, generator=g)).clamp(-1, 1)
    rewards = -(actions - 0.5).square().sum(-1)
    return [states, actions, rewards, torch.randn(4000, 2, generator=g), torch.ones(4000)]


def one_step_reward(training: Training, run: int = 0) -> float:
    """Mean reward of a run's deterministic policy on fresh states."""
    states = torch.randn(2000, 2, generator=torch.Generator().manual_seed(1))
    actions = training.method.act(states.expand(len(training.seeds), -1, -1))[run]
    return float(-(actions - 0.5).square().sum(-1).mean())


def gradient_reach(method: StackedMethod) -> Callable[[], dict[str, bool]]:
    """Which tensors of a method move: call it now, train, call the answer."""

    def tensors() -> dict[str, Tensor]:
        return {
            f"{name}.{key}": value.detach().clone()
            for name, module in method._modules().items()
            for key, value in module.named_parameters()
        }

    before = tensors()
    return lambda: {name: not torch.equal(before[name], value) for name, value in tensors().items()}


@pytest.fixture
def lab() -> SimpleNamespace:
    """Everything above, for tests."""
    return SimpleNamespace(
        start=start,
        plain=plain,
        distance=distance,
        follow=follow,
        random_table=random_table,
        one_step_table=one_step_table,
        one_step_reward=one_step_reward,
        gradient_reach=gradient_reach,
    )
