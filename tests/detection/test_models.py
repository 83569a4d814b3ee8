"""Detectors of mmdet's packaged configurations, narrow but with their own heads: build, train a step, predict."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks
from mmengine.config import ConfigDict
from mmengine.optim import OptimWrapper
from mmengine.structures import InstanceData
from torch import nn

from benchmarks.detection import configs

SIDE = 96
R18 = {"depth": 18, "base_channels": 16}
R18_CHANNELS = [16, 32, 64, 128]
R50 = {"depth": 50, "base_channels": 8}  # deformable convolution needs bottlenecks
R50_CHANNELS = [32, 64, 128, 256]
SWIN = {"embed_dims": 48, "depths": [2, 2, 2, 2]}
SWIN_CHANNELS = [48, 96, 192, 384]

DETECTORS = {
    "retinanet/retinanet_r50_fpn_1x_coco": (R18, R18_CHANNELS),
    "faster_rcnn/faster-rcnn_r50_fpn_1x_coco": (R18, R18_CHANNELS),
    "cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco": (R18, R18_CHANNELS),
    "gfl/gfl_r50_fpn_1x_coco": (R18, R18_CHANNELS),
    "fcos/fcos_r50-caffe_fpn_gn-head_1x_coco": (R18, R18_CHANNELS),
    "atss/atss_r50_fpn_1x_coco": (R18, R18_CHANNELS),
    "reppoints/reppoints-moment_r50_fpn-gn_head-gn_1x_coco": (R18, R18_CHANNELS),
    "dcnv2/faster-rcnn_r50-mdconv-c3-c5_fpn_1x_coco": (R50, R50_CHANNELS),
    "swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco": (SWIN, SWIN_CHANNELS),
}
WITH_MASKS = {name for name in DETECTORS if "mask-rcnn" in name}


def narrow(name: str) -> ConfigDict:
    """The packaged model, small and with few regions, keeping every candidate so that suppression has something to do."""
    model = configs.local(configs.packaged(name)).model
    backbone, channels = DETECTORS[name]
    model.backbone.update(backbone)
    model.neck.in_channels = channels
    if "roi_head" not in model:
        model.test_cfg.score_thr = 0.0
        return model
    model.test_cfg.rcnn.update(score_thr=0.0, max_per_img=10)
    for proposals in (model.train_cfg.rpn_proposal, model.test_cfg.rpn):
        proposals.max_per_img = 100
    stages = model.train_cfg.rcnn if isinstance(model.train_cfg.rcnn, list) else [model.train_cfg.rcnn]
    for stage in stages:
        stage.sampler.num = 16
    return model


def detector(name: str) -> nn.Module:
    torch.manual_seed(0)
    return configs.build_detector(narrow(name))


def batch(masks: bool) -> dict[str, Any]:
    """Two images with three objects each, as mmdet's pipeline hands them over."""
    generator = torch.Generator().manual_seed(1)
    boxes = torch.tensor([[8.0, 10, 50, 60], [30, 30, 90, 92], [60, 5, 80, 25]])
    objects = InstanceData(bboxes=HorizontalBoxes(boxes), labels=torch.tensor([0, 17, 79]))
    if masks:
        drawn = torch.zeros(3, SIDE, SIDE, dtype=torch.uint8)
        for plane, (left, top, right, bottom) in zip(drawn, boxes.int().tolist(), strict=True):
            plane[top:bottom, left:right] = 1
        objects.masks = BitmapMasks(drawn.numpy(), SIDE, SIDE)
    samples = []
    for image in range(2):
        shape = dict.fromkeys(("img_shape", "ori_shape", "pad_shape"), (SIDE, SIDE))
        sample = DetDataSample(metainfo={**shape, "scale_factor": (1.0, 1.0), "img_id": image})
        sample.gt_instances = objects.clone()
        samples.append(sample)
    inputs = torch.randint(0, 256, (2, 3, SIDE, SIDE), generator=generator, dtype=torch.uint8)
    return {"inputs": list(inputs), "data_samples": samples}


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    """mmdet's samplers draw from the global generators."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        yield


@pytest.mark.parametrize("name", DETECTORS)
def test_a_packaged_detector_builds_trains_a_step_and_predicts(name: str) -> None:
    model = detector(name)
    before = {key: value.detach().clone() for key, value in model.named_parameters()}
    optimiser = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1e-3))
    model.train()
    losses = model.train_step(batch(name in WITH_MASKS), optimiser)
    assert any("bbox" in key or "pts" in key for key in losses)
    assert all(torch.isfinite(torch.as_tensor(value)).all() for value in losses.values())
    moved = {key.split(".")[0] for key, value in model.named_parameters() if not torch.equal(value, before[key])}
    assert {"backbone", "neck"} < moved
    assert any("head" in part for part in moved)
    assert all(torch.isfinite(value).all() for value in model.parameters())

    model.eval()
    with torch.no_grad():
        predictions = [sample.pred_instances for sample in model.test_step(batch(False))]
    for found in predictions:
        assert 0 < len(found) <= 100
        assert found.bboxes.shape == (len(found), 4)
        assert ((found.bboxes >= 0) & (found.bboxes <= SIDE)).all()
        assert torch.equal(found.scores, found.scores.sort(descending=True).values)
        if name in WITH_MASKS:
            assert found.masks.shape == (len(found), SIDE, SIDE)


@pytest.mark.parametrize(
    "name", ["faster_rcnn/faster-rcnn_r50_fpn_1x_coco", "dcnv2/faster-rcnn_r50-mdconv-c3-c5_fpn_1x_coco"]
)
def test_a_step_under_autocast_has_nearly_the_losses_of_one_without(name: str) -> None:
    model = detector(name).train()
    totals = []
    for enabled in (False, True):
        torch.manual_seed(3)
        data = model.data_preprocessor(batch(False), training=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            losses, _ = model.parse_losses(model.loss(data["inputs"], data["data_samples"]))
        losses.backward()
        totals.append(float(losses.detach()))
    assert totals[1] != totals[0]
    assert totals[1] == pytest.approx(totals[0], rel=0.05)
    assert all(value.grad is None or torch.isfinite(value.grad).all() for value in model.parameters())


def test_plain_dictionaries_are_taken_as_a_model() -> None:
    model = configs.build_detector(narrow("retinanet/retinanet_r50_fpn_1x_coco").to_dict()).eval()
    with torch.no_grad():
        assert len(model.test_step(batch(False))) == 2
