"""Stacked Adam and target updates against PyTorch's optimiser and plain loops."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchmarks.d4rl.networks import StackedMLP, generators
from benchmarks.d4rl.optimisers import StackedAdam, TargetUpdate, cosine


def net() -> StackedMLP:
    return StackedMLP([3, 4, 1], generators([0, 1])).double()


def losses(model: StackedMLP, step: int) -> torch.Tensor:
    x = torch.randn(2, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(step))
    return (model(x) - 1.0).square().mean((1, 2))


@pytest.mark.parametrize("rates", [[1e-2, 1e-2], [1e-2, 2e-3], [5e-4, 1e-1]])
def test_every_slice_follows_torch_adam_at_its_own_rate(rates: list[float]) -> None:
    stacked = net()
    adam = StackedAdam(stacked.parameters(), rates)
    singles = [net() for _ in rates]
    references = [torch.optim.Adam(single.parameters(), lr=rate) for single, rate in zip(singles, rates, strict=True)]
    for step in range(10):
        scale = cosine(step, 20)
        adam.set_scale(scale)
        adam.step(losses(stacked, step).sum())
        for slot, (single, reference) in enumerate(zip(singles, references, strict=True)):
            reference.param_groups[0]["lr"] = rates[slot] * scale
            reference.zero_grad()
            losses(single, step)[slot].backward()
            reference.step()
    for slot, single in enumerate(singles):
        for ours, theirs in zip(stacked.parameters(), single.parameters(), strict=True):
            torch.testing.assert_close(ours[slot], theirs[slot], rtol=0, atol=1e-12)


def test_a_restored_optimiser_goes_on_as_if_never_stopped() -> None:
    through, stopped = net(), net()
    one, two = StackedAdam(through.parameters(), [1e-2, 3e-3]), StackedAdam(stopped.parameters(), [1e-2, 3e-3])
    for step in range(6):
        one.step(losses(through, step).sum())
        if step == 3:
            saved, weights = two.state_dict(), stopped.state_dict()
            stopped = net()
            stopped.load_state_dict(weights)
            two = StackedAdam(stopped.parameters(), [1e-2, 3e-3])
            two.load_state_dict(saved)
        two.step(losses(stopped, step).sum())
    for a, b in zip(through.parameters(), stopped.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("tau", [[0.1, 0.1], [0.1, 0.7]])
def test_targets_follow_with_their_own_tau(tau: list[float]) -> None:
    online = StackedMLP([2, 3, 1], [g for g in generators([0, 1]) for _ in range(2)]).double()
    target = StackedMLP([2, 3, 1], [g for g in generators([5, 6]) for _ in range(2)]).double().requires_grad_(False)
    before = [p.clone() for p in target.parameters()]
    TargetUpdate(online, target, tau).step()
    for old, new, goal in zip(before, target.parameters(), online.parameters(), strict=True):
        for index in range(4):
            rate = tau[index // 2]
            torch.testing.assert_close(new[index], rate * goal[index].detach() + (1 - rate) * old[index])


def test_cosine_starts_at_one_and_ends_at_zero() -> None:
    assert cosine(0, 10) == 1.0
    assert cosine(5, 10) == pytest.approx(0.5)
    assert cosine(10, 10) == pytest.approx(0.0)
    assert cosine(99, 10) == pytest.approx(0.0)


def test_gradients_reach_only_the_parameters_of_the_optimiser() -> None:
    model, other = net(), nn.Parameter(torch.ones(1, dtype=torch.float64))
    StackedAdam(model.parameters(), [1e-2, 1e-2]).step((losses(model, 0) * other).sum())
    assert other.grad is None
    assert other.item() == 1.0
