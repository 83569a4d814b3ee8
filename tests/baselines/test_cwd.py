"""CWD against a plain loop, its limits, and the cross-entropy form."""

from __future__ import annotations

import math

import pytest
import torch

from baselines.cwd import CWD, Settings
from benchmarks.base import RepriseError
from benchmarks.coco.distillation.rehearsal import rehearse


def loss(fs: torch.Tensor, ft: torch.Tensor, context: object, weight: float = 1.0, tau: float = 1.0) -> torch.Tensor:
    level = CWD(Settings(weight=weight, tau=tau)).level(fs.shape[1], ft.shape[1], 8).double()
    return level(fs, ft, context)["feature"]


@pytest.mark.parametrize("tau", [1.0, 4.0])
def test_it_equals_a_plain_loop(tau: float) -> None:
    fs, ft, context = rehearse(size=(3, 4))
    total = 0.0
    for n in range(2):
        for c in range(6):
            a = [math.exp(v / tau) for v in fs[n, c].flatten().tolist()]
            b = [math.exp(v / tau) for v in ft[n, c].flatten().tolist()]
            total += sum(q / sum(b) * math.log(q / sum(b) / (p / sum(a))) for p, q in zip(a, b, strict=True))
    assert loss(fs, ft, context, 5.0, tau).item() == pytest.approx(5.0 * tau**2 / 12 * total, rel=1e-10)


def test_it_is_never_negative_and_ignores_constants() -> None:
    fs, ft, context = rehearse()
    before = loss(fs, ft, context)
    assert before > 0.0
    assert loss(ft + 1e-7 * fs, ft, context) >= 0.0
    shift = torch.randn(2, 6, 1, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert loss(fs + shift, ft - 3.0 * shift, context).item() == pytest.approx(before.item(), rel=1e-10)


def test_a_hot_softmax_gives_half_the_spatial_variance_of_the_difference() -> None:
    fs, ft, context = rehearse()
    variance = (fs - ft).flatten(2).var(2, correction=0).mean().item()
    assert loss(fs, ft, context, tau=1e4).item() == pytest.approx(variance / 2.0, rel=1e-3)


def test_cross_entropy_differs_by_the_teachers_entropy_and_has_the_same_gradient() -> None:
    fs, ft, context = rehearse()
    tau = 2.0
    p_t = (ft / tau).flatten(2).softmax(2)
    entropy = -(p_t * p_t.log()).sum() * tau**2 / 12

    def cross_entropy(f: torch.Tensor) -> torch.Tensor:
        return -(p_t * (f / tau).flatten(2).log_softmax(2)).sum() * tau**2 / 12

    one, two = fs.clone().requires_grad_(), fs.clone().requires_grad_()
    found, other = loss(one, ft, context, tau=tau), cross_entropy(two)
    assert other.item() - found.item() == pytest.approx(entropy.item(), rel=1e-10)
    found.backward()
    other.backward()
    torch.testing.assert_close(one.grad, two.grad)


def test_a_temperature_that_is_not_positive_is_refused() -> None:
    for tau in (0.0, -1.0, float("inf")):
        with pytest.raises(RepriseError, match="tau is"):
            Settings(tau=tau)
