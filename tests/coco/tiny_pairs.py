"""Detectors of mmdet's packaged configurations, as narrow as they get, and batches of 64-pixel images for them."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.optim import OptimWrapper, build_optim_wrapper
from torch import Tensor, nn

from benchmarks.detection import configs

SIDE = 64
CATEGORIES = 3
RETINANET = "retinanet/retinanet_r50_fpn_1x_coco"
FASTER_RCNN = "faster_rcnn/faster-rcnn_r50_fpn_1x_coco"
STUDENTS = (RETINANET, FASTER_RCNN)

OPTIMISER: dict[str, Any] = {
    "type": "OptimWrapper",
    "optimizer": {"type": "SGD", "lr": 0.01, "momentum": 0.9, "weight_decay": 1e-4},
    "clip_grad": {"max_norm": 1.0, "norm_type": 2},
    "paramwise_cfg": {"bias_lr_mult": 2.0, "bias_decay_mult": 0.0},
}


def model(name: str, width: int = 8, fpn: int = 16, **preprocessor: Any) -> ConfigDict:
    """A packaged model with ResNet-18 of the base width, and few regions."""
    found = configs.local(configs.packaged(name)).model
    found.data_preprocessor.update(preprocessor)
    found.backbone.update(depth=18, base_channels=width)
    found.neck.update(in_channels=[width, 2 * width, 4 * width, 8 * width], out_channels=fpn)
    if "roi_head" not in found:
        found.bbox_head.update(in_channels=fpn, feat_channels=fpn, stacked_convs=1, num_classes=CATEGORIES)
        found.test_cfg.score_thr = 0.0
        return found
    found.rpn_head.update(in_channels=fpn, feat_channels=fpn)
    found.roi_head.bbox_roi_extractor.out_channels = fpn
    found.roi_head.bbox_head.update(in_channels=fpn, fc_out_channels=16, num_classes=CATEGORIES)
    found.test_cfg.rcnn.update(score_thr=0.0, max_per_img=10)
    for proposals in (found.train_cfg.rpn_proposal, found.test_cfg.rpn):
        proposals.max_per_img = 30
    found.train_cfg.rcnn.sampler.num = 16
    return found


def detector(name: str, width: int = 8, fpn: int = 16, seed: int = 0, **preprocessor: Any) -> Any:
    """Built and initialised from a seed; the global generator is left at what that took."""
    torch.manual_seed(seed)
    return configs.build_detector(model(name, width, fpn, **preprocessor))


def batch(seed: int = 1) -> dict[str, Any]:
    """Two images as mmdet's pipeline hands them over: one lower than the other, with two objects and a crowd; one with three."""
    from mmdet.structures import DetDataSample
    from mmdet.structures.bbox import HorizontalBoxes
    from mmengine.structures import InstanceData

    draw = torch.Generator().manual_seed(seed)
    boxes = torch.tensor([[4.0, 4, 40, 44], [20, 10, 60, 46], [30, 2, 50, 18]])
    samples, images = [], []
    for image, (height, count) in enumerate(((48, 2), (SIDE, 3))):
        shape = dict.fromkeys(("img_shape", "ori_shape"), (height, SIDE))
        sample = DetDataSample(metainfo={**shape, "scale_factor": (1.0, 1.0), "img_id": image})
        sample.gt_instances = InstanceData(
            bboxes=HorizontalBoxes(boxes[:count].clone()), labels=torch.arange(count) % CATEGORIES
        )
        sample.ignored_instances = InstanceData(
            bboxes=HorizontalBoxes(torch.tensor([[0.0, 30, 30, 48]])), labels=torch.zeros(1, dtype=torch.int64)
        )
        samples.append(sample)
        images.append(torch.randint(0, 256, (3, height, SIDE), generator=draw, dtype=torch.uint8))
    return {"inputs": images, "data_samples": samples}


def optimiser(model: nn.Module, given: dict[str, Any] = OPTIMISER) -> OptimWrapper:
    return build_optim_wrapper(model, ConfigDict(given))


def steps(model: Any, wrapper: OptimWrapper, count: int, first: int = 0) -> list[dict[str, Tensor]]:
    """The losses of some iterations of training, as mmengine logs them."""
    found = []
    for iteration in range(first, first + count):
        if hasattr(model, "begin"):
            model.begin(iteration, 0, 0.0)
        model.train()
        found.append(model.train_step(batch(iteration), wrapper))
    return found


def seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def generators() -> tuple[Any, ...]:
    """States of the three global generators, comparable with ==."""
    kind, keys, *rest = np.random.get_state()
    return random.getstate(), (kind, keys.tolist(), *rest), torch.get_rng_state().tolist()


def differing(one: dict[str, Tensor], other: dict[str, Tensor]) -> list[str]:
    """Keys of two states that are not equal to the bit."""
    assert one.keys() == other.keys()
    return [key for key in one if not torch.equal(one[key], other[key])]
