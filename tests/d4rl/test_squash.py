"""The tanh-Gaussian sample: its written-out derivatives, and networks that are only read."""

from __future__ import annotations

import pytest
import torch

from benchmarks.d4rl.networks import StackedCritics, generators, squash


@pytest.mark.parametrize("noise_shape", [(2, 5, 3), (2, 4, 5, 3)], ids=["one action", "several actions per state"])
def test_derivatives_of_a_sample_are_those_of_finite_differences(noise_shape):
    g = torch.Generator().manual_seed(0)
    mean, log_std = (torch.randn(2, 5, 3, generator=g, dtype=torch.float64, requires_grad=True) for _ in range(2))
    noise = torch.randn(noise_shape, generator=g, dtype=torch.float64)

    def sample(mean: torch.Tensor, log_std: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if noise.dim() == 4:
            mean, log_std = mean[:, None], log_std[:, None]
        return squash(mean, log_std, noise)

    assert torch.autograd.gradcheck(sample, (mean, log_std))


def test_the_density_of_a_sample_is_that_of_the_distribution():
    g = torch.Generator().manual_seed(1)
    mean, log_std, noise = (torch.randn(2, 5, 3, generator=g, dtype=torch.float64) for _ in range(3))
    action, log_pi = squash(mean, log_std, noise)
    normal, transform = torch.distributions.Normal(mean, log_std.exp()), torch.distributions.TanhTransform()
    x = mean + log_std.exp() * noise
    expected = (normal.log_prob(x) - transform.log_abs_det_jacobian(x, torch.tanh(x))).sum(-1)
    torch.testing.assert_close(action, torch.tanh(x), atol=1e-14, rtol=0)
    torch.testing.assert_close(log_pi, expected, atol=1e-12, rtol=1e-12)


def test_values_without_gradients_are_those_with_gradients():
    critics = StackedCritics(3, 2, (8, 8), generators([0, 1]))
    g = torch.Generator().manual_seed(2)
    states, actions = torch.randn(2, 5, 3, generator=g), torch.randn(2, 4, 5, 2, generator=g)
    with_gradients = critics.many(states, actions), critics(states, actions[:, 0])
    with torch.no_grad():
        assert torch.equal(critics.many(states, actions), with_gradients[0])
        assert torch.equal(critics(states, actions[:, 0]), with_gradients[1])


def test_a_moved_network_uses_its_moved_weights():
    critics = StackedCritics(3, 2, (8, 8), generators([0])).to(torch.float64)
    states, actions = torch.randn(1, 5, 3, dtype=torch.float64), torch.randn(1, 5, 2, dtype=torch.float64)
    before = critics(states, actions).detach()
    assert before.dtype == torch.float64
    with torch.no_grad():
        critics.net.biases[-1].add_(1.0)
    torch.testing.assert_close(critics(states, actions).detach(), before + 1.0)
