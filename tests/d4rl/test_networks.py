"""Stacked networks against plain ones."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from benchmarks.d4rl.networks import (
    StackedCritics,
    StackedMLP,
    TanhGaussianActor,
    generators,
    orthogonal,
    squash,
    tanh_gaussian_log_density,
    truncated_normal_fan_in,
)


def plain(net: StackedMLP, index: int) -> nn.Sequential:
    """Slice `index` as ordinary linear layers."""
    modules: list[nn.Module] = []
    for weight, bias in zip(net.weights, net.biases, strict=True):
        linear = nn.Linear(weight.shape[1], weight.shape[2]).double()
        with torch.no_grad():
            linear.weight.copy_(weight[index].t())
            linear.bias.copy_(bias[index, 0])
        modules += [linear, nn.ReLU()]
    return nn.Sequential(*modules[:-1])


def test_each_slice_computes_what_a_plain_network_computes() -> None:
    net = StackedMLP([5, 16, 16, 3], generators([1, 2, 3])).double()
    x = torch.randn(3, 7, 5, dtype=torch.float64)
    expected = torch.stack([plain(net, k)(x[k]) for k in range(3)])
    torch.testing.assert_close(net(x), expected, rtol=0, atol=1e-12)


def test_gradients_of_weights_and_inputs_equal_those_of_plain_networks() -> None:
    net = StackedMLP([4, 8, 8, 8, 2], generators([5, 6])).double()
    x = torch.randn(2, 6, 4, dtype=torch.float64, requires_grad=True)
    loss = net(x).square().sum()
    grads = torch.autograd.grad(loss, [x, *net.weights, *net.biases])
    for k in range(2):
        reference, row = plain(net, k), x[k].detach().clone().requires_grad_()
        wanted = torch.autograd.grad(reference(row).square().sum(), [row, *reference.parameters()])
        torch.testing.assert_close(grads[0][k], wanted[0])
        depth = len(net.weights)
        for layer in range(depth):
            torch.testing.assert_close(grads[1 + layer][k], wanted[1 + 2 * layer].t())
            torch.testing.assert_close(grads[1 + depth + layer][k, 0], wanted[2 + 2 * layer])


def test_gradients_agree_with_finite_differences() -> None:
    net = StackedMLP([3, 5, 5, 1], generators([0])).double()
    x = torch.randn(1, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda value: net(value), (x,))


def test_frozen_networks_pass_gradients_to_their_inputs_only() -> None:
    critics = StackedCritics(3, 2, [8, 8], generators([0, 1]))
    actions = torch.randn(2, 5, 2, requires_grad=True)
    states = torch.randn(2, 5, 3)
    free, frozen = critics(states, actions), critics(states, actions, frozen=True)
    torch.testing.assert_close(free, frozen)
    wanted = torch.autograd.grad(free.sum(), actions, retain_graph=True)[0]
    torch.testing.assert_close(torch.autograd.grad(frozen.sum(), actions)[0], wanted)
    with pytest.raises(RuntimeError, match="not have been used"):
        torch.autograd.grad(critics(states, actions, frozen=True).sum(), [actions, *critics.parameters()])


def test_many_actions_per_state_equal_one_call_per_action() -> None:
    critics = StackedCritics(4, 2, [16, 16], generators([3, 4])).double()
    states = torch.randn(2, 6, 4, dtype=torch.float64)
    actions = torch.randn(2, 5, 6, 2, dtype=torch.float64)
    together = critics.many(states, actions)
    apart = torch.stack([critics(states, actions[:, m]) for m in range(5)], 2)
    assert together.shape == (2, 2, 5, 6)
    torch.testing.assert_close(together, apart, rtol=0, atol=1e-12)


def test_a_slice_does_not_depend_on_its_neighbours() -> None:
    alone = StackedMLP([3, 8, 1], generators([7]))
    stacked = StackedMLP([3, 8, 1], generators([1, 7, 9]))
    for a, b in zip(alone.parameters(), stacked.parameters(), strict=True):
        assert torch.equal(a[0], b[1])


def test_default_initialisation_has_the_bounds_and_moments_of_linear_layers() -> None:
    net = StackedMLP([100, 400, 1], generators([0]))
    weight = net.weights[0].detach()
    assert weight.abs().max() <= 0.1
    assert weight.std().item() == pytest.approx(0.1 / math.sqrt(3), rel=0.02)
    assert net.biases[0].detach().abs().max() <= 0.1


def test_orthogonal_and_truncated_initialisations() -> None:
    net = StackedMLP([64, 32, 1], generators([0]), hidden_init=orthogonal(2.0), bias=0.0)
    weight = net.weights[0][0].detach()
    torch.testing.assert_close(weight.t() @ weight, 4.0 * torch.eye(32), atol=1e-4, rtol=0)
    assert not net.biases[0].any()
    cut = StackedMLP([100, 500, 1], generators([0]), hidden_init=truncated_normal_fan_in, bias=0.0).weights[0].detach()
    assert cut.abs().max() <= 2 * 0.05
    assert cut.std().item() == pytest.approx(0.05 * 0.8796, rel=0.02)


def test_squashed_log_density_matches_the_distribution_of_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    mean, log_std, noise = 0.5 * torch.randn(3, 3, 4, 2, dtype=torch.float64, generator=generator)
    action, log_pi = squash(mean, log_std, noise)
    base = torch.distributions.Normal(mean, log_std.exp())
    reference = torch.distributions.TransformedDistribution(base, [torch.distributions.TanhTransform()])
    torch.testing.assert_close(log_pi, reference.log_prob(action).sum(-1))
    inside = action.clamp(-0.99, 0.99)
    torch.testing.assert_close(tanh_gaussian_log_density(mean, log_std, inside), reference.log_prob(inside).sum(-1))


def test_squashed_log_density_is_finite_far_from_zero() -> None:
    far = torch.full((1, 1, 2), 40.0)
    _, log_pi = squash(far, torch.zeros_like(far), torch.zeros_like(far))
    assert torch.isfinite(log_pi).all()


def test_actor_clips_its_log_std_and_acts_with_the_mode() -> None:
    actor = TanhGaussianActor(3, 2, [8], generators([0]), -1.0, 0.5)
    states = 100.0 * torch.randn(1, 50, 3)
    mean, log_std = actor(states)
    assert log_std.min() >= -1.0
    assert log_std.max() <= 0.5
    torch.testing.assert_close(actor.deterministic(states), torch.tanh(mean))
