"""MogFace's settings, presets and schedules, and that listing the method is cheap."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import Any

import pytest

from baselines.mogface import MogFace, Settings
from baselines.mogface.presets import PRESETS
from baselines.mogface.schedule import published
from benchmarks.base import RepriseError, registered_methods
from benchmarks.resolution import as_json, validated
from benchmarks.wider_face.contract import FAMILY

DEFECTS = {
    "deephead_convs",
    "hcam_test_branch",
    "mst_draw",
    "ams_slice",
    "ams_empty_level",
    "ams_group",
    "ams_fixed_640",
    "hcam_clamp",
    "input_scale",
    "r152_stage2",
}


def resolved(preset: str) -> dict[str, Any]:
    return as_json(validated(Settings, PRESETS[preset]("wider-face"), preset))


def changed(one: str, other: str) -> set[str]:
    first, second = resolved(one), resolved(other)
    return {name for name, value in first.items() if second[name] != value}


def test_it_is_registered_with_its_presets() -> None:
    assert registered_methods(FAMILY)["mogface"] is MogFace
    assert next(iter(MogFace.presets)) == "paper"
    assert {"paper", "released", "small"} <= set(MogFace.presets)
    for preset in PRESETS:
        assert set(resolved(preset)) == {field.name for field in dataclasses.fields(Settings)}


def test_models_of_one_family_differ_in_the_named_module_alone() -> None:
    assert changed("baseline", "ali_ams") == {"ams"}
    assert changed("baseline", "hcam") == {"hcam"}
    assert changed("baseline", "sse") == {"sampling", "multi_size"}


def test_released_code_differs_in_its_defects_and_in_what_it_never_activates() -> None:
    assert changed("paper", "released") == (DEFECTS - {"r152_stage2"}) | {"ams"}
    assert changed("mogface_e", "mogface_e_released") == DEFECTS | {"ams"}
    released = resolved("mogface_e_released")
    assert {released[name] for name in DEFECTS} == {"released"}
    assert {resolved("paper")[name] for name in DEFECTS} == {"fixed"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pyramid": 18}, "pyramid is 18; give a multiple of 4"),
        ({"groups": 48}, "groups is 48, which does not divide the head's 512 channels"),
        ({"r152_stage2": "released"}, "on a ResNet-101; only ResNet-152 had that defect"),
        ({"anchor_scale": 0.0}, "anchor_scale is 0.0; give a finite number above 0"),
        ({"auxiliary_weight": -1.0}, "auxiliary_weight is -1.0; give a finite number of at least 0"),
        ({"nms_iou": 1.5}, "nms_iou is 1.5; give a share from 0 to 1"),
        ({"crop": 0}, "crop is 0; give 1 or more"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RepriseError, match=message):
        Settings(**changes)


def test_names_of_sizes_say_what_was_reduced() -> None:
    names = {preset: MogFace(Settings(**PRESETS[preset]("x"))).variant for preset in ("paper", "hcam", "small")}
    assert names == {"paper": "MogFace-R101", "hcam": "MogFace-R50", "small": "MogFace-R18w10/16"}


def test_schedules_are_the_published_ones() -> None:
    small, large = published(Settings(**PRESETS["baseline"]("x"))), published(Settings(**PRESETS["mogface_e"]("x")))
    assert (small.iterations, large.iterations) == (70_000, 140_000)
    assert "clip_grad" not in small.optim_wrapper
    assert large.optim_wrapper["clip_grad"] == {"max_norm": 5.0}
    for made, rate, decay in ((small, 0.004, 50_000), (large, 0.01, 110_000)):
        assert made.optim_wrapper["optimizer"] == {"type": "SGD", "lr": rate, "momentum": 0.9, "weight_decay": 1e-4}
        warm_up, steps = made.schedulers
        assert warm_up["start_factor"] * rate == pytest.approx(1e-6)
        assert (warm_up["end"], steps["milestones"]) == (3000, [decay])


def test_listing_the_method_does_not_import_mmdet() -> None:
    code = "import baselines.mogface, sys; print('mmdet' in sys.modules, 'mmcv' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
