"""The plain student: a method like the others in sweeps and tables that builds nothing."""

from __future__ import annotations

import pytest

from baselines.plain_student import Plain
from benchmarks.base import RepriseError
from benchmarks.coco.distillation.contract import LevelSpec
from benchmarks.resolution import as_json, validated


@pytest.mark.parametrize(("preset", "inherits"), [("none", False), ("inherit", True), ("small", False)])
def test_its_presets_say_whether_it_inherits_and_nothing_else(preset: str, inherits: bool) -> None:
    for task in ("GFL-R18w28->GFL-R18w16", "MaskRCNN-SwinS-ms3x->RetinaNet-R50-2x"):
        settings = validated(Plain.Settings, Plain.presets[preset](task), preset)
        assert as_json(settings).keys() == {"inherit"}
        assert Plain(settings).inherits(homogeneous=False) is inherits


def test_it_distils_nothing_in_one_stage() -> None:
    method = Plain(Plain.Settings())
    assert not method.distils
    assert len(method.build([LevelSpec(8, 4, 6)])) == 0
    assert [stage.teacher for stage in method.stages] == [None]


def test_another_way_to_inherit_is_refused() -> None:
    with pytest.raises(RepriseError, match="inherit"):
        validated(Plain.Settings, {"inherit": "mostly"}, "here")
