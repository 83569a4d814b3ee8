"""Focal losses against their formula in float64 and finite differences."""

from __future__ import annotations

import pytest
import torch
from mmcv.ops import sigmoid_focal_loss, softmax_focal_loss
from torch import Tensor

CLASSES = 5


def logits_and_targets(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn(12, CLASSES, generator=generator, dtype=torch.float64)
    return logits.to(dtype), torch.arange(12) % (CLASSES + 1)


def sigmoid_formula(logits: Tensor, targets: Tensor, gamma: float, alpha: float) -> Tensor:
    loss = torch.zeros_like(logits)
    for n, row in enumerate(logits.sigmoid()):
        for c, p in enumerate(row):
            right = bool(targets[n] == c)
            p_t, alpha_t = (p, alpha) if right else (1 - p, 1 - alpha)
            loss[n, c] = -alpha_t * (1 - p_t) ** gamma * p_t.log()
    return loss


@pytest.mark.parametrize(("gamma", "alpha"), [(2.0, 0.25), (0.0, 0.5), (1.5, 0.75)])
def test_sigmoid_focal_loss_is_its_formula(gamma: float, alpha: float) -> None:
    logits, targets = logits_and_targets()
    expected = sigmoid_formula(logits, targets, gamma, alpha)
    torch.testing.assert_close(sigmoid_focal_loss(logits, targets, gamma, alpha, None, "none"), expected)
    torch.testing.assert_close(sigmoid_focal_loss(logits, targets, gamma, alpha, None, "sum"), expected.sum())
    torch.testing.assert_close(sigmoid_focal_loss(logits, targets, gamma, alpha, None, "mean"), expected.sum() / 12)


@pytest.mark.parametrize(("gamma", "alpha"), [(2.0, 0.25), (0.0, 0.5), (1.5, 0.75)])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_gradient_of_sigmoid_focal_loss_is_that_of_finite_differences(
    gamma: float, alpha: float, weighted: bool
) -> None:
    logits, targets = logits_and_targets()
    weight = torch.linspace(0.5, 2, CLASSES, dtype=torch.float64) if weighted else None
    for reduction in ("none", "sum", "mean"):
        assert torch.autograd.gradcheck(
            lambda x, how=reduction: sigmoid_focal_loss(x, targets, gamma, alpha, weight, how), logits.requires_grad_()
        )


def test_class_weights_multiply_the_rows_of_their_class_and_leave_background() -> None:
    logits, targets = logits_and_targets()
    weight = torch.linspace(0.5, 2, CLASSES, dtype=torch.float64)
    plain = sigmoid_focal_loss(logits, targets, 2.0, 0.25, None, "none")
    weighted = sigmoid_focal_loss(logits, targets, 2.0, 0.25, weight, "none")
    for row, target in enumerate(targets.tolist()):
        torch.testing.assert_close(weighted[row], plain[row] * (weight[target] if target < CLASSES else 1.0))


def test_focal_loss_of_extreme_logits_is_finite() -> None:
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    loss = sigmoid_focal_loss(logits, torch.tensor([0, 0]), 2.0, 0.25, None, "none")
    loss.sum().backward()
    torch.testing.assert_close(loss.detach(), torch.tensor([[0.0, 0.0], [50.0, 150.0]]))
    torch.testing.assert_close(logits.grad, torch.tensor([[0.0, 0.0], [-0.25, 0.75]]))


def test_sigmoid_focal_loss_under_autocast_keeps_the_type_it_is_given() -> None:
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.bfloat16, 2**-7)):
        logits, targets = logits_and_targets(dtype)
        with torch.autocast("cpu", torch.bfloat16):
            loss = sigmoid_focal_loss(logits, targets, 2.0, 0.25, None, "none")
        assert loss.dtype == dtype
        expected = sigmoid_formula(logits.double(), targets, 2.0, 0.25)
        torch.testing.assert_close(loss.double(), expected, rtol=tolerance, atol=1e-6)


@pytest.mark.parametrize(("gamma", "alpha"), [(2.0, 0.25), (1.0, 0.5)])
def test_softmax_focal_loss_is_its_formula_and_its_gradient_that_of_finite_differences(
    gamma: float, alpha: float
) -> None:
    logits, targets = logits_and_targets()
    targets = targets % CLASSES
    targets[3] = -1
    weight = torch.linspace(0.5, 2, CLASSES, dtype=torch.float64)
    p = logits.softmax(1)[torch.arange(12), targets.clamp(min=0)]
    expected = -alpha * (1 - p) ** gamma * p.log() * weight[targets.clamp(min=0)] * (targets >= 0)
    torch.testing.assert_close(softmax_focal_loss(logits, targets, gamma, alpha, weight, "none"), expected)
    assert torch.autograd.gradcheck(
        lambda x: softmax_focal_loss(x, targets, gamma, alpha, weight, "sum"), logits.requires_grad_()
    )
