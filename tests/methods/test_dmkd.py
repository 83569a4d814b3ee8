"""DMKD: it degenerates to MGD bit for bit, its masks hide what they should, its fusion adapts."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from baselines.mgd import MGD
from baselines.mgd import Settings as MGDSettings
from benchmarks.base import RepriseError
from benchmarks.coco.distillation.attention import channel_mean, spatial_mean
from benchmarks.coco.distillation.contract import LevelSpec
from benchmarks.coco.distillation.rehearsal import Rehearsal, rehearse
from methods.dmkd import DMKD, DMKDLevel, Settings

ALPHA = 0.37


def level(channels: int = 6, student_channels: int | None = None, **given: Any) -> DMKDLevel:
    torch.manual_seed(3)
    settings = Settings(**{"alpha": ALPHA, **given})
    return DMKD(settings).level(student_channels or channels, channels, 8).double()


def masks(made: DMKDLevel, data: Rehearsal) -> tuple[Tensor, Tensor]:
    m_s, m_c = made.masks(data.fs, data.ft, data.context)
    assert m_s is not None
    assert m_c is not None
    return m_s, m_c


def gradients(made: torch.nn.Module, data: Rehearsal) -> tuple[Tensor, list[Tensor]]:
    """The loss, then its gradients by the student's map and by the adapter's and the generator's parameters."""
    fs = data.fs.clone().requires_grad_()
    loss = made(fs, data.ft, data.context)["feature"]
    return loss, list(torch.autograd.grad(loss, [fs, *made.parameters()]))


# -- D1, D2, D8: MGD -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("images", [2, 3])
@pytest.mark.parametrize("branch", ["spatial", "channel"])
@pytest.mark.parametrize("rng", ["own", "global"])
def test_random_masks_and_one_branch_are_mgd_bit_for_bit(
    branch: str, images: int, dtype: torch.dtype, rng: str
) -> None:
    data = rehearse(images=images, student_channels=4, dtype=dtype, iteration=11)
    spatial = branch == "spatial"
    degenerate = {"fusion": "fixed", "fusion_weights": (1.0, 0.0) if spatial else (0.0, 1.0), "mask_mode": "random"}
    ratios = {"spatial_ratio": 0.65 if spatial else 0.0, "channel_ratio": 0.0 if spatial else 0.65}
    one = level(student_channels=4, mask_rng=rng, **degenerate, **ratios).to(dtype)
    settings = MGDSettings(alpha=ALPHA, mask_on="position" if spatial else "channel", mask_rng=rng)
    two = MGD(settings).level(4, 6, 8).to(dtype)
    two.phi.load_state_dict(one.phi.state_dict())
    two.gen.load_state_dict((one.gen_s if spatial else one.gen_c).state_dict())
    torch.manual_seed(1)
    (loss_one, grads_one), state = gradients(one, data), torch.get_rng_state()
    torch.manual_seed(1)
    loss_two, grads_two = gradients(two, data)
    assert torch.equal(loss_one, loss_two)
    assert len(grads_one) == len(grads_two) == 7
    assert all(torch.equal(a, b) for a, b in zip(grads_one, grads_two, strict=True))
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("a", [0.0, 0.3, 1.7])
def test_nothing_hidden_and_shared_generators_are_mgd_for_every_fusion(a: float) -> None:
    data = rehearse()
    made = level(spatial_ratio=0.0, channel_ratio=0.0, generators="shared", fusion="fixed", fusion_weights=(a, 1.0 - a))
    plain = MGD(MGDSettings(alpha=ALPHA, ratio=0.0)).level(6, 6, 8).double()
    plain.gen.load_state_dict(made.gen_s.state_dict())
    torch.testing.assert_close(made(*data)["feature"], plain(*data)["feature"], rtol=1e-12, atol=0)


# -- its definition ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fusion_of", ["features", "losses"])
@pytest.mark.parametrize("fusion", ["softmax", "fast", "fixed"])
@pytest.mark.parametrize("generators", ["separate", "shared"])
def test_it_equals_its_definition(fusion_of: str, fusion: str, generators: str) -> None:
    data = rehearse(images=3)
    made = level(fusion_of=fusion_of, fusion=fusion, fusion_weights=(0.2, 0.5), generators=generators)
    if fusion != "fixed":
        with torch.no_grad():
            made.fusion.w.copy_(torch.tensor([0.9, 0.4]))
    exp = math.exp(0.9), math.exp(0.4)
    a, b = {
        "softmax": (exp[0] / sum(exp), exp[1] / sum(exp)),
        "fast": (0.9 / 1.3001, 0.4 / 1.3001),
        "fixed": (0.2, 0.5),
    }[fusion]
    m_s, m_c = masks(made, data)
    r_s = made.gen_s(data.fs * m_s)
    r_c = (made.gen_s if generators == "shared" else made.gen_c)(data.fs * m_c)
    if fusion_of == "features":
        expected = ((a * r_s + b * r_c - data.ft) ** 2).sum().item()
    else:
        expected = a * ((r_s - data.ft) ** 2).sum().item() + b * ((r_c - data.ft) ** 2).sum().item()
    assert made(*data)["feature"].item() == pytest.approx(ALPHA * expected / 3, rel=1e-6)


def test_its_gradients_are_those_of_finite_differences() -> None:
    data = rehearse(images=2, student_channels=3, teacher_channels=4, size=(3, 4))
    made = level(channels=4, student_channels=3)

    def loss(fs: Tensor) -> Tensor:
        return made(fs, data.ft, data.context)["feature"]

    assert torch.autograd.gradcheck(loss, data.fs.clone().requires_grad_())


# -- D3 to D6: masks -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["important", "unimportant"])
@pytest.mark.parametrize(("ratio", "places", "channels"), [(0.0, 0, 0), (0.45, 72, 3), (0.65, 104, 4), (1.0, 160, 6)])
def test_topk_hides_exactly_its_count_per_image(mode: str, ratio: float, places: int, channels: int) -> None:
    data = rehearse(images=3)
    m_s, m_c = masks(level(mask_mode=mode, spatial_ratio=ratio, channel_ratio=ratio), data)
    assert (m_s == 0).sum((1, 2, 3)).tolist() == [places] * 3
    assert (m_c == 0).sum((1, 2, 3)).tolist() == [channels] * 3


def test_important_and_unimportant_complete_each_other() -> None:
    data = rehearse()
    one = masks(level(spatial_ratio=0.4, channel_ratio=1 / 3), data)
    two = masks(level(mask_mode="unimportant", spatial_ratio=0.6, channel_ratio=2 / 3), data)
    for a, b in zip(one, two, strict=True):
        assert torch.equal(a, 1.0 - b)


def test_hidden_entries_are_at_least_as_strong_as_visible_ones() -> None:
    data = rehearse()
    m_s, m_c = masks(level(), data)
    g_s, g_c = spatial_mean(data.ft), channel_mean(data.ft)
    for mask, g in ((m_s[:, 0], g_s), (m_c[..., 0, 0], g_c)):
        for image in range(2):
            assert g[image][mask[image] == 0].min() >= g[image][mask[image] == 1].max()


def test_the_teachers_scale_and_the_temperature_do_not_move_topk_sets() -> None:
    data = rehearse()
    before = masks(level(), data)
    for scale, temperature in ((1e-3, 0.5), (50.0, 0.5), (50.0, 3.0)):
        after = masks(level(temperature=temperature), data._replace(ft=data.ft * scale))
        assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_threshold_sets_stay_when_the_temperature_scales_with_the_teacher() -> None:
    data = rehearse()
    rule = {"mask_rule": "threshold", "spatial_ratio": 0.0, "channel_ratio": 0.0}
    before = masks(level(temperature=0.5, **rule), data)
    after = masks(level(temperature=2.0, **rule), data._replace(ft=4.0 * data.ft))
    other = masks(level(temperature=0.5, **rule), data._replace(ft=4.0 * data.ft))
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert not torch.equal(before[0], other[0])


@pytest.mark.parametrize("mode", ["important", "unimportant"])
def test_threshold_compares_attention_with_theta(mode: str) -> None:
    data = rehearse()
    m_s, m_c = masks(level(mask_rule="threshold", mask_mode=mode, theta_s=1.2, theta_c=0.9), data)
    for mask, theta, g in ((m_s[:, 0], 1.2, spatial_mean(data.ft)), (m_c[..., 0, 0], 0.9, channel_mean(data.ft))):
        exp = (g / 0.5).exp().flatten(1)
        attention = (exp / exp.sum(1, keepdim=True) * exp.shape[1]).view_as(g)
        hidden = attention > theta if mode == "important" else attention < theta
        assert torch.equal(mask == 0, hidden)
        assert hidden.any()
        assert not hidden.all()


def test_masks_follow_the_map_that_attention_from_names() -> None:
    data, other = rehearse(), rehearse(seed=9)
    teacher, student, mean = (level(attention_from=source) for source in ("teacher", "student", "mean"))
    swapped = data._replace(fs=other.fs)
    assert all(torch.equal(a, b) for a, b in zip(masks(teacher, data), masks(teacher, swapped), strict=True))
    assert not torch.equal(masks(student, data)[0], masks(student, swapped)[0])
    turned = Rehearsal(data.ft, data.fs, data.context)
    assert all(torch.equal(a, b) for a, b in zip(masks(student, turned), masks(teacher, data), strict=True))
    assert all(torch.equal(a, b) for a, b in zip(masks(mean, turned), masks(mean, data), strict=True))
    assert not torch.equal(masks(mean, data)[0], masks(teacher, data)[0])


def test_a_mean_of_two_maps_is_attended_with_the_same_temperature() -> None:
    data = rehearse()
    m_s, _ = masks(level(attention_from="mean", mask_rule="threshold", temperature=0.7), data)
    exp = ((data.fs.abs().mean(1) + data.ft.abs().mean(1)) / 2 / 0.7).exp()
    assert torch.equal(m_s[:, 0] == 0, exp > exp.mean((1, 2), keepdim=True))


def test_masks_carry_no_gradient_even_from_the_student() -> None:
    data = rehearse()
    made = level(attention_from="student")
    m_s, m_c = made.masks(data.fs.requires_grad_(), data.ft, data.context)
    assert not m_s.requires_grad
    assert not m_c.requires_grad


# -- D7 and the switches of fusion ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["softmax", "fast"])
def test_learned_fusion_starts_even_and_learns(kind: str) -> None:
    data = rehearse()
    made = level(fusion=kind)
    a, b = made.fusion()
    assert a.item() == pytest.approx(0.5, abs=1e-4)
    assert a.item() == b.item()
    made(*data)["feature"].backward()
    assert made.fusion.w.grad.abs().sum() > 0.0
    figures = made.figures()
    assert figures == {"fusion_a": a.item(), "fusion_b": b.item()}
    assert not any("loss" in name for name in figures)


def test_softmax_fusion_sums_to_one_wherever_it_stands() -> None:
    made = level()
    with torch.no_grad():
        made.fusion.w.copy_(torch.tensor([5.0, -2.0]))
    a, b = made.fusion()
    assert (a + b).item() == pytest.approx(1.0)


def test_identical_branches_leave_softmax_fusion_without_a_gradient() -> None:
    data = rehearse()
    made = level(spatial_ratio=0.0, channel_ratio=0.0)
    made.gen_c.load_state_dict(made.gen_s.state_dict())
    made(*data)["feature"].backward()
    scale = made.gen_s[0].weight.grad.abs().max().item()
    assert made.fusion.w.grad.abs().max().item() < 1e-10 * scale


def test_a_branch_of_fixed_weight_zero_is_not_built_and_every_parameter_is_used() -> None:
    data = rehearse()
    for given in (
        {},
        {"generators": "shared"},
        {"fusion": "fixed"},
        {"fusion": "fixed", "fusion_weights": (1.0, 0.0)},
        {"fusion": "fixed", "fusion_weights": (0.0, 1.0)},
        {"fusion": "fixed", "fusion_weights": (0.0, 1.0), "generators": "shared"},
    ):
        made = level(**given)
        made(*data)["feature"].backward()
        assert all(p.grad is not None for p in made.parameters())
    assert not hasattr(level(fusion="fixed", fusion_weights=(1.0, 0.0)), "gen_c")
    assert not hasattr(level(fusion="fixed", fusion_weights=(0.0, 1.0)), "gen_s")


def test_global_fusion_has_one_owner_and_one_gradient() -> None:
    specs = [LevelSpec(8, 6, 6), LevelSpec(16, 6, 6), LevelSpec(32, 6, 6)]
    built = DMKD(Settings(fusion_scope="global")).build(specs).double()
    per_level = DMKD(Settings()).build(specs)
    names = [name for name, _ in built.named_parameters() if "fusion" in name]
    assert names == ["0.fusion.w"]
    assert sum("fusion" in name for name, _ in per_level.named_parameters()) == 3
    data = rehearse()
    built[2](*data)["feature"].backward()
    assert built[0].fusion.w.grad.abs().sum() > 0.0
    with torch.no_grad():
        built[0].fusion.w.copy_(torch.tensor([1.0, 0.0]))
    assert built[1].figures() == built[0].figures() != {"fusion_a": 0.5, "fusion_b": 0.5}
    assert set(built.state_dict()) == {name for name, _ in built.named_parameters()}


def test_fusion_weights_may_be_kept_from_decay() -> None:
    assert level().undecayed() == []
    made = level(fusion_weight_decay="none")
    assert made.undecayed() == [made.fusion.w]
    assert level(fusion="fixed", fusion_weight_decay="none").undecayed() == []


# -- bad input -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"spatial_ratio": 1.01}, "spatial_ratio is 1.01"),
        ({"channel_ratio": -0.5}, "channel_ratio is -0.5"),
        ({"temperature": 0.0}, "temperature is 0"),
        ({"alpha": -1.0}, "alpha is -1"),
        ({"theta_s": float("inf")}, "theta_s is inf"),
        ({"fusion_weights": (0.0, 0.0)}, "not both 0"),
        ({"fusion_weights": (float("nan"), 1.0)}, "two finite numbers"),
    ],
)
def test_settings_out_of_range_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(RepriseError, match=message):
        dataclasses.replace(Settings(), **given)


def test_without_weight_it_has_no_parameters() -> None:
    made = level(student_channels=4, alpha=0.0)
    assert made.inert
    assert not list(made.parameters())
    assert made.figures() == {}
    assert DMKD(Settings(alpha=0.0, fusion_scope="global")).build([LevelSpec(8, 4, 6)] * 2)[1].inert
