"""Parameters and multiply-accumulates against the published table (mmengine 0.10.7, 3 x 800 x 1280)."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchmarks.detection import complexity, configs

STUDENTS = {
    "retinanet/retinanet_r50_fpn_1x_coco": (37_968_692, 37_743_348),
    "retinanet/retinanet_r18_fpn_1x_coco": (21_410_100, 21_252_596),
    "gfl/gfl_r50_fpn_1x_coco": (32_440_537, 32_215_193),
    "atss/atss_r50_fpn_1x_coco": (32_295_322, 32_069_978),
    "fcos/fcos_r50-caffe_fpn_gn-head_1x_coco": (32_295_322, 32_019_802),
    "faster_rcnn/faster-rcnn_r50_fpn_1x_coco": (41_753_056, 41_527_712),
    "mask_rcnn/mask-rcnn_r50_fpn_1x_coco": (44_396_336, 44_170_992),
    "reppoints/reppoints-moment_r50_fpn-gn_head-gn_1x_coco": (36_849_078, 36_623_734),
}
TEACHERS = {
    "retinanet/retinanet_x101-64x4d_fpn_1x_coco": 95_866_932,
    "dcn/cascade-mask-rcnn_x101-32x4d-dconv-c3-c5_fpn_1x_coco": 98_517_082,
    "reppoints/reppoints-moment_x101-dconv-c3-c5_fpn-gn_head-gn_2x_coco": 58_041_554,
    "swin/mask-rcnn_swin-s-p4-w7_fpn_amp-ms-crop-3x_coco": 69_112_506,
}


def built(name: str, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """Without drawing initial weights: on the `meta` device nothing is stored."""
    monkeypatch.setattr("mmengine.model.BaseModule.init_weights", lambda self: None)
    # Swin's constructor reads the values of a tensor, which `meta` has not.
    with torch.device("cpu" if "swin" in name else "meta"):
        return configs.build_detector(configs.local(configs.packaged(name)).model)


@pytest.mark.parametrize("name", STUDENTS)
def test_a_student_has_the_published_number_of_parameters(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = complexity.count_parameters(built(name, monkeypatch).parameters())
    assert (counted.all, counted.trainable) == STUDENTS[name]


@pytest.mark.parametrize("name", TEACHERS)
def test_a_teacher_has_the_published_number_of_parameters(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert complexity.count_parameters(built(name, monkeypatch).parameters()).all == TEACHERS[name]


@pytest.mark.parametrize(
    ("name", "gmacs"),
    [("retinanet/retinanet_r50_fpn_1x_coco", 239.0), ("gfl/gfl_r50_fpn_1x_coco", 208.3)],
)
def test_multiply_accumulates_at_800_by_1280_are_the_published_ones(name: str, gmacs: float) -> None:
    cost = complexity.measure(configs.build_detector(configs.local(configs.packaged(name)).model))
    assert cost.input == (3, 800, 1280)
    assert cost.macs / 1e9 == pytest.approx(gmacs, rel=0.001)
    assert (cost.parameters.all, cost.parameters.trainable) == STUDENTS[name]


def test_counting_leaves_the_model_as_it_was() -> None:
    config = configs.local(configs.packaged("retinanet/retinanet_r18_fpn_1x_coco"))
    detector = configs.build_detector(config.model).train()
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    small, large = (complexity.measure(detector, (3, side, side)).macs for side in (128, 256))
    assert large == pytest.approx(4 * small, rel=0.02)
    assert detector.training
    assert all(torch.equal(value, before[name]) for name, value in detector.state_dict().items())


def test_a_parameter_that_two_parts_share_counts_once() -> None:
    layer = nn.Linear(3, 2)
    layer.bias.requires_grad_(False)
    counted = complexity.count_parameters([*layer.parameters(), *layer.parameters()])
    assert counted == complexity.Parameters(all=8, trainable=6)
