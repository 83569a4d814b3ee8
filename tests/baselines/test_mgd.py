"""MGD against its definition, its mask, and its generator."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from baselines.mgd import MGD, Settings
from benchmarks.base import RepriseError
from benchmarks.coco.distillation.rehearsal import rehearse


def convolved(x: torch.Tensor, conv: torch.nn.Conv2d) -> torch.Tensor:
    """A 3x3 convolution with padding 1, as a product of patches."""
    n, _, h, w = x.shape
    patches = functional.unfold(x, 3, padding=1)
    return (conv.weight.flatten(1) @ patches + conv.bias[:, None]).view(n, -1, h, w)


@pytest.mark.parametrize("mask_on", ["position", "channel"])
def test_it_equals_its_definition(mask_on: str) -> None:
    fs, ft, context = rehearse(student_channels=4)
    level = MGD(Settings(alpha=0.3, mask_on=mask_on)).level(4, 6, 8).double()
    found = level(fs, ft, context)["feature"]
    adapted = torch.einsum("oi,nihw->nohw", level.phi.weight[:, :, 0, 0], fs) + level.phi.bias[:, None, None]
    mask = level.mask(adapted, context)
    rebuilt = convolved(convolved(adapted * mask, level.gen[0]).clamp(min=0.0), level.gen[2])
    expected = 0.3 * ((rebuilt - ft) ** 2).sum().item() / 2
    assert found.item() == pytest.approx(expected, rel=1e-12)


def test_one_draw_hides_a_position_in_all_channels() -> None:
    fs, _, context = rehearse()
    assert MGD(Settings()).level(6, 6, 8).mask(fs, context).shape == (2, 1, 10, 16)
    assert MGD(Settings(mask_on="channel")).level(6, 6, 8).mask(fs, context).shape == (2, 6, 1, 1)


def test_ratio_zero_hides_nothing() -> None:
    fs, _, context = rehearse()
    assert MGD(Settings(ratio=0.0)).level(6, 6, 8).mask(fs, context).all()


def test_masks_change_with_the_iteration_and_repeat_with_it() -> None:
    masks = []
    for iteration in (4, 4, 5):
        fs, _, context = rehearse(iteration=iteration)
        masks.append(MGD(Settings()).level(6, 6, 8).mask(fs, context))
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


def test_the_generator_has_the_published_size() -> None:
    assert sum(p.numel() for p in MGD(Settings()).level(256, 256, 8).parameters()) == 1_180_160
    assert sum(p.numel() for p in MGD(Settings()).level(6, 6, 8).parameters()) == 2 * (9 * 36 + 6)


def test_with_everything_hidden_the_students_map_does_not_matter() -> None:
    fs, ft, context = rehearse()
    level = MGD(Settings(alpha=1.0)).level(6, 6, 8).double()
    level.mask = lambda s, context: torch.zeros(2, 1, 10, 16, dtype=torch.float64)
    fs.requires_grad_()
    first = level(fs, ft, context)["feature"]
    first.backward()
    assert torch.equal(first, level(3.0 * fs + 1.0, ft, context)["feature"])
    assert not fs.grad.any()


def test_ratios_outside_zero_to_one_and_negative_weights_are_refused() -> None:
    for ratio in (-0.1, 1.1, float("nan")):
        with pytest.raises(RepriseError, match="ratio is"):
            Settings(ratio=ratio)
    for alpha in (-1.0, float("inf"), float("nan")):
        with pytest.raises(RepriseError, match="alpha is"):
            Settings(alpha=alpha)
