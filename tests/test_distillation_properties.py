"""What every distillation method promises of a level's loss, checked for each one that is registered, here or in a plug-in.

`--write-fingerprints` stores the present numbers; a method whose numbers move must raise its `version` first.
"""

from __future__ import annotations

import copy
import csv
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.base import RepriseError, canonical_json, registered_methods
from benchmarks.coco.distillation.contract import (
    FAMILY,
    BatchContext,
    DistillationMethod,
    LevelLoss,
    LevelSettings,
    LevelSpec,
    inert_strides,
)
from benchmarks.coco.distillation.rehearsal import Rehearsal, rehearse
from benchmarks.resolution import as_json, validated
from sweeps.registry import discover

discover()
METHODS: list[type[DistillationMethod]] = [
    method
    for method in registered_methods(FAMILY).values()
    if issubclass(method, DistillationMethod) and method.name != "plain"
]
EVERY = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
FINGERPRINTS = Path(__file__).with_name("distillation_fingerprints.json")
PAIRS = (
    "RetinaNet-X101-64x4d-1x->RetinaNet-R50-2x",
    "CascadeMaskRCNN-X101-32x4d-DCN-1x->FasterRCNN-R50-2x",
    "FasterRCNN-R101-2x->FasterRCNN-R50-2x",
    "MaskRCNN-SwinS-ms3x->RetinaNet-R50-2x",
    "RepPoints-X101-32x4d-DCN-2x->RepPoints-R50-2x",
    "FCOS-R101-ms2x->FCOS-R50-ms2x",
    "FCOS-X101-64x4d-ms2x->RetinaNet-R50-1x",
    "GFL-R101-ms2x->GFL-R50-1x",
    "ATSS-R101-1x->ATSS-R50-1x",
)
FULL: dict[str, dict[str, Any]] = {"dfmsd": {"align": "both"}}
"""Settings beside the defaults with which a method uses all its terms."""


def weight_names(method: type[DistillationMethod]) -> list[str]:
    """Settings that are loss weights: with all of them 0 the method is inert."""
    names = {"alpha", "beta", "gamma", "lam", "weight", "w_pkd"}
    return [field.name for field in dataclasses.fields(method.Settings) if field.name in names]


def settings(method: type[DistillationMethod], **given: Any) -> Any:
    return method.Settings(**{**FULL.get(method.name, {}), **given})


def level(method: type[DistillationMethod], channels: tuple[int, int] = (6, 6), **given: Any) -> LevelLoss:
    torch.manual_seed(3)
    return method(settings(method, **given)).level(*channels, 8).double()


def swapped(data: Rehearsal) -> Rehearsal:
    c = data.context
    order = list(range(len(data.fs)))[::-1]
    context = BatchContext([c.boxes[i] for i in order], c.img_shapes, c.batch_input_shape, c.seed, c.rank, c.iteration)
    return Rehearsal(data.fs.flip(0), data.ft.flip(0), context)


def repeated(data: Rehearsal) -> Rehearsal:
    c = data.context
    context = BatchContext([*c.boxes, *c.boxes], [*c.img_shapes, *c.img_shapes], c.batch_input_shape)
    return Rehearsal(torch.cat([data.fs] * 2), torch.cat([data.ft] * 2), context)


def fix_mask(made: LevelLoss, moved: Callable[[Tensor], Tensor]) -> None:
    """MGD draws one mask for the whole batch: keep the mask of each image beside it when images move."""
    draw = getattr(made, "mask", None)
    if draw is not None:
        made.mask = lambda s, context: moved(draw(s[:3], context))


def test_the_registry_holds_the_methods_of_the_table() -> None:
    assert {"l2", "mgd", "fgd", "pkd", "cwd", "dmkd", "dfmsd"} <= {method.name for method in METHODS}


@EVERY
def test_it_declares_what_tables_and_sweeps_need(method: type[DistillationMethod]) -> None:
    assert method.label
    assert method.paper
    assert method.version >= 1
    assert issubclass(method.Settings, LevelSettings)
    assert method.Settings.__dataclass_params__.frozen
    assert method.reconstruction == (method.name in ("dmkd", "dfmsd"))
    assert method(method.Settings()).stages


@EVERY
def test_every_preset_resolves_for_every_pair_and_survives_json(method: type[DistillationMethod]) -> None:
    for task in PAIRS:
        for name, preset in method.presets.items():
            resolved = as_json(validated(method.Settings, preset(task), f"{method.name} {name}"))
            text = canonical_json(resolved)
            assert as_json(validated(method.Settings, json.loads(text), "again")) == resolved
            assert set(resolved) == {field.name for field in dataclasses.fields(method.Settings)}


@EVERY
def test_small_presets_depend_on_no_pair(method: type[DistillationMethod]) -> None:
    assert not inert_strides([method(method.Settings(**method.presets["small"]("anything"))).level(6, 6, 8)])


@EVERY
def test_terms_are_scalars_that_reach_the_student(method: type[DistillationMethod]) -> None:
    fs, ft, context = rehearse(student_channels=4)
    made = level(method, (4, 6))
    leaf = fs.clone().requires_grad_()
    found = made(leaf, ft, context)
    assert found.keys() == made.weights.keys()
    assert all(value.shape == () and torch.isfinite(value) for value in found.values())
    sum(found.values()).backward()
    assert leaf.grad.abs().sum() > 0.0
    assert all(p.grad is not None for p in made.parameters()), (
        "a parameter that no loss uses breaks distributed training"
    )


@EVERY
def test_its_gradients_are_those_of_finite_differences(method: type[DistillationMethod]) -> None:
    fs, ft, context = rehearse(student_channels=3, teacher_channels=4, size=(3, 4), stride=8)
    given = dict.fromkeys(weight_names(method), 1.0) if method.name != "l2" else {"alpha": 1.0}
    made = level(method, (3, 4), **given)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.5, generator=torch.Generator().manual_seed(5))

    def loss(leaf: Tensor) -> Tensor:
        return sum(made(leaf, ft, context).values())

    assert torch.autograd.gradcheck(loss, fs.clone().requires_grad_())


@EVERY
def test_a_level_of_weight_zero_is_inert_and_has_no_parameters(method: type[DistillationMethod]) -> None:
    fs, ft, context = rehearse(student_channels=4)
    off = dict.fromkeys(weight_names(method), 0.0) if method.name != "l2" else {"alpha": 0.0}
    built = method(settings(method, **off)).build([LevelSpec(8, 4, 6), LevelSpec(16, 4, 6)])
    assert inert_strides(list(built)) == [8, 16]
    assert not list(built.parameters())
    assert not list(built.buffers())
    found = built[0](fs * float("inf"), ft, context)
    assert all(value == 0.0 and not value.requires_grad for value in found.values())
    assert not inert_strides([level(method)])


@EVERY
def test_doubling_a_weight_doubles_its_term_and_gradient(method: type[DistillationMethod]) -> None:
    fs, ft, context = rehearse(student_channels=4)
    names = ["alpha"] if method.name == "l2" else weight_names(method)
    moved: set[str] = set()
    for name in names:
        one, two = level(method, (4, 6)), level(method, (4, 6), **{name: 2.0 * getattr(settings(method), name)})
        for term in one.weights:
            leaves = [fs.clone().requires_grad_() for _ in range(2)]
            before, after = (made(leaf, ft, context)[term] for made, leaf in zip((one, two), leaves, strict=True))
            grads = [torch.autograd.grad(x, leaf)[0] for x, leaf in zip((before, after), leaves, strict=True)]
            factor = two.weights[term] / one.weights[term]
            assert factor in (1.0, 2.0)
            moved |= {term} if factor == 2.0 else set()
            torch.testing.assert_close(after, factor * before, rtol=1e-12, atol=0)
            torch.testing.assert_close(grads[1], factor * grads[0], rtol=1e-12, atol=1e-300)
    assert moved == set(level(method).weights)


@EVERY
def test_the_order_of_images_does_not_matter(method: type[DistillationMethod]) -> None:
    data = rehearse(images=3)
    before = level(method)(*data)
    made = level(method)
    fix_mask(made, lambda mask: mask.flip(0))
    for term, value in made(*swapped(data)).items():
        torch.testing.assert_close(value, before[term], rtol=1e-12, atol=0)


@EVERY
def test_a_repeated_batch_has_the_same_loss(method: type[DistillationMethod]) -> None:
    """PKD's unbiased deviation scales it by (2M-1)/(2M) M/(M-1); where it enters a generator, agreement is of order 1/M."""
    data = rehearse(images=3)
    before = level(method)(*data)
    made = level(method)
    fix_mask(made, lambda mask: torch.cat([mask, mask]))
    count = 3 * 10 * 16
    unbiased = (2 * count - 1) / (2 * count) * count / (count - 1)
    for term, again in made(*repeated(data)).items():
        value = before[term]
        if method.name == "pkd" or term == "correlation":
            torch.testing.assert_close(again, unbiased * value, rtol=1e-5, atol=0)
        else:
            tolerance = 5.0 / count if method.name == "dfmsd" else 1e-12
            torch.testing.assert_close(again, value, rtol=tolerance, atol=0)


@EVERY
def test_equal_maps(method: type[DistillationMethod]) -> None:
    fs, _, context = rehearse()
    found = level(method)(fs, fs.clone(), context)
    generative = method.name in ("mgd", "dmkd", "dfmsd")
    for term, value in found.items():
        if generative and term == "feature":
            assert value > 0.0
        else:
            assert abs(value.item()) < 1e-12


SCALED = {
    "l2": ({}, {}, {"feature": 2}),
    "fgd": ({"temperature": 0.8}, {"temperature": 2.4}, {"foreground": 2, "background": 2, "attention": 0}),
    "cwd": ({"tau": 0.8}, {"tau": 2.4}, {"feature": 2}),
    "pkd": ({}, {}, {"feature": 0}),
}


@pytest.mark.parametrize("name", SCALED)
def test_scaling_both_maps(name: str) -> None:
    """By 3, with temperatures scaled too: squared distances grow by 9, attention and correlation stay."""
    before_given, after_given, powers = SCALED[name]
    method = registered_methods(FAMILY)[name]
    fs, ft, context = rehearse()
    before = level(method, **before_given)(fs, ft, context)
    after = level(method, **after_given)(3.0 * fs, 3.0 * ft, context)
    for term, power in powers.items():
        torch.testing.assert_close(
            after[term], 3.0**power * before[term], rtol=1e-5 if name == "pkd" else 1e-10, atol=0
        )


@EVERY
def test_unequal_sizes_need_index_pairing(method: type[DistillationMethod]) -> None:
    fs, ft, context = rehearse()
    with pytest.raises(RepriseError, match="level_match=index"):
        level(method)(fs, ft[:, :, ::2, ::2], context)
    for resize in ("student", "teacher"):
        found = level(method, level_match="index", resize=resize)(fs, ft[:, :, ::2, ::2], context)
        assert all(torch.isfinite(value) for value in found.values())


@EVERY
def test_a_copy_and_a_restored_level_go_on_bitwise(method: type[DistillationMethod]) -> None:
    fs, ft, context = rehearse(student_channels=4)
    made = level(method, (4, 6))
    fresh = method(settings(method)).level(4, 6, 8).double()
    fresh.load_state_dict(made.state_dict())
    for other in (copy.deepcopy(made), fresh):
        for one, two in zip(made(fs, ft, context).values(), other(fs, ft, context).values(), strict=True):
            assert torch.equal(one, two)


@EVERY
def test_the_memory_format_does_not_matter(method: type[DistillationMethod]) -> None:
    fs, ft, context = rehearse(student_channels=4)
    made = level(method, (4, 6))
    before = made(fs, ft, context)
    after = made.to(memory_format=torch.channels_last)(
        fs.to(memory_format=torch.channels_last), ft.to(memory_format=torch.channels_last), context
    )
    for term, value in before.items():
        torch.testing.assert_close(after[term], value, rtol=1e-10, atol=0)


@EVERY
def test_losses_leave_the_random_state_alone(method: type[DistillationMethod]) -> None:
    fs, ft, context = rehearse()
    made, before = level(method), torch.get_rng_state()
    made(fs, ft, context)
    assert torch.equal(before, torch.get_rng_state())


@EVERY
def test_its_fingerprint_moves_only_with_its_version(
    method: type[DistillationMethod], request: pytest.FixtureRequest
) -> None:
    metrics = dict(sorted(_trained(method).items()))
    stored = json.loads(FINGERPRINTS.read_text()) if FINGERPRINTS.exists() else {}
    known = stored.get(method.name)
    if request.config.getoption("--write-fingerprints"):
        moved = known is not None and not _close(known["metrics"], metrics)
        assert not (moved and known["version"] == method.version), "the numbers moved: raise the method's version first"
        stored[method.name] = {"version": method.version, "metrics": metrics}
        FINGERPRINTS.write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n")
        return
    assert known is not None, f"no fingerprint of '{method.name}' is stored; run this file with --write-fingerprints"
    assert known["version"] == method.version, "the version changed: store the new fingerprint"
    assert _close(known["metrics"], metrics), "the numbers moved: raise the method's version"


def _trained(method: type[DistillationMethod]) -> dict[str, float]:
    """Every term after ten steps of plain gradient descent on a student's map and the level's own modules."""
    made = level(method, (4, 6))
    fs, ft, _ = rehearse(student_channels=4)
    leaf = fs.clone().requires_grad_()
    optimiser = torch.optim.SGD([leaf, *made.parameters()], lr=1e-3)
    found: dict[str, Tensor] = {}
    for iteration in range(10):
        context = dataclasses.replace(rehearse(iteration=iteration).context, stage_progress=iteration / 9)
        found = made(leaf, ft, context)
        optimiser.zero_grad()
        sum(found.values()).backward()
        optimiser.step()
    return {name: value.item() for name, value in found.items()}


def _close(stored: dict[str, float], now: dict[str, float]) -> bool:
    return stored.keys() == now.keys() and all(
        abs(value - now[name]) <= 1e-6 * max(1e-3, abs(value)) for name, value in stored.items()
    )


# -- presets against the specification's table ---------------------------------------------------------------------------


def preset(name: str, task: str, which: str) -> Any:
    method = registered_methods(FAMILY)[name]
    return validated(method.Settings, method.presets[which](task), "test")


@pytest.mark.parametrize(
    ("task", "weights", "inherits"),
    [
        (PAIRS[0], (0.5, 1e-3, 5e-4, 5e-4, 5e-6), True),
        (PAIRS[1], (0.5, 5e-5, 2.5e-5, 5e-5, 5e-7), False),
        (PAIRS[2], (0.5, 5e-5, 2.5e-5, 5e-5, 5e-7), True),
        (PAIRS[4], (0.5, 1.6e-3, 8e-4, 8e-4, 8e-6), True),
        (PAIRS[5], (0.8, 1.6e-3, 8e-4, 8e-4, 8e-6), True),
        (PAIRS[7], (0.5, 1e-3, 5e-4, 5e-4, 5e-6), True),
    ],
)
def test_fgds_published_weights(task: str, weights: tuple[float, ...], inherits: bool) -> None:
    found = preset("fgd", task, "published")
    assert (found.temperature, found.alpha, found.beta, found.gamma, found.lam) == weights
    assert found.capture == "fpn_conv"
    pair = registered_methods(FAMILY)["fgd"](found)
    teacher, student = (name.split("-")[0] for name in task.split("->"))
    assert pair.inherits(teacher == student) is inherits


def test_published_weights_of_the_others() -> None:
    one, two, swin, fcos = PAIRS[0], PAIRS[1], PAIRS[3], PAIRS[5]
    assert [(p.alpha, p.ratio) for p in (preset("mgd", t, "published") for t in (one, two))] == [
        (2e-5, 0.65),
        (5e-7, 0.45),
    ]
    pkd = [preset("pkd", task, "published") for task in (one, two, swin)]
    assert [(p.weight, p.level_match, p.capture, p.max_levels, p.inherit) for p in pkd] == [
        (10.0, "stride", "neck", 4, "no"),
        (6.0, "stride", "neck", 4, "no"),
        (6.0, "index", "neck", 4, "no"),
    ]
    assert preset("pkd", PAIRS[8], "crosskd").weight == 1.0
    cwd, distiller = preset("cwd", one, "published"), preset("cwd", one, "cwd_distiller")
    assert (cwd.weight, cwd.tau, cwd.capture, cwd.max_levels) == (10.0, 1.0, "neck", None)
    assert (distiller.weight, distiller.tau, distiller.capture, distiller.max_levels) == (5.0, 1.0, "fpn_conv", 4)
    assert [preset("l2", task, "control").alpha for task in (one, two)] == [2e-5, 5e-7]
    dmkd = [preset("dmkd", task, "dmkd_r1") for task in (one, two, fcos)]
    assert [(p.spatial_ratio, p.channel_ratio, p.temperature, p.alpha) for p in dmkd] == [
        (0.65, 0.65, 0.5, 2e-5),
        (0.45, 0.45, 0.5, 5e-7),
        (0.65, 0.65, 0.8, 2e-5),
    ]
    dfmsd = [preset("dfmsd", task, "dfmsd_r1") for task in (one, two, swin)]
    assert [(p.weight, p.w_pkd, p.alpha, p.capture) for p in dfmsd] == [
        (10.0, 10.0, 2e-5, "neck"),
        (6.0, 6.0, 5e-7, "neck"),
        (10.0, 10.0, 2e-5, "neck"),
    ]
    assert [tuple(stage) for stage in dfmsd[0].stages] == [(None, 12.0, 1.0), (None, 12.0, 2.0)]
    assert [stage.teacher for stage in dfmsd[2].stages] == ["RetinaNet-X101-64x4d-1x", "MaskRCNN-SwinS-ms3x"]


def test_stages_are_written_as_mappings_and_kept_as_lists() -> None:
    method = registered_methods(FAMILY)["dfmsd"]
    given = {"stages": [{"teacher": "A", "epochs": 3}, {"gain": "inf"}]}
    found = validated(method.Settings, given, "here.yaml:3")
    assert as_json(found)["stages"] == [["A", 3.0, 1.0], [None, 1.0, "inf"]]
    with pytest.raises(RepriseError, match=r"here.yaml:3: stages.*gain"):
        validated(method.Settings, {"stages": [{"gain": "much"}]}, "here.yaml:3")


def test_every_published_claim_of_a_method_here_has_settings(shared_data: Path) -> None:
    """Presets resolve for every pair that a paper states one of these methods on; YOLOX is no pair of this suite."""
    path = shared_data.parent / "published" / "distillation.csv"
    labels = {method.label: method for method in METHODS}
    seen = set()
    for row in csv.DictReader(path.read_text().splitlines()):
        method = labels.get(row["method"])
        if method is not None and "->" in row["task"] and "YOLOX" not in row["task"]:
            method.Settings(**next(iter(method.presets.values()))(row["task"]))
            seen.add(method.name)
    assert seen >= {"fgd", "mgd", "pkd", "cwd"}
