"""EfficientFace's losses against plain loops in float64."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from methods.efficientface.losses import box_loss, class_loss, focal, giou
from methods.efficientface.matching import BACKGROUND, IGNORED

K = 12
OWNERS = [
    [0, 0, 1, BACKGROUND, IGNORED, BACKGROUND, 2, IGNORED, BACKGROUND, BACKGROUND, 1, 0],
    [BACKGROUND] * 11 + [IGNORED],
    [BACKGROUND, 0] + [BACKGROUND] * 10,
]
"""Three images: six positives, none, one."""


class Batch:
    """Random logits and codes, anchors, and faces near them."""

    def __init__(self, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)

        def draw(*shape: int) -> Tensor:
            return torch.rand(*shape, dtype=torch.float64, generator=generator)

        corner = 100 * draw(K, 2)
        self.anchors = torch.cat([corner, corner + 10 + 20 * draw(K, 1)], 1)
        self.logits = (6 * draw(3, K) - 3).requires_grad_()
        # Some differences below 1 / 9, most above.
        self.codes = (1.2 * draw(3, K, 4) - 0.6).requires_grad_()
        self.owners = [torch.tensor(owners) for owners in OWNERS]
        self.faces = []
        for _ in range(3):
            start = 100 * draw(3, 2)
            self.faces.append(torch.cat([start, start + 5 + 30 * draw(3, 2)], 1))


def sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


def code_of(box: list[float], anchor: list[float]) -> list[float]:
    width, height = anchor[2] - anchor[0], anchor[3] - anchor[1]
    return [
        ((box[0] + box[2]) / 2 - (anchor[0] + anchor[2]) / 2) / width,
        ((box[1] + box[3]) / 2 - (anchor[1] + anchor[3]) / 2) / height,
        math.log((box[2] - box[0]) / width),
        math.log((box[3] - box[1]) / height),
    ]


def box_of(code: list[float], anchor: list[float]) -> list[float]:
    width, height = anchor[2] - anchor[0], anchor[3] - anchor[1]
    x, y = (anchor[0] + anchor[2]) / 2 + code[0] * width, (anchor[1] + anchor[3]) / 2 + code[1] * height
    w, h = width * math.exp(code[2]), height * math.exp(code[3])
    return [x - w / 2, y - h / 2, x + w / 2, y + h / 2]


def giou_of(a: list[float], b: list[float]) -> float:
    shared = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    return shared / union - (hull - union) / hull


def smooth(difference: float) -> float:
    """Sigma 3: 0.5 (3 d)^2 below 1 / 9."""
    d = abs(difference)
    return 4.5 * d * d if d < 1 / 9 else d - 0.5 / 9


def class_by_loops(batch: Batch) -> float:
    total = 0.0
    for logits, owners in zip(batch.logits.tolist(), OWNERS, strict=True):
        image = 0.0
        for logit, owner in zip(logits, owners, strict=True):
            p = sigmoid(logit)
            if owner >= 0:
                image += -0.25 * (1 - p) ** 2 * math.log(p)
            elif owner == BACKGROUND:
                image += -0.75 * p**2 * math.log(1 - p)
        total += image / max(1, sum(owner >= 0 for owner in owners))
    return total / len(OWNERS)


def boxes_by_loops(batch: Batch, kind: str) -> float:
    anchors = batch.anchors.tolist()
    means, sums, positives = [], 0.0, 0
    for codes, owners, faces in zip(batch.codes.tolist(), OWNERS, batch.faces, strict=True):
        values = []
        for code, owner, anchor in zip(codes, owners, anchors, strict=True):
            if owner < 0:
                continue
            face = faces[owner].tolist()
            if kind == "giou":
                values.append(1 - giou_of(box_of(code, anchor), face))
            else:
                values += [smooth(ours - wanted) for ours, wanted in zip(code, code_of(face, anchor), strict=True)]
        means.append(sum(values) / len(values) if values else 0.0)
        sums += sum(values)
        positives += sum(owner >= 0 for owner in owners)
    if kind == "smoothl1_sum_x2":
        return 2 * sums / max(len(OWNERS), positives)
    return (2 if kind == "giou" else 50) * sum(means) / len(OWNERS)


@pytest.mark.parametrize("seed", range(3))
def test_class_loss_equals_plain_loops(seed: int) -> None:
    batch = Batch(seed)
    assert float(class_loss(batch.logits, batch.owners)) == pytest.approx(class_by_loops(batch), rel=1e-12)


@pytest.mark.parametrize("kind", ["smoothl1_mean_x50", "smoothl1_sum_x2", "giou"])
@pytest.mark.parametrize("seed", range(3))
def test_box_loss_equals_plain_loops(kind: Any, seed: int) -> None:
    batch = Batch(seed)
    found = box_loss(batch.codes, batch.owners, batch.faces, batch.anchors, kind)
    assert float(found) == pytest.approx(boxes_by_loops(batch, kind), rel=1e-11)


def test_few_positives_are_shared_among_the_images() -> None:
    # One positive among three images: smoothl1_sum_x2 divides by the batch.
    batch = Batch()
    owners = [batch.owners[1], batch.owners[1], batch.owners[2]]
    alone = box_loss(batch.codes[2:], owners[2:], batch.faces[2:], batch.anchors, "smoothl1_sum_x2")
    together = box_loss(batch.codes, owners, batch.faces, batch.anchors, "smoothl1_sum_x2")
    assert float(together) == pytest.approx(float(alone) / 3, rel=1e-12)


@pytest.mark.parametrize("kind", ["smoothl1_mean_x50", "smoothl1_sum_x2", "giou"])
def test_gradients_equal_finite_differences(kind: Any) -> None:
    batch = Batch(4)

    def losses(logits: Tensor, codes: Tensor) -> Tensor:
        boxes = box_loss(codes, batch.owners, batch.faces, batch.anchors, kind)
        return class_loss(logits, batch.owners) + boxes

    assert torch.autograd.gradcheck(losses, (batch.logits, batch.codes))


def test_ignored_anchors_and_codes_of_the_background_have_no_gradient() -> None:
    batch = Batch()
    boxes = box_loss(batch.codes, batch.owners, batch.faces, batch.anchors, "smoothl1_mean_x50")
    (class_loss(batch.logits, batch.owners) + boxes).backward()
    owners = torch.stack(batch.owners)
    assert batch.logits.grad is not None
    assert batch.codes.grad is not None
    assert torch.equal(batch.logits.grad == 0, owners == IGNORED)
    assert torch.equal((batch.codes.grad == 0).all(-1), owners < 0)


def test_a_batch_without_faces_costs_no_box_loss_and_stays_connected() -> None:
    batch = Batch()
    owners, nothing = [batch.owners[1]] * 3, [torch.empty(0, 4, dtype=torch.float64)] * 3
    for kind in ("smoothl1_mean_x50", "smoothl1_sum_x2", "giou"):
        found = box_loss(batch.codes, owners, nothing, batch.anchors, kind)  # type: ignore[arg-type]
        assert float(found) == 0.0
        assert found.requires_grad
    assert float(class_loss(batch.logits, owners)) > 0


def test_extreme_logits_give_finite_losses() -> None:
    logits = torch.tensor([90.0, -90.0, 90.0, -90.0], requires_grad=True)
    each = focal(logits, torch.tensor([True, True, False, False]))
    torch.testing.assert_close(each, torch.tensor([0.0, 0.25 * 90.0, 0.75 * 90.0, 0.0]))
    each.sum().backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_giou_of_equal_boxes_is_one_and_of_distant_ones_negative() -> None:
    first = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 1.0, 1.0]])
    second = torch.tensor([[0.0, 0.0, 2.0, 2.0], [3.0, 0.0, 4.0, 1.0]])
    torch.testing.assert_close(giou(first, second), torch.tensor([1.0, -0.5]))
