"""L2 against its definition, term by term."""

from __future__ import annotations

import pytest
import torch

from baselines.l2 import L2, Settings
from benchmarks.base import RepriseError
from benchmarks.coco.distillation.rehearsal import rehearse


def loss(fs: torch.Tensor, ft: torch.Tensor, context: object, **given: object) -> torch.Tensor:
    level = L2(Settings(**given)).level(fs.shape[1], ft.shape[1], 8).to(fs.dtype)
    return level(fs, ft, context)["feature"]


def test_the_sum_form_is_the_squared_distance_per_image() -> None:
    fs, ft, context = rehearse()
    expected = sum(float(a - b) ** 2 for a, b in zip(fs.flatten(), ft.flatten(), strict=True)) / 2
    assert loss(fs, ft, context, alpha=0.3).item() == pytest.approx(0.3 * expected, rel=1e-12)


def test_the_mean_form_divides_by_every_element() -> None:
    fs, ft, context = rehearse()
    per_image = loss(fs, ft, context, alpha=1.0)
    found = loss(fs, ft, context, reduction="mean", weight=0.5)
    assert found.item() == pytest.approx(0.5 * per_image.item() * 2 / fs.numel(), rel=1e-12)


def test_normalising_gives_each_image_unit_length() -> None:
    fs, ft, context = rehearse()
    expected = 0.0
    for a, b in zip(fs, ft, strict=True):
        cosine = float((a * b).sum() / (a.norm() * b.norm()))
        expected += 2.0 - 2.0 * cosine
    found = loss(fs, ft, context, normalise=True, weight=1.0)
    assert found.item() == pytest.approx(expected / 2, rel=1e-9)
    assert loss(7.0 * fs, ft, context, normalise=True, weight=1.0).item() == pytest.approx(found.item(), rel=1e-9)


def test_a_map_of_zeros_can_be_normalised() -> None:
    fs, ft, context = rehearse()
    fs = torch.zeros_like(fs).requires_grad_()
    loss(fs, ft, context, normalise=True, weight=1.0).backward()
    assert torch.isfinite(fs.grad).all()


def test_the_adapter_switch() -> None:
    assert sum(p.numel() for p in L2(Settings()).level(4, 6, 8).parameters()) == 4 * 6 + 6
    assert not list(L2(Settings()).level(6, 6, 8).parameters())
    assert list(L2(Settings(adapter="always")).level(6, 6, 8).parameters())
    with pytest.raises(RepriseError, match="adapter=none"):
        L2(Settings(adapter="none")).level(4, 6, 8)


def test_only_the_plain_sum_has_a_weight_of_its_own() -> None:
    for given in ({"reduction": "mean"}, {"normalise": True}):
        with pytest.raises(RepriseError, match="weight is not given"):
            Settings(**given)
    with pytest.raises(RepriseError, match="weighed by alpha"):
        Settings(weight=1.0)
