"""What every level's loss shares: the context, the two maps, weight zero, the pairing of levels, stages."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from baselines.fgd import FGD
from benchmarks.base import RepriseError
from benchmarks.coco.distillation.adapter import adapter
from benchmarks.coco.distillation.contract import (
    BatchContext,
    DistillationMethod,
    LevelLoss,
    LevelSettings,
    LevelSpec,
    inert_strides,
    log_key,
)
from benchmarks.coco.distillation.detectors import pair_kind
from benchmarks.coco.distillation.levels import LevelPair, pair_levels
from benchmarks.coco.distillation.rehearsal import rehearse
from benchmarks.coco.distillation.stages import Stage, carry_over, check_stages, stage_ends, stage_of


class Difference(LevelLoss):
    """Two terms whose inputs a test can look at."""

    def terms(self, s: Tensor, t: Tensor, context: BatchContext) -> dict[str, Tensor]:
        self.seen = s, t
        parts = {"first": (s - t).abs().mean(), "second": (s - t).square().mean()}
        return {name: self.weights[name] * parts[name] for name in parts if self.weights[name]}


def level(first: float = 1.0, second: float = 1.0, **more: Any) -> Difference:
    return Difference(8, {"first": first, "second": second}, **more)


# -- maps ----------------------------------------------------------------------------------------------------------------


def test_a_term_of_weight_zero_is_not_computed() -> None:
    fs, ft, context = rehearse()
    found = level(second=0.0)(fs, torch.full_like(ft, float("inf")), context)
    assert found["second"] == 0.0
    assert not found["second"].requires_grad
    assert found["first"] == float("inf")


def test_an_inert_level_looks_at_nothing() -> None:
    fs, ft, context = rehearse()
    inert = level(0.0, 0.0)
    found = inert(fs, ft[:, :2, :3], context)
    assert found == {"first": 0.0, "second": 0.0}
    assert not hasattr(inert, "seen")


def test_inert_levels_are_named() -> None:
    assert inert_strides([level(), level(0.0, 0.0), level(0.0, 0.1)]) == [8]
    assert inert_strides([level()]) == []


def test_the_teachers_map_is_a_constant() -> None:
    fs, ft, context = rehearse()
    fs.requires_grad_()
    ft.requires_grad_()
    sum(level()(fs, ft, context).values()).backward()
    assert fs.grad is not None
    assert ft.grad is None


def test_half_precision_maps_are_compared_in_single_precision_outside_autocast() -> None:
    fs, ft, context = rehearse(dtype=torch.bfloat16)
    found = level(phi=nn.Conv2d(6, 6, 1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = found(fs, ft, context)
    assert [value.dtype for value in found.seen] == [torch.float32, torch.float32]
    assert all(value.dtype == torch.float32 for value in terms.values())


def test_sums_of_squares_beyond_half_precisions_range_stay_finite() -> None:
    fs, ft, context = rehearse(dtype=torch.float16)
    assert level()(fs * 500, ft * -500, context)["second"].isfinite()


def test_maps_of_unequal_size_are_refused_unless_one_is_resized() -> None:
    fs, ft, context = rehearse(size=(10, 16))
    with pytest.raises(RepriseError, match=r"stride 8: .* 10 x 16 \(h x w\).* 5 x 8; level_match=index"):
        level()(fs, ft[:, :, :5, :8], context)
    with pytest.raises(RepriseError, match="10 x 8"):
        level()(fs, ft[..., :8], context)


@pytest.mark.parametrize("resize", ["student", "teacher"])
def test_resizing_comes_after_the_adapter_and_is_bilinear(resize: str) -> None:
    fs, ft, context = rehearse(student_channels=3, teacher_channels=6)
    ft = ft[:, :, :5, :8]
    phi = nn.Conv2d(3, 6, 1).double()
    found = Difference(8, {"first": 1.0, "second": 1.0}, phi, resize)
    found(fs, ft, context)
    s, t = found.seen
    if resize == "student":
        four = phi(fs).reshape(2, 6, 5, 2, 8, 2).mean((3, 5))
        torch.testing.assert_close(s, four)
        assert torch.equal(t, ft)
    else:
        assert t.shape == (2, 6, 10, 16)
        torch.testing.assert_close(
            t[:, :, 1, 1],
            0.75 * (0.75 * ft[:, :, 0, 0] + 0.25 * ft[:, :, 0, 1])
            + 0.25 * (0.75 * ft[:, :, 1, 0] + 0.25 * ft[:, :, 1, 1]),
        )
        assert torch.equal(s, phi(fs))


def test_maps_that_do_not_belong_together_are_refused() -> None:
    fs, ft, context = rehearse()
    with pytest.raises(RepriseError, match="the same N images"):
        level()(fs[:1], ft, context)
    with pytest.raises(RepriseError, match="maps of 1 images, a context of 2"):
        level()(fs[:1], ft[:1], context)
    with pytest.raises(RepriseError, match="6 student channels after the adapter, 4 teacher channels"):
        level()(fs, ft[:, :4], context)


# -- context -------------------------------------------------------------------------------------------------------------


def test_a_context_that_does_not_fit_is_refused() -> None:
    box = torch.tensor([[0.0, 0.0, 4.0, 4.0]])
    with pytest.raises(RepriseError, match="boxes are given for 1 of 2 images"):
        BatchContext([box], [(8, 8), (8, 8)], (8, 8))
    with pytest.raises(RepriseError, match=r"boxes of image 0 have the shape \(4,\)"):
        BatchContext([box[0]], [(8, 8)], (8, 8))
    with pytest.raises(RepriseError, match="boxes of image 1 hold NaN"):
        BatchContext([box, box * float("nan")], [(8, 8), (8, 8)], (8, 8))
    with pytest.raises(RepriseError, match="teacher_boxes are given for 0 of 1"):
        BatchContext([box], [(8, 8)], (8, 8), teacher_boxes=[])
    with pytest.raises(RepriseError, match="image 0 of the batch is 9 x 8"):
        BatchContext([box], [(9, 8)], (8, 8))
    with pytest.raises(RepriseError, match="stage_progress"):
        BatchContext([box], [(8, 8)], (8, 8), stage_progress=1.5)


# -- adapter, names ------------------------------------------------------------------------------------------------------


def test_the_adapter_exists_only_where_channels_differ_or_it_is_asked_for() -> None:
    assert adapter(6, 6) is None
    conv = adapter(3, 6)
    assert conv is not None
    assert sum(p.numel() for p in conv.parameters()) == 3 * 6 + 6
    assert adapter(6, 6, "always") is not None
    assert adapter(6, 6, "none") is None
    with pytest.raises(RepriseError, match="3 channels and the teacher's 6"):
        adapter(3, 6, "none")


def test_log_keys_are_summed_by_mmengine() -> None:
    assert log_key("fgd", "foreground", 16) == "loss_fgd_foreground_s16"


@pytest.mark.parametrize(
    ("task", "teacher", "student", "two_stage"),
    [
        ("RetinaNet-X101-64x4d-1x->RetinaNet-R50-2x", "RetinaNet", "RetinaNet", False),
        ("CascadeMaskRCNN-X101-32x4d-DCN-1x->FasterRCNN-R50-2x", "CascadeMaskRCNN", "FasterRCNN", True),
        ("MaskRCNN-SwinS-ms3x->RetinaNet-R50-2x", "MaskRCNN", "RetinaNet", False),
        ("synth/gfl-r34->gfl-r18", "GFL", "GFL", False),
        ("faster-rcnn-r101->mask-rcnn-r50", "FasterRCNN", "MaskRCNN", True),
    ],
)
def test_a_pairs_detectors_are_read_from_its_name(task: str, teacher: str, student: str, two_stage: bool) -> None:
    pair = pair_kind(task)
    assert (pair.teacher, pair.student, pair.two_stage) == (teacher, student, two_stage)


def test_a_pair_without_an_arrow_or_with_an_unknown_detector_is_refused() -> None:
    with pytest.raises(RepriseError, match="name it <teacher>-><student>"):
        pair_kind("RetinaNet-R50-2x")
    with pytest.raises(RepriseError, match="'YOLOX-l-300e' begins with none of RetinaNet"):
        pair_kind("YOLOX-l-300e->YOLOX-m-300e")


# -- levels --------------------------------------------------------------------------------------------------------------


ONE_STAGE, TWO_STAGE = [8, 16, 32, 64, 128], [4, 8, 16, 32]


def test_equal_strides_pair_across_families() -> None:
    convs = pair_levels(ONE_STAGE, TWO_STAGE, LevelSettings())
    assert convs == [LevelPair(0, 1, 8), LevelPair(1, 2, 16), LevelPair(2, 3, 32)]
    outputs = pair_levels(ONE_STAGE, [*TWO_STAGE, 64], LevelSettings(capture="neck"))
    assert [pair.stride for pair in outputs] == [8, 16, 32, 64]
    assert [pair.teacher for pair in outputs] == [1, 2, 3, 4]


def test_index_pairs_by_position_under_the_students_stride() -> None:
    found = pair_levels(ONE_STAGE, TWO_STAGE, LevelSettings(level_match="index"))
    assert found == [LevelPair(i, i, stride) for i, stride in enumerate([8, 16, 32, 64])]


def test_homogeneous_pairs_are_the_same_either_way() -> None:
    assert pair_levels(ONE_STAGE, ONE_STAGE, LevelSettings()) == pair_levels(
        ONE_STAGE, ONE_STAGE, LevelSettings(level_match="index")
    )


def test_levels_may_be_chosen_by_stride_or_number() -> None:
    assert [p.stride for p in pair_levels(ONE_STAGE, ONE_STAGE, LevelSettings(levels=(16, 64)))] == [16, 64]
    assert [p.stride for p in pair_levels(ONE_STAGE, ONE_STAGE, LevelSettings(max_levels=4))] == [8, 16, 32, 64]
    with pytest.raises(RepriseError, match="levels asks for stride 4"):
        pair_levels(ONE_STAGE, TWO_STAGE, LevelSettings(levels=(4, 8)))
    with pytest.raises(RepriseError, match="no level to distil"):
        pair_levels([64, 128], TWO_STAGE, LevelSettings())
    with pytest.raises(RepriseError, match="each once"):
        LevelSettings(levels=(8, 8))
    with pytest.raises(RepriseError, match="max_levels is 0"):
        LevelSettings(max_levels=0)


def test_inheriting_follows_the_pair_unless_it_is_set() -> None:
    for inherit, homogeneous, heterogeneous in [
        ("auto", True, False),
        ("yes", True, True),
        ("partial", True, True),
        ("no", False, False),
    ]:
        method = DistillationMethod(dataclasses.replace(LevelSettings(), inherit=inherit))
        assert (method.inherits(True), method.inherits(False)) == (homogeneous, heterogeneous)


# -- stages --------------------------------------------------------------------------------------------------------------


def test_stages_divide_the_budget_by_their_epochs() -> None:
    assert stage_ends([Stage(epochs=12), Stage(epochs=12)], 600) == [300, 600]
    assert stage_ends([Stage(epochs=1), Stage(epochs=2)], 10) == [3, 10]
    assert stage_ends([Stage()], 7) == [7]
    with pytest.raises(RepriseError, match=r"stages\.0 gets none of the 1 iterations"):
        stage_ends([Stage(), Stage(), Stage()], 1)


def test_an_iteration_knows_its_stage_and_progress() -> None:
    ends = [3, 8]
    assert [stage_of(ends, i) for i in range(8)] == [
        (0, 0.0), (0, 0.5), (0, 1.0), (1, 0.0), (1, 0.25), (1, 0.5), (1, 0.75), (1, 1.0),
    ]  # fmt: skip
    assert stage_of([1, 2], 1) == (1, 1.0)
    with pytest.raises(RepriseError, match="iteration 8 lies outside the run, which has 8"):
        stage_of(ends, 8)


def test_wrong_stages_are_refused() -> None:
    for stages, message in [
        ([], "at least one stage"),
        ([Stage(epochs=0)], "stages.0: epochs is 0"),
        ([Stage(), Stage(gain=0.0)], "stages.1: gain is 0"),
        ([Stage(gain=float("nan"))], "stages.0: gain is nan"),
    ]:
        with pytest.raises(RepriseError, match=message):
            check_stages(stages)


def test_carrying_over_rebuilds_only_what_depends_on_the_channels() -> None:
    def parts(channels: int) -> nn.Module:
        return nn.ModuleDict({"phi": nn.Conv2d(4, channels, 1), "fusion": nn.Linear(2, 2), "none": nn.Identity()})

    old, same, wider = parts(6), parts(6), parts(8)
    assert carry_over(old, same) == []
    assert all(torch.equal(a, b) for a, b in zip(old.state_dict().values(), same.state_dict().values(), strict=True))
    built = {name: value.clone() for name, value in wider.state_dict().items()}
    assert carry_over(old, wider) == ["phi"]
    assert torch.equal(wider["fusion"].weight, old["fusion"].weight)
    assert torch.equal(wider["phi"].weight, built["phi.weight"])


def test_scale_multiplies_every_term_and_nothing_else() -> None:
    maps = rehearse()
    found = []
    for scale in (1.0, 0.25):
        torch.manual_seed(0)
        method = FGD(FGD.Settings(scale=scale))
        (level,) = method.build([LevelSpec(8, 6, 6)]).double()
        found.append(level(maps.fs, maps.ft, maps.context))
    assert found[0].keys() == found[1].keys()
    assert all(torch.equal(found[1][name], 0.25 * value) for name, value in found[0].items())
    assert sum(found[0].values()) > 0


def test_a_scale_of_nothing_is_refused() -> None:
    with pytest.raises(RepriseError, match=r"scale is 0\.0; give a finite number above 0"):
        FGD.Settings(scale=0.0)
