"""HCAM: masks, features, labels and scores against loops, and that it remembers nothing but its parameters."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from baselines.mogface.hcam import HCAM, dilated, judged_scores, second_labels
from benchmarks.base import RepriseError

TRUNK = (3, 5, 7, 9)
CHANNELS = 4
SIZES = [(12, 10), (6, 5), (3, 3), (2, 2), (1, 1), (1, 1)]


def random_mask(height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand(2, 1, height, width, generator=torch.Generator().manual_seed(seed)) < 0.08


def looped_dilation(mask: Tensor, side: int) -> Tensor:
    found = torch.zeros_like(mask)
    reach = side // 2
    for image, _, row, column in torch.nonzero(mask).tolist():
        for y in range(row - reach, row + reach + 1):
            for x in range(column - reach, column + reach + 1):
                clamped_y = min(max(y, 0), mask.shape[2] - 1)
                clamped_x = min(max(x, 0), mask.shape[3] - 1)
                found[image, 0, clamped_y, clamped_x] = True
    return found


@pytest.mark.parametrize("side", [3, 5])
@pytest.mark.parametrize(("height", "width"), [(12, 10), (1, 1), (2, 7)])
def test_masks_grow_around_every_predicted_cell(side: int, height: int, width: int) -> None:
    for seed in range(3):
        mask = random_mask(height, width, seed)
        mask[0, 0, -1, -1] = True
        assert torch.equal(dilated(mask, side), looped_dilation(mask, side))


def test_the_larger_mask_includes_the_smaller_and_both_the_cell() -> None:
    mask = random_mask(12, 10)
    assert (dilated(mask, 3) | ~mask).all()
    assert (dilated(mask, 5) | ~dilated(mask, 3)).all()


def test_d8_released_index_leaves_the_map_at_the_right_and_lower_border() -> None:
    for row, column, fails in [(5, 5, False), (0, 0, False), (9, 5, True), (5, 9, True), (8, 5, True)]:
        mask = torch.zeros(1, 1, 10, 10, dtype=torch.bool)
        mask[0, 0, row, column] = True
        if fails:
            with pytest.raises(RepriseError, match=r"hcam_clamp is 'released'.*10 x 10 map"):
                dilated(mask, 5, "released")
        else:
            assert torch.equal(dilated(mask, 5, "released"), dilated(mask, 5))


def made() -> tuple[HCAM, list[Tensor], list[Tensor], list[Tensor]]:
    torch.manual_seed(0)
    module = HCAM(TRUNK, CHANNELS, len(SIZES), 0.1, "fixed").double()
    trunk = [torch.randn(2, channels, *size).double() for channels, size in zip(TRUNK, SIZES, strict=False)]
    pyramid = [torch.randn(2, CHANNELS, *size).double() for size in SIZES]
    first = [torch.randn(2, 1, *size).double() - 2 for size in SIZES]
    return module, trunk, pyramid, first


def test_the_second_classifier_sees_context_where_cells_are_predicted() -> None:
    """The definition, level by level: P_i + mask_3 ctx_3 + mask_5 ctx_5 on P2..P5, P_i alone on P6 and P7."""
    module, trunk, pyramid, first = made()
    found = module(trunk, pyramid, first, 0.1)
    for level, size in enumerate(SIZES):
        threshold = math.log(0.1 / 0.9)
        predicted = first[level] > threshold
        assert torch.equal(found.predicted[level], predicted)
        x = pyramid[level].clone()
        if level < 4:
            reduce = module.reduce[level]
            reduced = conv2d(trunk[level], reduce.weight, reduce.bias)
            for side, part in ((3, module.near[level]), (5, module.far[level])):
                context = conv2d(reduced, part.weight, part.bias, padding=1)
                mask = looped_dilation(predicted, side)
                for image, _, row, column in torch.nonzero(mask).tolist():
                    x[image, :, row, column] += context[image, :, row, column]
        classify = module.classify[level]
        expected = conv2d(x, classify.weight, classify.bias, padding=1)
        assert expected.shape[-2:] == size
        torch.testing.assert_close(found.logits[level], expected)


def test_no_context_reaches_levels_where_nothing_is_predicted() -> None:
    module, trunk, pyramid, first = made()
    alone = module(trunk, pyramid, [logit - 1000 for logit in first], 0.1)
    other = module([torch.randn_like(level) for level in trunk], pyramid, [logit - 1000 for logit in first], 0.1)
    for one, two in zip(alone.logits, other.logits, strict=True):
        assert torch.equal(one, two)


def test_label_table() -> None:
    predicted = torch.tensor([True, True, False, False])
    positive = torch.tensor([True, False, True, False])
    assert second_labels(predicted, positive).tolist() == [1, 0, -1, -1]


def test_d2_scores_of_both_classifiers() -> None:
    first, second = torch.tensor([2.0, 2.0, -5.0]), torch.tensor([1.0, -1.0, 3.0])
    predicted = torch.tensor([True, True, False])
    a, b = first.sigmoid(), second.sigmoid()
    torch.testing.assert_close(judged_scores(first, second, predicted, "released"), a)
    torch.testing.assert_close(judged_scores(first, second, predicted, "fixed"), torch.stack([b[0], b[1], a[2]]))
    torch.testing.assert_close(
        judged_scores(first, second, predicted, "product"), torch.stack([a[0] * b[0], a[1] * b[1], a[2]])
    )


def test_parameters_are_all_that_it_remembers() -> None:
    """After steps on other batches, a copy with the same parameters gives the same masks and logits to the bit."""
    module, trunk, pyramid, first = made()
    optimiser = torch.optim.SGD(module.parameters(), lr=0.1)
    for step in range(4):
        optimiser.zero_grad()
        found = module(trunk, pyramid, [logit + 0.5 * step for logit in first], 0.1)
        sum(logit.square().mean() for logit in found.logits).backward()
        optimiser.step()
    assert {name for name, _ in module.named_parameters()} == set(module.state_dict())
    copy = HCAM(TRUNK, CHANNELS, len(SIZES), 0.1, "fixed").double()
    copy.load_state_dict(module.state_dict())
    one, two = module(trunk, pyramid, first, 0.1), copy(trunk, pyramid, first, 0.1)
    for level in range(len(SIZES)):
        assert torch.equal(one.predicted[level], two.predicted[level])
        assert torch.equal(one.logits[level], two.logits[level])


def test_context_convolutions_keep_the_frameworks_start() -> None:
    torch.manual_seed(0)
    module = HCAM((64, 64, 64, 64), 64, 6, 0.01, "fixed")
    spread = nn.Conv2d(64, 64, 3).weight.std()
    assert module.near[0].weight.std().item() == pytest.approx(spread.item(), rel=0.05)
    assert module.classify[0].weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert module.classify[0].bias.item() == pytest.approx(-math.log(99))
