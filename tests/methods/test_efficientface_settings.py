"""EfficientFace's settings: presets, names of sizes, and what a bad value is told."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import Any

import pytest

from benchmarks import resolution
from benchmarks.base import RepriseError, registered_methods
from benchmarks.wider_face.contract import FAMILY
from methods.efficientface import EfficientFace, Settings
from methods.efficientface.settings import VARIANTS


@dataclasses.dataclass(frozen=True)
class NoHarness:
    """A harness without fields of its own."""


def resolved(preset: str | None, **overrides: Any) -> dict[str, Any]:
    return resolution.resolve(EfficientFace, NoHarness, "any-task", preset, overrides, "test")[0]


def test_it_is_registered_and_needs_no_mmdet_to_be_planned() -> None:
    assert registered_methods(FAMILY)["efficientface"] is EfficientFace
    code = "import sys, methods.efficientface; assert 'mmdet' not in sys.modules and 'mmengine' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_paper_preset_is_the_reconstruction_with_coco_weights() -> None:
    found = resolved(None)
    assert found["init"] == "coco_efficientdet"
    changed = {name for name, value in found.items() if value != resolution.as_json(Settings())[name]}
    assert changed == {"init", "init_file"}
    assert resolved("paper", init="none", init_file=None) == resolution.as_json(Settings())


def test_the_small_preset_is_narrow_throughout() -> None:
    settings = Settings(**resolved("small"))
    assert (settings.scale.width, settings.scale.depth, settings.scale.neck) == (0.35, 0.34, 32)
    assert settings.variant == "B0x0.35/0.34/32"
    assert EfficientFace(settings).variant == "EfficientFace-B0x0.35/0.34/32 (reconstructed topology)"
    assert settings.bn_momentum == 0.1


@pytest.mark.parametrize("backbone", VARIANTS)
def test_a_standard_size_is_called_by_its_letter(backbone: Any) -> None:
    assert Settings(backbone=backbone).variant == backbone.upper()
    assert Settings(backbone=backbone, neck_channels=VARIANTS[backbone].neck).variant == backbone.upper()
    assert Settings(backbone=backbone, neck_channels=48).variant == f"{backbone.upper()}x1/1/48"


def test_lists_of_a_sweep_become_tuples_of_numbers() -> None:
    settings = Settings(**resolved("small", anchor_ratios=[1, 1.5], anchor_scales=[2.0, 4.0, 6.0]))
    assert settings.anchors_per_place == 6


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"backbone": "b6"}, "backbone"),
        ({"neck": "fpn"}, "neck"),
        ({"am_depth": 3}, "am_depth is 3; give 0, 1 or 2"),
        ({"neck_channels": 30}, "neck_channels is 30; give a multiple of 4"),
        ({"neck_channels": 12}, "neck_channels is 12; give a multiple of 4 from 16 on"),
        ({"width": 0.0}, r"width is 0\.0; give a finite number above 0"),
        ({"train_size": 320}, "train_size is 320; give a multiple of 128"),
        ({"anchor_scales": []}, "anchor_scales is"),
        ({"anchor_ratios": [1.0, -1.0]}, r"anchor_ratios is \[1\.0, -1\.0\]"),
        ({"bn_momentum": 1.5}, r"bn_momentum is 1\.5; give at most 1"),
        ({"nms_iou": 1.2}, r"nms_iou is 1\.2; give a number from 0 to 1"),
        ({"init": "imagenet"}, "init is imagenet and init_file None"),
        ({"init_file": "x.pth"}, r"init is none and init_file x\.pth"),
        ({"necks": "bifpn1"}, "did you mean 'neck'"),
    ],
)
def test_a_bad_value_is_told_once_and_in_words(values: dict[str, Any], message: str) -> None:
    with pytest.raises(RepriseError, match=message):
        resolved("small", **values)
