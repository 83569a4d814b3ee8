"""What MogFace is made of: model, modules, and the defects of the released code as switches (specification 3.1 to 3.7)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from benchmarks.base import RepriseError

Defect = Literal["fixed", "released"]
"""How a defect of the released code is treated: as the paper means it, or as the code does it."""

STRIDES = (4, 8, 16, 32, 64, 128)
"""Pixels per cell of P2 to P7."""


@dataclass(frozen=True)
class Settings:
    """A MogFace model and its training; the defaults are MogFace on a ResNet-101 with the defects fixed.

    depth, width: the ResNet and the channels of its first stage (64: the published one). trunk_weights: `fresh`, or the file
    with the trunk's ImageNet weights. pyramid: channels of P2 to P7. context: SSH doubles the channels, CPM keeps them. head:
    one DeepHead for all levels, or a single convolution per level. groups: of the DeepHead's group norm. init_std: standard
    deviation of the convolutions outside the trunk. anchor_scale multiplies the anchors' sides of 16 to 512 pixels.

    first_shot: the auxiliary branch; auxiliary_weight of its loss is reconstructed. ams: Ali-AMS recruits anchors. hcam: the
    context module and its second classifier, with the scores above which a cell is predicted, in training and in tests.

    sampling: DAS; SSE, which replaces DAS's target size; or none (ours): pictures are mirrored only, for short trainings.
    crop: side of a training picture in pixels. multi_size: the crop's side is drawn from 640, 672, ..., 1184 instead.
    area_side: no resized picture is larger than its square. sse_main: the level that SSE favours; sse_low: its least target
    in pixels. min_face: smaller faces, sqrt(w h) in pixels, are not trained on.

    The next ten are the defects D1 to D8, D10 and D11. hcam_test_branch: the second classifier's score on predicted cells,
    or its product with the first's, or the first's everywhere.

    Tests: score above which a cell counts, boxes before suppression, IoU from which a box is suppressed, boxes per image.
    """

    depth: Literal[18, 34, 50, 101, 152] = 101
    width: int = 64
    trunk_weights: str = "fresh"
    pyramid: int = 256
    context: Literal["none", "ssh", "cpm"] = "ssh"
    head: Literal["level", "deep"] = "deep"
    groups: int = 16
    init_std: float = 0.01
    anchor_scale: float = 0.68
    first_shot: bool = True
    auxiliary_weight: float = 1.0
    ams: bool = True
    hcam: bool = False
    hcam_train_score: float = 0.1
    hcam_test_score: float = 0.12
    sampling: Literal["das", "sse", "none"] = "das"
    crop: int = 640
    multi_size: bool = False
    area_side: int = 12000
    sse_main: Literal["P3", "P4", "P5"] = "P5"
    sse_low: float = 16.0
    min_face: float = 8.0
    deephead_convs: Defect = "fixed"
    hcam_test_branch: Literal["fixed", "product", "released"] = "fixed"
    mst_draw: Defect = "fixed"
    ams_slice: Defect = "fixed"
    ams_empty_level: Defect = "fixed"
    ams_group: Defect = "fixed"
    ams_fixed_640: Defect = "fixed"
    hcam_clamp: Defect = "fixed"
    input_scale: Defect = "fixed"
    r152_stage2: Defect = "fixed"
    score: float = 0.01
    before_nms: int = 5000
    nms_iou: float = 0.3
    per_image: int = 750

    def __post_init__(self) -> None:
        for name in ("width", "pyramid", "groups", "crop", "area_side", "before_nms", "per_image"):
            if getattr(self, name) < 1:
                raise RepriseError(f"{name} is {getattr(self, name)}; give 1 or more")
        for name in ("init_std", "anchor_scale", "sse_low"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                raise RepriseError(f"{name} is {value}; give a finite number above 0")
        for name in ("hcam_train_score", "hcam_test_score", "score", "nms_iou"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise RepriseError(f"{name} is {getattr(self, name)}; give a share from 0 to 1")
        for name in ("auxiliary_weight", "min_face"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0.0):
                raise RepriseError(f"{name} is {value}; give a finite number of at least 0")
        self._check_fit()

    def _check_fit(self) -> None:
        """Raise RepriseError for values that are sensible alone and not together."""
        if self.pyramid % 4:
            raise RepriseError(f"pyramid is {self.pyramid}; give a multiple of 4, context and neck take quarters of it")
        if self.head == "deep" and self.features % self.groups:
            raise RepriseError(f"groups is {self.groups}, which does not divide the head's {self.features} channels")
        if self.r152_stage2 == "released" and self.depth != 152:
            raise RepriseError(f"r152_stage2 is 'released' on a ResNet-{self.depth}; only ResNet-152 had that defect")

    @property
    def features(self) -> int:
        """Channels of the maps that the head sees."""
        return 2 * self.pyramid if self.context == "ssh" else self.pyramid
