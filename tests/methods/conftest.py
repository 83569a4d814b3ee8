"""A small world for ILQ: random transitions, random frozen models, and plain single networks to compare with."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks.d4rl.method import Batch, Problem, StackedMethod
from benchmarks.d4rl.models.behavior import Behavior
from benchmarks.d4rl.models.dynamics import Dynamics
from benchmarks.d4rl.models.termination import register_termination
from benchmarks.d4rl.networks import StackedMLP
from benchmarks.d4rl.streams import Stream

OBSERVATION, ACTION, ROWS, STORED = 3, 2, 200, 6
WORLD = "test-world"

register_termination(WORLD, lambda o: o[..., 0] > 0.5)


def normal(g: torch.Generator, *shape: int, scale: float = 0.4) -> Tensor:
    return scale * torch.randn(*shape, generator=g, dtype=torch.float64)


def random_dynamics(networks: int = 4, elites: Sequence[int] = (2, 0, 3)) -> Dynamics:
    g, width = torch.Generator().manual_seed(1), 1 + OBSERVATION
    sizes = [OBSERVATION + ACTION, 8, 8, 2 * width]
    return Dynamics(
        weights=[normal(g, networks, a, b) for a, b in itertools.pairwise(sizes)],
        biases=[normal(g, networks, 1, b) for b in sizes[1:]],
        input_mean=normal(g, OBSERVATION + ACTION),
        input_std=1.0 + normal(g, OBSERVATION + ACTION).abs(),
        target_mean=normal(g, width),
        target_std=1.0 + normal(g, width).abs(),
        min_log_var=torch.full((width,), -10.0, dtype=torch.float64),
        max_log_var=torch.full((width,), 0.5, dtype=torch.float64),
        elites=torch.tensor(elites),
    )


def random_behavior() -> Behavior:
    g = torch.Generator().manual_seed(2)
    sizes = [ACTION + 16 + OBSERVATION, 8, ACTION]
    return Behavior(
        weights=[normal(g, a, b) for a, b in itertools.pairwise(sizes)],
        biases=[normal(g, b) for b in sizes[1:]],
        embedding=normal(g, 5, 16),
        state_mean=normal(g, OBSERVATION),
        state_std=1.0 + normal(g, OBSERVATION).abs(),
    )


def random_table() -> list[Tensor]:
    """States, actions, rewards, next states, dones (one in five)."""
    g = torch.Generator().manual_seed(0)
    states, following = normal(g, ROWS, OBSERVATION, scale=1.0), normal(g, ROWS, OBSERVATION, scale=1.0)
    actions, rewards = torch.tanh(normal(g, ROWS, ACTION, scale=1.0)), normal(g, ROWS, scale=1.0)
    return [states, actions, rewards, following, (torch.rand(ROWS, generator=g) < 0.2).double()]


def random_models() -> dict[str, Any]:
    g = torch.Generator().manual_seed(3)
    caches = [torch.tanh(normal(g, ROWS, STORED, ACTION, scale=1.0)).float() for _ in range(2)]
    return {
        "dynamics": random_dynamics(),
        "behavior": random_behavior(),
        "limit_actions": caches[0],
        "limit_actions_next": caches[1],
    }


class Training:
    """A stack trained on a table of transitions; `history` keeps every batch, noise and result."""

    def __init__(self, method: StackedMethod, table: Sequence[Tensor]) -> None:
        problem = method.problem
        self.method, self.table = method, [column.to(problem.dtype) for column in table]
        self.noise = Stream("noise", problem.task, method.seeds, method.draws(), problem.dtype)
        self.history: list[tuple[Batch, Mapping[str, Tensor], dict[str, Tensor]]] = []

    def batch(self, step: int) -> Batch:
        generators = [torch.Generator().manual_seed(1000 * seed + step) for seed in self.method.seeds]
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


def start(
    kind: type[StackedMethod],
    settings: Sequence[Mapping[str, Any]],
    seeds: Sequence[int] | None = None,
    *,
    dtype: torch.dtype = torch.float64,
    steps: int = 20,
    batch_size: int = 12,
    table: Sequence[Tensor] | None = None,
    models: Mapping[str, Any] | None = None,
    **problem: Any,
) -> Training:
    """A stack with one run per mapping of settings, ready to train. Raw states are table states times 1.5 plus 0.1."""
    table = random_table() if table is None else table
    width, action_dim = table[0].shape[1], table[1].shape[1]
    given: dict[str, Any] = {
        "task": "toy",
        "environment": WORLD,
        "state_mean": torch.full((width,), 0.1, dtype=torch.float64),
        "state_std": torch.full((width,), 1.5, dtype=torch.float64),
        "models": random_models() if models is None else models,
    }
    made = Problem(
        observation_dim=width,
        action_dim=action_dim,
        steps=steps,
        batch_size=batch_size,
        dtype=dtype,
        **given | problem,
    )
    method = kind([kind.Settings(**values) for values in settings], made, seeds or range(len(settings)))
    return Training(method, table)


def plain(net: StackedMLP, index: int) -> nn.Sequential:
    """The same network as `nn.Linear` layers with ReLU between."""
    layers: list[nn.Module] = []
    for weight, bias in zip(net.weights, net.biases, strict=True):
        linear = nn.Linear(*weight.shape[1:], dtype=weight.dtype)
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


@pytest.fixture
def world() -> SimpleNamespace:
    """Everything above, for tests."""
    return SimpleNamespace(
        start=start,
        plain=plain,
        distance=distance,
        random_table=random_table,
        random_models=random_models,
        random_dynamics=random_dynamics,
        stored=STORED,
    )
