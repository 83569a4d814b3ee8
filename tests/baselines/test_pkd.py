"""PKD against numpy's correlation, and what it ignores."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from baselines.pkd import PKD, Settings
from benchmarks.base import RepriseError
from benchmarks.coco.distillation.rehearsal import rehearse


def loss(fs: torch.Tensor, ft: torch.Tensor, context: object, weight: float = 1.0) -> torch.Tensor:
    return PKD(Settings(weight=weight)).level(fs.shape[1], ft.shape[1], 8).double()(fs, ft, context)["feature"]


def test_it_is_one_minus_the_mean_correlation() -> None:
    fs, ft, context = rehearse()
    count = 2 * 10 * 16
    r = [np.corrcoef(fs[:, c].flatten().numpy(), ft[:, c].flatten().numpy())[0, 1] for c in range(6)]
    expected = (1.0 - np.mean(r)) * (count - 1) / count
    assert loss(fs, ft, context, 3.0).item() == pytest.approx(3.0 * expected, rel=1e-5)


def test_it_equals_a_plain_loop() -> None:
    fs, ft, context = rehearse()
    total = 0.0
    for c in range(6):
        a, b = fs[:, c].flatten().numpy(), ft[:, c].flatten().numpy()
        z_a = (a - a.mean()) / (a.std(ddof=1) + 1e-6)
        z_b = (b - b.mean()) / (b.std(ddof=1) + 1e-6)
        total += float(((z_a - z_b) ** 2).sum())
    assert loss(fs, ft, context).item() == pytest.approx(total / fs.numel() / 2.0, rel=1e-12)


def test_scale_and_shift_of_a_channel_do_not_matter() -> None:
    fs, ft, context = rehearse()
    scale = torch.tensor([1.0, 2.0, 5.0, 1.5, 3.0, 10.0]).view(1, 6, 1, 1).double()
    before = loss(fs, ft, context).item()
    assert loss(fs * scale - 7.0, ft, context).item() == pytest.approx(before, abs=1e-5)
    assert loss(fs, ft * scale + 40.0, context).item() == pytest.approx(before, abs=1e-5)


def test_opposite_maps_are_twice_as_far_as_unrelated_ones() -> None:
    _, ft, context = rehearse()
    assert loss(-ft, ft, context).item() == pytest.approx(2.0 * 319 / 320, rel=1e-5)


def test_a_channel_without_deviation_has_a_finite_gradient() -> None:
    fs, ft, context = rehearse()
    fs[:, 2] = 1.0
    fs.requires_grad_()
    loss(fs, ft, context).backward()
    assert torch.isfinite(fs.grad).all()


def test_one_value_per_channel_is_refused() -> None:
    fs, ft, context = rehearse(images=1, size=(1, 1), stride=64)
    with pytest.raises(RepriseError, match="one value per channel"):
        loss(fs, ft, context)


def test_maps_of_equal_height_and_unequal_width_are_resized_too() -> None:
    fs, ft, context = rehearse()
    level = PKD(Settings(level_match="index", weight=1.0)).level(6, 6, 8).double()
    wide = torch.nn.functional.interpolate(fs[..., ::2], size=(10, 16), mode="bilinear", align_corners=False)
    found = level(fs[..., ::2], ft, context)["feature"]
    assert found.item() == pytest.approx(loss(wide, ft, context).item(), rel=1e-12)
