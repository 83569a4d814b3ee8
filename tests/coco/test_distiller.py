"""The distiller against plain mmdet: to the bit where it must not differ, and with a teacher that stays outside."""

from __future__ import annotations

import copy
import dataclasses
import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from baselines.cwd import CWD
from baselines.fgd import FGD
from baselines.l2 import L2
from baselines.mgd import MGD
from baselines.pkd import PKD
from baselines.plain_student import Plain
from benchmarks.base import RepriseError
from benchmarks.coco.distillation import wrapper
from benchmarks.coco.distillation.contract import DistillationMethod
from benchmarks.coco.distillation.optimiser import distilling, undecayed_parameters
from benchmarks.coco.distillation.preprocessor import refuse_padding
from benchmarks.coco.distillation.stages import Stage
from benchmarks.coco.distillation.wrapper import Distiller, build_distiller, next_stage
from benchmarks.detection import checkpoints, complexity, configs
from methods.dfmsd import DFMSD
from methods.dmkd import DMKD
from tests.coco import tiny_pairs as tiny
from tests.coco.tiny_pairs import FASTER_RCNN, RETINANET, STUDENTS

METHODS: dict[type[DistillationMethod], dict[str, Any]] = {
    L2: {"alpha": 1e-3},
    MGD: {"alpha": 1e-3},
    FGD: {},
    PKD: {"weight": 1.0},
    CWD: {"weight": 1.0},
    DMKD: {"alpha": 1e-3},
    DFMSD: {"weight": 1.0},
}
WEIGHTS = ("alpha", "beta", "gamma", "lam", "w_pkd")
EVERY = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
EITHER = pytest.mark.parametrize("student", STUDENTS, ids=("one-stage", "two-stage"))


@pytest.fixture(autouse=True)
def _generators() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        yield


def made(method: type[DistillationMethod], **given: Any) -> DistillationMethod:
    return method(method.Settings(**{**METHODS[method], **given}))


def inert(method: type[DistillationMethod]) -> DistillationMethod:
    names = {field.name for field in dataclasses.fields(method.Settings)} & {*WEIGHTS, "weight"}
    return method(method.Settings(**dict.fromkeys(names - {"weight"} if method is L2 else names, 0.0)))


def pair(method: DistillationMethod, name: str = RETINANET, teacher: str | None = None, **more: Any) -> Distiller:
    """A distiller with a teacher of another width."""
    student = tiny.detector(name)
    return build_distiller(student, tiny.detector(teacher or name, fpn=24, seed=9), method, seed=3, **more)


def optimiser(model: nn.Module) -> Any:
    given = distilling(tiny.OPTIMISER) if isinstance(model, Distiller) else tiny.OPTIMISER
    return tiny.optimiser(model, given)


def trained(model: Any, count: int) -> tuple[Any, Any, list[dict[str, Any]], list[tuple[Any, ...]]]:
    """Model, optimiser, and after each iteration the logged losses and the generators' states."""
    found = optimiser(model)
    logged, states = [], []
    for iteration in range(count):
        logged += tiny.steps(model, found, 1, first=iteration)
        states.append(tiny.generators())
    return model, found, logged, states


@pytest.fixture(scope="module")
def plain() -> dict[str, Any]:
    """Plain mmdet trainings of three iterations."""
    runs = {}
    with torch.random.fork_rng(devices=[]):
        for name in STUDENTS:
            model = tiny.detector(name)
            tiny.seed_everything(5)
            runs[name] = trained(model, 3)
    return runs


# -- C1, C2: what does not distil is the plain run ---------------------------------------------------------------------


def distilled_run(name: str, method: DistillationMethod, count: int) -> tuple[Any, ...]:
    """The same training with a distiller, its modules built where a plain run would have nothing to build."""
    student, teacher = tiny.detector(name), tiny.detector(name, fpn=24, seed=9)
    tiny.seed_everything(5)
    return trained(build_distiller(student, teacher, method, seed=3, allow_inert=True), count)


def check_equal_runs(name: str, method: DistillationMethod, plain: dict[str, Any]) -> None:
    student, own, losses, states = plain[name]
    model, found, logged, after = distilled_run(name, method, 3)
    assert tiny.differing(student.state_dict(), model.student.state_dict()) == []
    assert model.state_dict().keys() == {f"student.{key}" for key in student.state_dict()}
    assert found.optimizer.state_dict()["param_groups"] == own.optimizer.state_dict()["param_groups"]
    momenta = [each.optimizer.state_dict()["state"] for each in (own, found)]
    assert momenta[0].keys() == momenta[1].keys()
    assert all(
        torch.equal(momenta[0][key]["momentum_buffer"], momenta[1][key]["momentum_buffer"]) for key in momenta[0]
    )
    for before, now in zip(losses, logged, strict=True):
        assert all(torch.equal(before[key], now[key]) for key in before)
        assert all(value == 0.0 for key, value in now.items() if key not in before)
    assert states == after


@EVERY
def test_a_run_with_every_weight_zero_is_the_plain_run_to_the_bit(
    method: type[DistillationMethod], plain: dict[str, Any]
) -> None:
    check_equal_runs(RETINANET, inert(method), plain)


@pytest.mark.parametrize("method", [DMKD, FGD], ids=lambda method: method.name)
def test_so_it_is_for_a_two_stage_student(method: type[DistillationMethod], plain: dict[str, Any]) -> None:
    check_equal_runs(FASTER_RCNN, inert(method), plain)


@EITHER
def test_the_plain_students_method_trains_it_as_it_is(student: str, plain: dict[str, Any]) -> None:
    check_equal_runs(student, Plain(Plain.Settings()), plain)


ONE_AND_TWO_STAGES = [(method, RETINANET) for method in METHODS] + [(FGD, FASTER_RCNN), (DMKD, FASTER_RCNN)]


@pytest.mark.parametrize(("method", "student"), ONE_AND_TWO_STAGES)
def test_the_first_iterations_task_losses_and_random_numbers_are_the_plain_runs(
    method: type[DistillationMethod], student: str, plain: dict[str, Any]
) -> None:
    model, _, (logged,), after = distilled_run(student, made(method), 1)
    _, _, (before, *_), states = plain[student]
    assert model.distils
    assert all(torch.equal(before[key], logged[key]) for key in before if key != "loss")
    added = {key: value for key, value in logged.items() if key not in before}
    assert all(key.startswith(f"loss_{method.name}_") for key in added)
    assert sum(added.values()) > 0.0
    torch.testing.assert_close(logged["loss"], before["loss"] + sum(added.values()))
    assert after == states[:1]


def test_a_mistaken_weight_of_zero_is_refused() -> None:
    with pytest.raises(RepriseError, match="'dmkd': every loss weight is 0"):
        pair(inert(DMKD))


def test_a_method_that_distils_needs_a_teacher() -> None:
    with pytest.raises(RepriseError, match="no teacher is given"):
        build_distiller(tiny.detector(RETINANET), None, made(FGD), seed=0)
    assert not build_distiller(tiny.detector(RETINANET), None, Plain(Plain.Settings()), seed=0).distils


# -- C3: the teacher stays outside -------------------------------------------------------------------------------------


@EVERY
def test_the_teacher_is_neither_trained_nor_kept(method: type[DistillationMethod]) -> None:
    model = pair(made(method))
    before = copy.deepcopy(model.teacher.state_dict())
    wrapper_ = optimiser(model)
    model.teacher.train()
    tiny.steps(model, wrapper_, 2)
    assert tiny.differing(before, model.teacher.state_dict()) == []
    assert model.training
    assert not any(module.training for module in model.teacher.modules())
    assert all(p.grad is None and not p.requires_grad for p in model.teacher.parameters())
    theirs = {id(p) for p in model.teacher.parameters()}
    optimised = {id(p) for group in wrapper_.optimizer.param_groups for p in group["params"]}
    assert not theirs & {id(p) for p in model.parameters()}
    assert not theirs & optimised
    assert {id(p) for p in model.losses.parameters()} <= optimised
    assert all(key.startswith(("student.", "losses.")) for key in model.state_dict())


def test_a_copy_shares_the_teacher_and_nothing_else() -> None:
    model = pair(made(DMKD))
    twin = copy.deepcopy(model)
    assert twin.teacher is model.teacher
    shared = {id(p) for p in twin.parameters()} & {id(p) for p in model.parameters()}
    assert not shared
    assert tiny.differing(twin.state_dict(), model.state_dict()) == []
    with torch.no_grad():
        next(twin.student.parameters()).add_(1.0)
    assert tiny.differing(twin.state_dict(), model.state_dict())


def test_moving_the_distiller_moves_the_teacher() -> None:
    model = pair(made(FGD)).double()
    kinds = {p.dtype for part in (model.student, model.losses, model.teacher) for p in part.parameters()}
    assert kinds == {torch.float64}


def test_initialising_again_loses_nothing() -> None:
    model = pair(made(FGD))
    before = copy.deepcopy(model.state_dict())
    model.init_weights()
    assert tiny.differing(before, model.state_dict()) == []


def test_losses_are_drawn_from_the_seed_alone() -> None:
    found = []
    for seed in (3, 3, 4):
        torch.manual_seed(len(found))
        student, teacher = tiny.detector(RETINANET), tiny.detector(RETINANET, fpn=24, seed=9)
        found.append(build_distiller(student, teacher, made(DMKD), seed).losses.state_dict())
    assert tiny.differing(found[0], found[1]) == []
    assert tiny.differing(found[0], found[2])


# -- what a level is given ---------------------------------------------------------------------------------------------


def contexts(model: Distiller) -> list[Any]:
    """The contexts that the levels of one iteration see."""
    seen: list[Any] = []
    for level in model.levels:
        level.register_forward_pre_hook(lambda module, given: seen.append(given))
    model.train()
    model.begin(7, 1, 0.5)
    data = model.data_preprocessor(tiny.batch(), True)
    model.loss(data["inputs"], data["data_samples"])
    return seen


def test_levels_see_the_neck_maps_of_both_and_boxes_without_crowds() -> None:
    model = pair(made(FGD))
    seen = contexts(model)
    assert [level.stride for level in model.levels] == [8, 16, 32, 64, 128]
    assert [tuple(fs.shape) for fs, _, _ in seen] == [(2, 16, n, n) for n in (8, 4, 2, 1, 1)]
    assert [tuple(ft.shape) for _, ft, _ in seen] == [(2, 24, n, n) for n in (8, 4, 2, 1, 1)]
    images = model.data_preprocessor(tiny.batch(), True)["inputs"]
    for (fs, ft, _), one, two in zip(
        seen, model.student.extract_feat(images), model.teacher.extract_feat(images), strict=True
    ):
        assert torch.equal(fs, one)
        assert torch.equal(ft, two)
        assert fs.requires_grad
        assert not ft.requires_grad
        assert not ft.is_inference()
    context = seen[0][2]
    assert all(other is context for _, _, other in seen)
    assert [len(boxes) for boxes in context.boxes] == [2, 3]
    assert context.img_shapes == [(48, 64), (64, 64)]
    assert context.batch_input_shape == (64, 64)
    assert (context.seed, context.rank, context.iteration) == (3, 0, 7)
    assert (context.stage, context.stage_progress) == (1, 0.5)
    assert context.teacher_boxes is None


def test_the_teachers_detections_come_where_a_method_wants_them() -> None:
    model = pair(made(DFMSD, object_source="teacher", object_score=0.0101, stages=(Stage(None, 1.0, 2.0),) * 2))
    data = model.data_preprocessor(tiny.batch(), True)
    expected = model.teacher.eval().predict(data["inputs"], copy.deepcopy(data["data_samples"]), rescale=False)
    kept = [s.pred_instances.bboxes[s.pred_instances.scores >= 0.0101] for s in expected]
    assert 0 < sum(map(len, kept)) < sum(len(s.pred_instances) for s in expected)
    (_, ft, context), *_ = contexts(model)
    assert all(torch.equal(one, two) for one, two in zip(context.teacher_boxes, kept, strict=True))
    with torch.no_grad():
        assert torch.equal(ft, model.teacher.extract_feat(data["inputs"])[0])


@pytest.mark.parametrize(("capture", "expected"), [("fpn_conv", [8, 16, 32]), ("neck", [8, 16, 32, 64])])
def test_a_two_stage_teacher_meets_a_one_stage_student_at_equal_strides(capture: str, expected: list[int]) -> None:
    model = pair(made(DFMSD, capture=capture), RETINANET, FASTER_RCNN)
    assert [pair.stride for pair in model.pairs] == expected
    assert [pair.teacher - pair.student for pair in model.pairs] == [1] * len(expected)
    (logged,) = tiny.steps(model, optimiser(model), 1)
    assert all(torch.isfinite(value) for value in logged.values())
    assert {key for key in logged if "dfmsd" in key} == {f"loss_dfmsd_feature_s{stride}" for stride in expected}


def test_other_preprocessing_is_refused_ignored_or_made_good() -> None:
    student = tiny.detector(RETINANET)
    caffe = {"mean": [102.98, 115.95, 122.77], "std": [1.0, 1.0, 1.0], "bgr_to_rgb": False}
    teacher = tiny.detector(RETINANET, seed=9, **caffe)
    with pytest.raises(RepriseError, match=r"mean .*102\.9.*std .*channel order.*on_mismatch=renormalise"):
        build_distiller(student, teacher, made(FGD), seed=0)
    assert build_distiller(student, teacher, made(FGD), seed=0, on_mismatch="ignore").renormalise is None
    model = build_distiller(student, teacher, made(FGD), seed=0, on_mismatch="renormalise")
    own = model.data_preprocessor(tiny.batch(), True)
    theirs = teacher.data_preprocessor(tiny.batch(), True)["inputs"]
    made_good = model.renormalise(own["inputs"], [s.img_shape for s in own["data_samples"]])
    torch.testing.assert_close(made_good, theirs, atol=1e-3, rtol=0)
    assert (made_good[0, :, 48:] == 0.0).all()
    assert (theirs[0, :, :48] != 0.0).any()
    (logged,) = tiny.steps(model, optimiser(model), 1)
    assert torch.isfinite(logged["loss"])


def test_a_padding_that_renormalising_cannot_change_is_refused() -> None:
    teacher = tiny.detector(RETINANET, seed=9, pad_size_divisor=128)
    with pytest.raises(RepriseError, match=r"pad_size_divisor 128 \(student 32\)"):
        build_distiller(tiny.detector(RETINANET), teacher, made(FGD), seed=0)
    with pytest.raises(RepriseError, match="multiples of 32, the teacher of 128"):
        build_distiller(tiny.detector(RETINANET), teacher, made(FGD), seed=0, on_mismatch="renormalise")


def test_a_pad_transform_is_refused_wherever_it_stands() -> None:
    for name in STUDENTS:
        refuse_padding(configs.packaged(name).train_dataloader.dataset.pipeline)
    hidden = {"type": "RandomChoice", "transforms": [[{"type": "Resize"}], [{"type": "Pad", "size_divisor": 32}]]}
    with pytest.raises(RepriseError, match="Pad transform"):
        refuse_padding([{"type": "LoadImageFromFile"}, hidden])


def test_losses_are_single_precision_under_autocast() -> None:
    model = pair(made(FGD)).train()
    data = model.data_preprocessor(tiny.batch(), True)
    with torch.autocast("cpu", torch.bfloat16):
        found = model.loss(data["inputs"], data["data_samples"])
    terms = {key: value for key, value in found.items() if "fgd" in key}
    assert len(terms) == 4 * 5
    assert all(value.dtype == torch.float32 and torch.isfinite(value) for value in terms.values())
    model.parse_losses(found)[0].backward()
    assert all(torch.isfinite(p.grad).all() for p in model.losses.parameters())


# -- the optimiser -----------------------------------------------------------------------------------------------------


def test_the_students_rules_per_parameter_do_not_reach_the_losses() -> None:
    model = pair(made(DMKD, fusion_weight_decay="none"))
    names = {id(p): name for name, p in model.named_parameters()}
    groups = optimiser(model).optimizer.param_groups
    rules = {names[id(p)]: (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
    assert rules["student.bbox_head.retina_cls.bias"] == (0.02, 0.0)
    losses = {name: rule for name, rule in rules.items() if name.startswith("losses.")}
    assert losses.keys() == {name for name, _ in model.named_parameters() if name.startswith("losses.")}
    fusion = [f"losses.{place}.fusion.w" for place in range(5)]
    assert undecayed_parameters(model) == fusion
    assert {name for name, rule in losses.items() if rule == (0.01, 0.0)} == set(fusion)
    assert all(rule == (0.01, 1e-4) for name, rule in losses.items() if name not in fusion)


def test_a_resumed_run_goes_on_to_the_bit() -> None:
    def fresh() -> tuple[Distiller, Any]:
        model = pair(made(DMKD, mask_mode="random"))
        return model, optimiser(model)

    whole, its_optimiser = fresh()
    tiny.seed_everything(5)
    expected = tiny.steps(whole, its_optimiser, 3)
    first, first_optimiser = fresh()
    tiny.seed_everything(5)
    tiny.steps(first, first_optimiser, 2)
    stored = copy.deepcopy((first.state_dict(), first_optimiser.state_dict(), torch.get_rng_state()))
    second, second_optimiser = fresh()
    second.load_state_dict(stored[0])
    second_optimiser.load_state_dict(stored[1])
    torch.set_rng_state(stored[2])
    (resumed,) = tiny.steps(second, second_optimiser, 1, first=2)
    assert all(torch.equal(resumed[key], expected[2][key]) for key in resumed)
    assert tiny.differing(second.state_dict(), whole.state_dict()) == []


# -- C9, C10: what is left of a run ------------------------------------------------------------------------------------


def predictions(model: Any) -> list[torch.Tensor]:
    model.eval()
    with torch.no_grad():
        found = [sample.pred_instances for sample in model.test_step(tiny.batch(4))]
    return [part for each in found for part in (each.bboxes, each.scores, each.labels)]


@EITHER
def test_the_exported_student_is_a_plain_detector_with_the_same_detections(student: str, tmp_path: Path) -> None:
    model = pair(made(DMKD), student)
    tiny.steps(model, optimiser(model), 1)
    path = checkpoints.export_student(model.student, tmp_path / "student.pth", {"task": "tiny"})
    other = configs.build_detector(tiny.model(student))
    stored = torch.load(path, weights_only=True)
    assert {key: value.shape for key, value in stored["state_dict"].items()} == {
        key: value.shape for key, value in other.state_dict().items()
    }
    assert checkpoints.load_strict(other, path) == {"task": "tiny"}
    found = predictions(model)
    assert sum(map(len, found)) > 0
    assert all(torch.equal(one, two) for one, two in zip(found, predictions(other), strict=True))
    size = (3, 32, 32)
    costs = [complexity.measure(each, size) for each in (model.student, other)]
    assert costs[0].macs == costs[1].macs
    assert costs[0].parameters.all == costs[1].parameters.all == sum(p.numel() for p in other.parameters())


@pytest.mark.parametrize("method", [FGD, DMKD, DFMSD], ids=lambda method: method.name)
def test_no_captured_map_outlives_its_iteration(
    method: type[DistillationMethod], monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: list[weakref.ref[torch.Tensor]] = []
    original = wrapper.Captured.maps

    def watched(self: Any) -> list[torch.Tensor]:
        found = original(self)
        alive.extend(weakref.ref(each) for each in found)
        return found

    monkeypatch.setattr(wrapper.Captured, "maps", watched)
    model = pair(made(method))
    logged = tiny.steps(model, optimiser(model), 2)
    assert len(alive) == 2 * 2 * 5
    # The logged total alone still holds its graph, as in plain mmdet.
    del logged
    gc.collect()
    assert not any(each() is not None for each in alive)
    assert not any(module._forward_hooks for part in (model.student, model.teacher) for module in part.modules())


# -- stages ------------------------------------------------------------------------------------------------------------


def test_a_stage_change_keeps_everything_where_channels_stay() -> None:
    model = pair(made(DFMSD))
    wrapper_ = optimiser(model)
    tiny.steps(model, wrapper_, 1)
    before, modules = copy.deepcopy(model.state_dict()), list(model.losses.parameters())
    teacher = tiny.detector(RETINANET, fpn=24, seed=10)
    change = next_stage(model, teacher)
    assert change == (True, {})
    assert model.teacher is teacher
    assert not any(p.requires_grad for p in teacher.parameters())
    assert tiny.differing(before, model.state_dict()) == []
    assert all(one is two for one, two in zip(modules, model.losses.parameters(), strict=True))
    assert all("momentum_buffer" in wrapper_.optimizer.state[p] for p in modules)


def test_a_teacher_of_other_channels_renews_what_depends_on_them() -> None:
    model = pair(made(DFMSD))
    tiny.steps(model, optimiser(model), 2)
    before = copy.deepcopy(model.state_dict())
    fusion = [level.figures() for level in model.levels]
    change = next_stage(model, tiny.detector(RETINANET, fpn=20, seed=10))
    assert not change.kept
    assert {stride: sorted(parts) for stride, parts in change.fresh.items()} == {
        stride: ["gen_c", "gen_s", "phi"] for stride in (8, 16, 32, 64, 128)
    }
    after = model.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before if key.startswith("student."))
    assert [level.figures() for level in model.levels] == fusion
    assert fusion[0]["fusion_a"] != 0.5
    wrapper_ = optimiser(model)
    assert not wrapper_.optimizer.state
    (logged,) = tiny.steps(model, wrapper_, 1, first=2)
    assert torch.isfinite(logged["loss"])


def test_a_student_alone_is_carried_where_the_method_says_so() -> None:
    model = pair(made(DFMSD, carry="student"))
    before = copy.deepcopy(model.state_dict())
    change = next_stage(model, tiny.detector(RETINANET, fpn=24, seed=10))
    assert not change.kept
    assert sorted(change.fresh[8]) == ["fusion", "gen_c", "gen_s", "phi"]
    moved = {key.split(".")[0] for key in tiny.differing(before, model.state_dict())}
    assert moved == {"losses"}


def test_figures_are_no_losses() -> None:
    found = pair(made(DMKD)).figures()
    assert found["dmkd_fusion_a_s8"] == 0.5
    assert not any("loss" in key for key in found)
