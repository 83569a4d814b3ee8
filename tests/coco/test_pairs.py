"""Tasks of detector distillation: which pairs there are, and which published ones are left out."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.base import RepriseError
from benchmarks.coco.distillation.contract import FAMILY
from benchmarks.coco.distillation.detectors import pair_kind
from benchmarks.coco.distillation.stages import Stage
from benchmarks.coco.pairs import TASKS, pair, task, teachers_of
from benchmarks.coco.zoo import ZOO
from methods.dfmsd import SWIN_STAGES

LEFT_OUT = {
    "a source that does not say which detector or schedule it used": {
        "ACAM-KD digest: RetinaNet-R101-unspecified->RetinaNet-R50-unspecified",
        "AMD abstract: CascadeMaskRCNN-unspecified->FasterRCNN-R50-2x",
        "AMD abstract: RepPoints-unspecified->RepPoints-R50-2x",
        "AMD abstract: RetinaNet-unspecified->RetinaNet-R50-2x",
        "FBKD abstract: unspecified->FasterRCNN-R101-unspecified",
        "PKD abstract: MaskRCNN-Swin-unspecified->FCOS-R50-unspecified",
        "PKD abstract: MaskRCNN-Swin-unspecified->RetinaNet-R50-2x",
        "SAMKD abstract: FCOS-R101-unspecified->FCOS-unspecified",
    },
    "YOLOX and RTMDet have no FPN with fpn_convs, and no row in the specification's table of pairs": {
        "FGD README: YOLOX-l-300e->YOLOX-m-300e",
        "mmyolo PR 544: RTMDet-l-300e->RTMDet-m-300e",
        "mmyolo PR 544: RTMDet-m-300e->RTMDet-s-300e",
        "mmyolo PR 544: RTMDet-s-300e->RTMDet-tiny-300e",
        "mmyolo PR 544: RTMDet-x-300e->RTMDet-l-300e",
    },
    "students that mmdet packages only inside configurations of LD": {
        "mmdet LD metafile: GFL-R101-DCN-ms2x->GFL-R101-2x",
        "mmdet LD metafile: GFL-R101-ms2x->GFL-R18-1x",
        "mmdet LD metafile: GFL-R101-ms2x->GFL-R34-1x",
    },
    "detectors of another library": {
        "PaddleDetection README: RetinaNet-R101-2x-Paddle->RetinaNet-R50-2x-Paddle",
    },
}
"""Published pairs without a task, each with one table that has it, by the reason."""

OURS = {"RetinaNet-R50-2x->RetinaNet-R18-1x"}


def published(shared_data: Path) -> set[str]:
    with (shared_data.parent / "published" / "distillation.csv").open(newline="") as file:
        return {row["task"] for row in csv.DictReader(file)}


def test_every_published_pair_is_a_task_or_left_out_for_a_reason(shared_data: Path) -> None:
    left = {entry.partition(": ")[2] for entries in LEFT_OUT.values() for entry in entries}
    real = {name for name, found in TASKS.items() if found.data == "coco"} - OURS
    assert real | left == published(shared_data)
    assert not real & left


def test_no_pair_is_left_out_that_the_catalogue_has_both_detectors_of() -> None:
    for entries in LEFT_OUT.values():
        for entry in entries:
            ends = entry.partition(": ")[2].split("->")
            assert not set(ends) <= set(ZOO), entry


def test_every_task_is_named_after_its_two_detectors_and_knows_their_kinds() -> None:
    for name, found in TASKS.items():
        assert (
            found.name == name == ("synth/" if found.data == "synthcoco" else "") + f"{found.teacher}->{found.student}"
        )
        assert found.family == FAMILY
        kind = pair_kind(name)
        assert found.teacher.startswith(kind.teacher)
        assert found.student.startswith(kind.student)


def test_the_metric_is_box_ap_with_a_margin_of_half_a_point() -> None:
    metric = task("synth/GFL-R18w28->GFL-R18w16").metric
    assert (metric.name, metric.unit, metric.higher_is_better) == ("AP", "points", True)
    assert metric.margin(41.5) == metric.margin(3.0) == 0.5


def test_an_unknown_task_gives_the_nearest() -> None:
    with pytest.raises(RepriseError, match="did you mean 'RetinaNet-R101-2x->RetinaNet-R50-2x'"):
        task("RetinaNet-R101-2x->RetinaNet-R50-3x")


def test_any_two_known_detectors_make_a_pair() -> None:
    made = pair("GFL-R101-ms2x->RetinaNet-R18-1x")
    assert (made.teacher, made.student, made.data) == ("GFL-R101-ms2x", "RetinaNet-R18-1x", "coco")
    assert pair("synth/FCOS-R34w32->RetinaNet-R18w8").data == "synthcoco"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("RetinaNet-R50-2x", "name a pair <teacher>-><student>"),
        ("RetinaNet-R50-2x->RetinaNet-R49", "unknown detector 'RetinaNet-R49'"),
        ("GFL-R18w28->GFL-R18w16", "GFL-R18w28 is a small detector: it belongs to tasks named synth/"),
        ("synth/GFL-R18w28->GFL-R50-1x", "GFL-R50-1x is a detector of COCO: it belongs to tasks not named synth/"),
        ("synth/GFL-R50w28->GFL-R18w16", "small detector 'GFL-R50w28'.*depth 18 or 34"),
    ],
)
def test_a_pair_that_does_not_fit_is_refused(name: str, words: str) -> None:
    with pytest.raises(RepriseError, match=words):
        pair(name)


def test_each_stage_has_its_own_teacher_or_the_pairs() -> None:
    synth = task("synth/GFL-R34w32->GFL-R18w16")
    found = teachers_of(synth, [Stage("ATSS-R34w32"), Stage()])
    assert [teacher.name for teacher in found] == ["ATSS-R34w32", "GFL-R34w32"]


def test_the_stages_of_dfmsds_swin_pair_are_detectors_of_the_zoo() -> None:
    found = teachers_of(task("MaskRCNN-SwinS-ms3x->RetinaNet-R50-2x"), SWIN_STAGES)
    assert found == [ZOO["RetinaNet-X101-64x4d-1x"], ZOO["MaskRCNN-SwinS-ms3x"]]


def test_a_stage_cannot_have_a_teacher_of_the_other_data() -> None:
    with pytest.raises(RepriseError, match="GFL-R50-1x is a detector of COCO"):
        teachers_of(task("synth/GFL-R34w32->GFL-R18w16"), [Stage("GFL-R50-1x")])


def test_listing_tasks_imports_neither_torch_nor_mmdet() -> None:
    code = (
        "import sys; from benchmarks.coco.pairs import TASKS; assert TASKS; "
        "print(sorted({'torch', 'mmdet', 'mmengine', 'mmcv', 'pycocotools'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
