"""Small detectors for small pictures, as mmdet model configurations: one-stage heads on a narrow ResNet, trained from scratch.

Named `<head>-R<depth>w<base width>`: `GFL-R18w16` is GFL on a ResNet-18 whose first stage has 16 channels. All share the pyramid
(three levels of 48 channels, strides 8, 16, 32), the form of the heads and the preprocessor, so that any may teach any other.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from benchmarks.base import RepriseError

STRIDES = (8, 16, 32)
CHANNELS = 48
GROUPS = 8
DEPTHS = (18, 34)

_NORM = {"type": "GN", "num_groups": GROUPS, "requires_grad": True}
_FORM = re.compile(r"(?P<head>[A-Za-z]+)-R(?P<depth>\d+)w(?P<width>\d+)")


class SmallDetector(NamedTuple):
    """Head (a key of HEADS), depth of the ResNet, channels of its first stage (the following have 2, 4 and 8 times as many)."""

    head: str
    depth: int
    width: int


def parse(name: str) -> SmallDetector | None:
    """What a small detector's name says, or None for a name of another form.

    Raises RepriseError for a name of this form with a head, depth or width that does not exist.
    """
    match = _FORM.fullmatch(name)
    if match is None:
        return None
    found = SmallDetector(match["head"], int(match["depth"]), int(match["width"]))
    if found.head not in HEADS or found.depth not in DEPTHS or found.width < 1:
        raise RepriseError(
            f"small detector '{name}': name it <head>-R<depth>w<base width> with a head of {', '.join(HEADS)}, depth "
            f"{' or '.join(map(str, DEPTHS))} and a base width of at least 1, such as GFL-R18w16"
        )
    return found


def small_model(name: str, categories: int) -> dict[str, Any]:
    """The model configuration of a small detector for some number of categories.

    Raises RepriseError for a name of another form and for no category.
    """
    found = parse(name)
    if found is None:
        raise RepriseError(f"'{name}' is no small detector; name one <head>-R<depth>w<base width>, such as GFL-R18w16")
    if categories < 1:
        raise RepriseError(f"{name}: {categories} categories; a detector needs at least one")
    kind, head, training = HEADS[found.head](categories)
    return {
        "type": kind,
        "data_preprocessor": {
            "type": "DetDataPreprocessor",
            "mean": [123.675, 116.28, 103.53],
            "std": [58.395, 57.12, 57.375],
            "bgr_to_rgb": True,
            "pad_size_divisor": STRIDES[-1],
        },
        "backbone": _backbone(found),
        "neck": {
            "type": "FPN",
            "in_channels": [found.width * factor for factor in (2, 4, 8)],
            "out_channels": CHANNELS,
            "num_outs": len(STRIDES),
        },
        "bbox_head": head,
        "train_cfg": {"allowed_border": -1, "pos_weight": -1, "debug": False, **training},
        "test_cfg": {
            "nms_pre": 1000,
            "min_bbox_size": 0,
            "score_thr": 0.05,
            "nms": {"type": "nms", "iou_threshold": 0.6},
            "max_per_img": 100,
        },
    }


def _backbone(found: SmallDetector) -> dict[str, Any]:
    """A ResNet that learns everything: no stage is frozen, batch statistics are its own."""
    return {
        "type": "ResNet",
        "depth": found.depth,
        "base_channels": found.width,
        "num_stages": 4,
        "out_indices": (1, 2, 3),
        "frozen_stages": -1,
        "norm_cfg": {"type": "BN", "requires_grad": True},
        "norm_eval": False,
        "style": "pytorch",
    }


def _head(kind: str, categories: int, **own: Any) -> dict[str, Any]:
    common = {
        "type": kind,
        "num_classes": categories,
        "in_channels": CHANNELS,
        "feat_channels": CHANNELS,
        "stacked_convs": 2,
        "norm_cfg": dict(_NORM),
    }
    return common | own


def _anchors(ratios: list[float], scales: int, base: int) -> dict[str, Any]:
    """Anchors whose side is `base` strides at least, half of mmdet's: objects are 13 to 41 pixels wide."""
    return {
        "type": "AnchorGenerator",
        "ratios": ratios,
        "octave_base_scale": base,
        "scales_per_octave": scales,
        "strides": list(STRIDES),
    }


def _focal_loss() -> dict[str, Any]:
    return {"type": "FocalLoss", "use_sigmoid": True, "gamma": 2.0, "alpha": 0.25, "loss_weight": 1.0}


def _centerness_loss() -> dict[str, Any]:
    return {"type": "CrossEntropyLoss", "use_sigmoid": True, "loss_weight": 1.0}


def _giou_loss(weight: float) -> dict[str, Any]:
    return {"type": "GIoULoss", "loss_weight": weight}


_Parts = tuple[str, dict[str, Any], dict[str, Any]]
"""Detector's type, head, and the part of train_cfg that is its own."""


def _gfl(categories: int) -> _Parts:
    head = _head(
        "GFLHead",
        categories,
        anchor_generator=_anchors([1.0], 1, base=4),
        loss_cls={"type": "QualityFocalLoss", "use_sigmoid": True, "beta": 2.0, "loss_weight": 1.0},
        loss_dfl={"type": "DistributionFocalLoss", "loss_weight": 0.25},
        reg_max=8,
        loss_bbox=_giou_loss(2.0),
    )
    return "GFL", head, {"assigner": {"type": "ATSSAssigner", "topk": 9}}


def _atss(categories: int) -> _Parts:
    head = _head(
        "ATSSHead",
        categories,
        anchor_generator=_anchors([1.0], 1, base=4),
        bbox_coder={
            "type": "DeltaXYWHBBoxCoder",
            "target_means": [0.0, 0.0, 0.0, 0.0],
            "target_stds": [0.1, 0.1, 0.2, 0.2],
        },
        loss_cls=_focal_loss(),
        loss_bbox=_giou_loss(2.0),
        loss_centerness=_centerness_loss(),
    )
    return "ATSS", head, {"assigner": {"type": "ATSSAssigner", "topk": 9}}


def _retinanet(categories: int) -> _Parts:
    """At base 4 hardly an object overlaps an anchor by half: AP 0.5 instead of 5.1 after 300 iterations of GFL's recipe."""
    head = _head(
        "RetinaHead",
        categories,
        anchor_generator=_anchors([0.5, 1.0, 2.0], 3, base=2),
        bbox_coder={
            "type": "DeltaXYWHBBoxCoder",
            "target_means": [0.0, 0.0, 0.0, 0.0],
            "target_stds": [1.0, 1.0, 1.0, 1.0],
        },
        loss_cls=_focal_loss(),
        loss_bbox={"type": "L1Loss", "loss_weight": 1.0},
    )
    assigner = {
        "type": "MaxIoUAssigner",
        "pos_iou_thr": 0.5,
        "neg_iou_thr": 0.4,
        "min_pos_iou": 0,
        "ignore_iof_thr": -1,
    }
    return "RetinaNet", head, {"assigner": assigner, "sampler": {"type": "PseudoSampler"}}


def _fcos(categories: int) -> _Parts:
    """With center sampling, normalised targets and GIoU; each level sees half the distances that mmdet's does."""
    head = _head(
        "FCOSHead",
        categories,
        strides=list(STRIDES),
        regress_ranges=((-1, 32), (32, 64), (64, 1e8)),
        center_sampling=True,
        centerness_on_reg=True,
        norm_on_bbox=True,
        dcn_on_last_conv=False,
        conv_bias=True,
        loss_cls=_focal_loss(),
        loss_bbox=_giou_loss(1.0),
        loss_centerness=_centerness_loss(),
    )
    return "FCOS", head, {}


HEADS = {"GFL": _gfl, "ATSS": _atss, "RetinaNet": _retinanet, "FCOS": _fcos}
"""What builds each head's configuration from the number of categories."""
