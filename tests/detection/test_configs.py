"""Packaged configurations by name, freed of downloads and worker processes."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from mmengine.config import Config

from benchmarks.base import RepriseError
from benchmarks.detection import configs


@pytest.mark.parametrize(
    "name",
    ["retinanet/retinanet_r50_fpn_1x_coco", "retinanet/retinanet_r50_fpn_1x_coco.py", "retinanet_r50_fpn_1x_coco"],
)
def test_a_packaged_configuration_is_found_by_its_name(name: str) -> None:
    assert configs.packaged(name).model.type == "RetinaNet"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("retinanet_r50_fpn_1x_cocoo", "retinanet_r50_fpn_1x_coco"),
        ("retinanet/retinanet-r50_fpn_1x_coco", "retinanet/retinanet_r50_fpn_1x_coco"),
    ],
)
def test_an_unknown_name_gives_the_nearest(name: str, near: str) -> None:
    with pytest.raises(RepriseError, match=f"did you mean '{near}'"):
        configs.packaged(name)


def test_a_name_that_several_folders_have_must_be_written_in_full() -> None:
    short = [name.rsplit("/", 1)[-1] for name in configs.packaged_names()]
    twice = next(name for name in short if short.count(name) > 1)
    with pytest.raises(RepriseError, match="ambiguous"):
        configs.packaged(twice)


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize(
    "name",
    [
        "retinanet/retinanet_r50_fpn_1x_coco",
        "swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco",
        "detectors/detectors_cascade-rcnn_r50_1x_coco",
        "pvt/retinanet_pvt-t_fpn_1x_coco",
    ],
)
def test_a_local_configuration_asks_for_no_download_and_no_worker_process(name: str) -> None:
    before = configs.packaged(name)
    after = configs.local(before)
    assert any("://" in text for text in strings(before.model))
    assert not [text for text in strings(after.model) if "://" in text]
    for loader in configs.LOADERS:
        assert after[loader].num_workers == 0
        assert after[loader].persistent_workers is False
    assert before.train_dataloader.num_workers > 0


def test_a_configuration_that_needs_a_missing_library_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mmpretrain", None)
    with pytest.raises(RepriseError, match=r"retinanet_timm-tv-resnet50.*mmpretrain"):
        configs.packaged("timm_example/retinanet_timm-tv-resnet50_fpn_1x_coco")


def test_a_backbone_of_another_library_is_not_asked_for_its_weights() -> None:
    before = Config({"model": {"backbone": {"type": "mmpretrain.TIMMBackbone", "pretrained": True}}})
    assert configs.local(before).model.backbone.pretrained is False


def test_other_initialisation_is_left_as_it_is() -> None:
    before = Config.fromfile(configs.packaged_folder() / "ssd" / "ssd300_coco.py")
    before.model.backbone.init_cfg = [{"type": "Pretrained", "checkpoint": "x"}, {"type": "Kaiming", "layer": "Conv2d"}]
    after = configs.local(before)
    assert after.model.backbone.init_cfg == [{"type": "Kaiming", "layer": "Conv2d"}]


def test_building_with_weights_from_a_zoo_is_refused_before_anything_is_fetched() -> None:
    with pytest.raises(RepriseError, match=r"torchvision://resnet50 \(checkpoint\)"):
        configs.build_detector(configs.packaged("retinanet/retinanet_r50_fpn_1x_coco").model)


def test_a_teacher_is_not_dropped_silently() -> None:
    model = configs.local(configs.packaged("ld/ld_r18-gflv1-r101_fpn_1x_coco")).model
    with pytest.raises(RepriseError, match="teacher_ckpt"):
        configs.build_detector(model)
