"""DFMSD: without its additions it is DMKD bit for bit; gains turn masks to objects; alignment ignores scale and shift."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from baselines.pkd import PKD
from baselines.pkd import Settings as PKDSettings
from benchmarks.base import RepriseError
from benchmarks.coco.distillation.attention import channel_mean, spatial_attention, spatial_mean
from benchmarks.coco.distillation.contract import BatchContext
from benchmarks.coco.distillation.masks import topk_mask
from benchmarks.coco.distillation.raster import foreground
from benchmarks.coco.distillation.rehearsal import Rehearsal, rehearse
from benchmarks.coco.distillation.stages import Stage, carry_over
from methods.dfmsd import DFMSD, DFMSDLevel, Settings
from methods.dmkd import DMKD
from methods.dmkd import Settings as DMKDSettings

GAINS = [0.25, 1.0, 1.3, 2.0, 8.0, 1e6, math.inf]


def level(gain: float = 2.0, channels: int = 6, student_channels: int | None = None, **given: Any) -> DFMSDLevel:
    torch.manual_seed(3)
    settings = Settings(**{"stages": (Stage(gain=gain),), **given})
    return DFMSD(settings).level(student_channels or channels, channels, 8).double()


def hidden(made: DFMSDLevel, data: Rehearsal) -> Tensor:
    """Hidden places (N, H, W)."""
    m_s, _ = made.masks(data.fs, data.ft, data.context)
    assert m_s is not None
    return m_s[:, 0] == 0


def inside(data: Rehearsal) -> Tensor:
    return foreground(data.context.boxes, data.context, (10, 16), "img_shape") > 0


# -- S1: DMKD ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("images", [2, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "shared",
    [
        {},
        {"mask_mode": "random"},
        {"mask_mode": "unimportant"},
        {"mask_rule": "threshold"},
        {"fusion_of": "losses"},
        {"attention_from": "mean"},
    ],
    ids=str,
)
def test_without_alignment_and_gain_it_is_dmkd_bit_for_bit(
    shared: dict[str, Any], dtype: torch.dtype, images: int
) -> None:
    fs, ft, context = rehearse(images=images, student_channels=4, dtype=dtype)
    one = level(1.0, student_channels=4, align="none", alpha=0.37, **shared).to(dtype)
    two = DMKD(DMKDSettings(alpha=0.37, **shared)).level(4, 6, 8).to(dtype)
    two.load_state_dict(one.state_dict())
    losses, grads = [], []
    for made in (one, two):
        leaf = fs.clone().requires_grad_()
        losses.append(made(leaf, ft, context)["feature"])
        grads.append(torch.autograd.grad(losses[-1], [leaf, *made.parameters()]))
    assert torch.equal(*losses)
    assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))


# -- its definition ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gain_scale", ["relative", "absolute"])
def test_it_equals_its_definition(gain_scale: str) -> None:
    fs, ft, context = rehearse(images=3)
    made = level(2.0, gain_scale=gain_scale, weight=0.6, temperature=0.7)
    g = ft.abs().mean(1)
    boxed = foreground(context.boxes, context, (10, 16), "img_shape") > 0
    m_s = torch.ones(3, 1, 10, 16, dtype=torch.float64)
    for n in range(3):
        deviation = (g[n] - g[n].mean()).square().mean().sqrt().item()
        lift = (deviation if gain_scale == "relative" else 0.7) * math.log(2.0)
        score = [
            (g[n, i, j].item() + lift * boxed[n, i, j].item(), -(16 * i + j)) for i in range(10) for j in range(16)
        ]
        for _, place in sorted(score, reverse=True)[:104]:
            m_s[n, 0, -place // 16, -place % 16] = 0.0
    m_c = topk_mask(ft.abs().mean((2, 3)), 0.65, True)[..., None, None]

    def z(f: Tensor) -> Tensor:
        mean, std = f.mean((0, 2, 3), keepdim=True), f.transpose(0, 1).flatten(1).std(1)
        return (f - mean) / (std[:, None, None] + 1e-6)

    rebuilt = 0.5 * made.gen_s(z(fs) * m_s) + 0.5 * made.gen_c(z(fs) * m_c)
    expected = 0.6 * ((rebuilt - z(ft)) ** 2).mean().item() / 2
    found = made(fs, ft, context)
    assert set(found) == {"feature"}
    assert found["feature"].item() == pytest.approx(expected, rel=1e-10)


def test_its_gradients_are_those_of_finite_differences() -> None:
    """Through the adapter, the student's own statistics and both generators."""
    fs, ft, context = rehearse(student_channels=3, teacher_channels=4, size=(3, 4))
    made = level(channels=4, student_channels=3, align="both")

    def loss(leaf: Tensor) -> Tensor:
        return sum(made(leaf, ft, context).values())

    assert torch.autograd.gradcheck(loss, fs.clone().requires_grad_())


@pytest.mark.parametrize(
    ("align", "reduction", "mean_form"),
    [
        ("standardise", "auto", True),
        ("both", "auto", True),
        ("none", "auto", False),
        ("pkd_loss", "auto", False),
        ("none", "mean", True),
        ("standardise", "sum_n", False),
    ],
)
def test_the_form_of_the_distance_follows_the_alignment(align: str, reduction: str, mean_form: bool) -> None:
    data = rehearse()
    given = {"align": align, "weight": 2.0, "alpha": 3.0}
    made = level(1.0, reduction=reduction, **given)
    mean, total = level(1.0, reduction="mean", **given), level(1.0, reduction="sum_n", **given)
    found = made(*data)["feature"].item()
    assert found == (mean if mean_form else total)(*data)["feature"].item()
    ratio = total(*data)["feature"].item() / mean(*data)["feature"].item()
    assert ratio == pytest.approx(3.0 / 2.0 * (6 * 10 * 16) * 2.0, rel=1e-10)


# -- S2, S3, S8: gains ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gain_scale", ["relative", "absolute"])
def test_gains_move_masks_into_boxes_and_never_change_their_size(gain_scale: str) -> None:
    data = rehearse(images=4, seed=2)
    boxed = inside(data)
    found = [hidden(level(gain, gain_scale=gain_scale, spatial_ratio=0.3), data) for gain in GAINS]
    assert all(mask.sum((1, 2)).tolist() == [48] * 4 for mask in found)
    counts = torch.stack([(mask & boxed).sum((1, 2)) for mask in found])
    assert (counts.diff(dim=0) >= 0).all()
    assert (counts[-1] > counts[1]).any()
    assert counts[-1].tolist() == [min(48, cells) for cells in boxed.sum((1, 2)).tolist()]


def test_the_lift_is_the_logarithm_of_the_gain_in_deviations_or_temperatures() -> None:
    score = torch.tensor([[[1.0, 2.0], [3.0, 6.0]]], dtype=torch.float64)
    boxed = torch.tensor([[[True, False], [True, False]]])
    relative = level(gain_scale="relative").lifted(score, boxed, 2.0) - score
    absolute = level(gain_scale="absolute", temperature=0.7).lifted(score, boxed, 2.0) - score
    for found, unit in ((relative, math.sqrt(3.5)), (absolute, 0.7)):
        torch.testing.assert_close(found, boxed.double() * unit * math.log(2.0))


def test_images_without_boxes_get_no_lift() -> None:
    data = rehearse(images=2)
    assert not len(data.context.boxes[1])
    assert torch.equal(hidden(level(math.inf), data)[1], hidden(level(1.0), data)[1])


def test_an_infinite_gain_works_on_a_map_without_deviation() -> None:
    data = rehearse()
    data = data._replace(ft=torch.ones_like(data.ft))
    found, boxed = hidden(level(math.inf, spatial_ratio=0.1), data), inside(data)
    assert boxed[0].sum() >= 16
    assert (found[0] <= boxed[0]).all()
    assert found[1].flatten().nonzero().flatten().tolist() == list(range(16))


@pytest.mark.parametrize("gain", [2.0, math.inf])
def test_relative_gains_do_not_depend_on_the_teachers_scale(gain: float) -> None:
    data = rehearse(seed=4)
    before = hidden(level(gain), data)
    for scale, temperature in ((0.02, 0.5), (30.0, 0.5), (30.0, 9.0)):
        assert torch.equal(before, hidden(level(gain, temperature=temperature), data._replace(ft=scale * data.ft)))


def test_absolute_gains_scale_with_the_temperature() -> None:
    data = rehearse(seed=4)
    before = hidden(level(2.0, gain_scale="absolute", temperature=0.5), data)
    scaled = data._replace(ft=8.0 * data.ft)
    assert torch.equal(before, hidden(level(2.0, gain_scale="absolute", temperature=4.0), scaled))
    assert not torch.equal(before, hidden(level(2.0, gain_scale="absolute", temperature=0.5), scaled))


@pytest.mark.parametrize("gain", [1.0, 2.0, math.inf])
def test_threshold_multiplies_the_attention_inside_boxes(gain: float) -> None:
    data = rehearse()
    boxed = inside(data)
    attention = spatial_attention(spatial_mean(data.ft), 0.5)
    expected = torch.where(boxed, attention * gain > 1.0, attention > 1.0)
    assert torch.equal(hidden(level(gain, mask_rule="threshold"), data), expected)
    if math.isinf(gain):
        assert expected[boxed].all()


def test_random_masks_ignore_the_gain() -> None:
    data = rehearse()
    assert torch.equal(hidden(level(1.0, mask_mode="random"), data), hidden(level(math.inf, mask_mode="random"), data))


def test_attention_comes_from_raw_maps() -> None:
    """Standardising would hide how strong a channel is."""
    data = rehearse()
    strong = torch.tensor([1.0, 30.0, 1.0, 30.0, 1.0, 30.0]).view(1, 6, 1, 1).double()
    _, m_c = level(1.0, channel_ratio=0.5).masks(
        data.fs, (data.ft - data.ft.mean((0, 2, 3), True)) * strong, data.context
    )
    assert m_c[:, :, 0, 0].tolist() == [[1, 0, 1, 0, 1, 0]] * 2


def test_a_linear_ramp_starts_at_the_stage_before() -> None:
    data = rehearse()
    made = DFMSD(Settings(stages=(Stage(gain=3.0), Stage(gain=5.0)), gain_ramp="linear")).level(6, 6, 8)
    step = DFMSD(Settings(stages=(Stage(gain=3.0), Stage(gain=5.0)))).level(6, 6, 8)
    c = data.context

    def at(stage: int, progress: float) -> BatchContext:
        return BatchContext(c.boxes, c.img_shapes, c.batch_input_shape, stage=stage, stage_progress=progress)

    assert [made.gain(at(0, p)) for p in (0.0, 0.5, 1.0)] == [1.0, 2.0, 3.0]
    assert [made.gain(at(1, p)) for p in (0.0, 0.5, 1.0)] == [3.0, 4.0, 5.0]
    assert [step.gain(at(s, p)) for s in (0, 1) for p in (0.0, 1.0)] == [3.0, 3.0, 5.0, 5.0]
    with pytest.raises(RepriseError, match=r"stage 2 \(from 0\) of a run with 2 stages"):
        made.gain(at(2, 0.0))


def test_enhanced_channels_are_ranked_inside_boxes() -> None:
    data = rehearse(images=2)
    boxed = inside(data)
    found = channel_mean(data.ft, boxed)
    for c in range(6):
        assert found[0, c].item() == pytest.approx(data.ft[0, c][boxed[0]].abs().mean().item())
        assert found[1, c].item() == pytest.approx(data.ft[1, c].abs().mean().item())
    _, m_c = level(enhance_channel=True, channel_ratio=0.5).masks(*data)
    assert torch.equal(m_c[..., 0, 0], topk_mask(found, 0.5, True))


def test_objects_may_be_the_teachers_detections() -> None:
    data = rehearse(seed=2)
    c = data.context
    elsewhere = [torch.tensor([[64.0, 40.0, 100.0, 70.0]])] * 2
    found = BatchContext(elsewhere, c.img_shapes, c.batch_input_shape)
    both = BatchContext(c.boxes, c.img_shapes, c.batch_input_shape, teacher_boxes=elsewhere)
    expected = hidden(level(math.inf), data._replace(context=found))
    assert torch.equal(hidden(level(math.inf, object_source="teacher"), data._replace(context=both)), expected)
    assert not torch.equal(hidden(level(math.inf), data), expected)
    with pytest.raises(RepriseError, match="no teacher_boxes"):
        hidden(level(object_source="teacher"), data)


# -- S4, S5: alignment ---------------------------------------------------------------------------------------------------


def test_the_pkd_term_is_pkd() -> None:
    data = rehearse(student_channels=4)
    made = level(student_channels=4, align="pkd_loss", w_pkd=6.0)
    pkd = PKD(PKDSettings(weight=6.0)).level(4, 6, 8).double()
    pkd.phi.load_state_dict(made.phi.state_dict())
    without = level(student_channels=4, align="none")
    without.load_state_dict(made.state_dict())
    found = made(*data)
    assert torch.equal(found["correlation"], pkd(*data)["feature"])
    assert torch.equal(found["feature"], without(*data)["feature"])
    assert torch.equal(level(align="both", w_pkd=6.0)(*rehearse())["correlation"], pkd.terms(*rehearse())["feature"])


def test_a_zero_pkd_weight_leaves_the_term_out() -> None:
    data = rehearse()
    found = level(align="both", w_pkd=0.0)(*data)
    assert found["correlation"] == 0.0
    assert not found["correlation"].requires_grad
    only = level(student_channels=6, align="both", weight=0.0)
    assert not list(only.parameters())
    assert only(*data)["feature"] == 0.0
    assert only(*data)["correlation"] > 0.0


def test_standardised_targets_ignore_scale_and_shift_of_the_teachers_channels() -> None:
    data = rehearse()
    made = level(1.0)
    m_s, m_c = made.masks(data.fs, data.ft, data.context)
    made.masks = lambda s, t, context: (m_s, m_c)
    scale = torch.tensor([1.0, 2.0, 5.0, 1.5, 3.0, 10.0]).view(1, 6, 1, 1).double()
    before = made(*data)["feature"].item()
    assert made(data.fs, scale * data.ft - 4.0, data.context)["feature"].item() == pytest.approx(before, rel=1e-4)
    assert made(scale * data.fs + 9.0, data.ft, data.context)["feature"].item() == pytest.approx(before, rel=1e-4)


# -- S6 at the level: what a stage keeps ---------------------------------------------------------------------------------


def test_the_next_stage_keeps_every_part_that_fits_its_teacher() -> None:
    first = level(channels=6, student_channels=4)
    with torch.no_grad():
        first.fusion.w.copy_(torch.tensor([0.7, -0.2]))
    torch.manual_seed(8)
    same = DFMSD(first.settings).level(4, 6, 8)
    wider = DFMSD(first.settings).level(4, 8, 8)
    assert carry_over(first, same.double()) == []
    assert all(torch.equal(value, same.state_dict()[name]) for name, value in first.state_dict().items())
    assert sorted(carry_over(first, wider.double())) == ["gen_c", "gen_s", "phi"]
    assert torch.equal(wider.fusion.w, first.fusion.w)


# -- bad input -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"stages": ()}, "at least one stage"),
        ({"stages": (Stage(gain=0.0),)}, "gain is 0"),
        ({"stages": (Stage(gain=-2.0),)}, "gain is -2"),
        ({"mask_mode": "unimportant"}, "mask_mode=unimportant"),
        ({"gain_ramp": "linear", "stages": (Stage(gain=math.inf),)}, "cannot reach an infinite gain"),
        ({"object_score": 2.0}, "object_score is 2"),
        ({"weight": -1.0}, "weight is -1"),
        ({"w_pkd": float("nan")}, "w_pkd is nan"),
    ],
)
def test_settings_that_make_no_sense_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(RepriseError, match=message):
        Settings(**given)
