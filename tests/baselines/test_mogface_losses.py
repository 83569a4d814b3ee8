"""MogFace's losses against sums over every anchor in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from baselines.mogface.losses import box_loss, class_loss, second_loss


def looped_focal(logit: float, positive: bool) -> float:
    p = 1 / (1 + math.exp(-logit))
    return -0.25 * (1 - p) ** 2 * math.log(p) if positive else -0.75 * p**2 * math.log(1 - p)


def logits_of(images: int, anchors: int) -> Tensor:
    return 4 * torch.randn(images, anchors, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("positives", [0, 1, 3, 40])
def test_class_loss_is_focal_over_positives_or_images(positives: int) -> None:
    logits = logits_of(3, 50)
    positive = torch.zeros(150, dtype=torch.bool)
    positive[:: max(1, 150 // positives) if positives else 151] = positives > 0
    count = int(positive.sum())
    total = sum(looped_focal(x, y) for x, y in zip(logits.flatten().tolist(), positive.tolist(), strict=True))
    assert float(class_loss(logits, positive.view(3, 50))) == pytest.approx(total / max(3, count), rel=1e-12)


@pytest.mark.parametrize("positives", [0, 1, 7])
def test_box_loss_is_twice_smooth_l1_with_sigma_3(positives: int) -> None:
    draw = torch.Generator().manual_seed(1)
    codes, targets = (torch.randn(positives, 4, generator=draw, dtype=torch.float64) * 0.2 for _ in range(2))
    total = 0.0
    for difference in (codes - targets).flatten().abs().tolist():
        total += 0.5 * (3 * difference) ** 2 if difference < 1 / 9 else difference - 0.5 / 9
    assert float(box_loss(codes, targets, images=2)) == pytest.approx(2 * total / max(2, positives), rel=1e-12)


def test_second_loss_counts_predicted_cells_alone() -> None:
    logits = logits_of(2, 60)
    labels = torch.randint(-1, 2, (2, 60), generator=torch.Generator().manual_seed(2))
    rows = zip(logits.flatten().tolist(), labels.flatten().tolist(), strict=True)
    total = sum(looped_focal(logit, label == 1) for logit, label in rows if label >= 0)
    assert float(second_loss(logits, labels)) == pytest.approx(total / int((labels == 1).sum()), rel=1e-12)
    one = torch.full((2, 60), -1)
    one[0, 3] = 0
    assert float(second_loss(logits, one)) == pytest.approx(looped_focal(float(logits[0, 3]), False) / 2, rel=1e-12)


def test_second_loss_is_zero_with_a_gradient_where_nothing_is_predicted() -> None:
    logits = logits_of(2, 5).requires_grad_()
    loss = second_loss(logits, torch.full((2, 5), -1))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_gradients_are_finite_differences() -> None:
    logits = logits_of(1, 6).requires_grad_()
    positive = torch.tensor([[True, False, True, False, False, False]])
    class_loss(logits, positive).backward()
    assert logits.grad is not None
    for place in range(6):
        step = torch.zeros(1, 6, dtype=torch.float64)
        step[0, place] = 1e-5
        with torch.no_grad():
            slope = (class_loss(logits + step, positive) - class_loss(logits - step, positive)) / 2e-5
        assert float(logits.grad[0, place]) == pytest.approx(float(slope), rel=1e-6, abs=1e-9)
