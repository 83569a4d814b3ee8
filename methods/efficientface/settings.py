"""EfficientFace's switches (face methods specification, 2.5 and 2.8): the topology is reconstructed, every choice has a name."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

from benchmarks.base import Json, RepriseError

STRIDES = (4, 8, 16, 32, 64, 128)
"""Pixels per cell of levels 2 to 7."""

DIVISOR = STRIDES[-1]

Backbone = Literal["b0", "b1", "b2", "b3", "b4", "b5"]
Laterals = Literal["single", "dual"]
ExtraLevels = Literal["conv_pool", "conv_stride2"]
Neck = Literal["sbifpn16", "sbifpn12", "bifpn1"]
FusionKind = Literal["fast_normalised", "softmax", "sum"]
Match = Literal["iou035_rescue", "iou040_050"]
LocLoss = Literal["smoothl1_mean_x50", "smoothl1_sum_x2", "giou"]


class Scale(NamedTuple):
    """Compound scaling of one variant: factors on B0's channels and blocks, channels of the neck (section 2.7)."""

    width: float
    depth: float
    neck: int


VARIANTS: dict[str, Scale] = {
    "b0": Scale(1.0, 1.0, 64),
    "b1": Scale(1.0, 1.1, 88),
    "b2": Scale(1.1, 1.2, 112),
    "b3": Scale(1.2, 1.4, 160),
    "b4": Scale(1.4, 1.8, 224),
    "b5": Scale(1.6, 2.2, 288),
}


@dataclass(frozen=True)
class Settings:
    """Every switch; the defaults are the reconstruction that meets the published budget.

    Size. backbone: trunk Bk with the neck width of Dk; width and depth are further factors on the trunk, neck_channels the
    neck's own width (None: as the backbone has it). `scale` is what results.

    Modules. rfe_norm bn puts a BN after every convolution of the RFE. am_depth: copies of the attention module in sequence;
    am_shared: one set for all levels; am_place: on which side of the RFE; am_residual: a copy returns x + gated x.
    head_layers: separable convolutions before the prediction. anchor_scales: sides in strides; anchor_ratios: height / width.

    Weights. init none draws everything; imagenet and coco_efficientdet read init_file (relative: in the checkpoints' folder),
    which must hold the whole trunk.

    Training, which the harness carries out. train_size: pixels, the side of the crop or the longest side. drop_invalid: leave out
    faces that WIDER marks invalid. learning_rate and weight_decay are AdamW's; plateau_* are ReduceLROnPlateau's, patience in
    epochs.

    Test. Faces of at least score_threshold; at most candidates of them before suppression at nms_iou, max_faces after it.
    """

    backbone: Backbone = "b5"
    width: float = 1.0
    depth: float = 1.0
    neck_channels: int | None = None
    bn_momentum: float = 0.01
    laterals: Laterals = "single"
    extra_levels: ExtraLevels = "conv_pool"
    neck: Neck = "sbifpn16"
    neck_repeats: int = 1
    fusion: FusionKind = "fast_normalised"
    rfe: Literal["per_level", "shared", "in_head", "none"] = "per_level"
    rfe_norm: Literal["none", "bn"] = "none"
    rfe_residual: bool = True
    am_depth: int = 2
    am_shared: bool = False
    am_place: Literal["after_rfe", "before_rfe"] = "after_rfe"
    am_residual: bool = False
    head_layers: int = 3
    head_bn: Literal["per_level", "shared"] = "per_level"
    anchor_ratios: tuple[float, ...] = (1.0,)
    anchor_scales: tuple[float, ...] = (4.0,)
    match: Match = "iou035_rescue"
    loc_loss: LocLoss = "smoothl1_mean_x50"
    init: Literal["none", "imagenet", "coco_efficientdet"] = "none"
    init_file: str | None = None
    train_size: int = 640
    train_aug: Literal["das", "flip_resize"] = "das"
    drop_invalid: bool = False
    epochs: int = 100
    learning_rate: float = 1e-4
    weight_decay: float = 0.01
    plateau_metric: Literal["train_loss", "val_loss"] = "train_loss"
    plateau_factor: float = 0.1
    plateau_patience: int = 3
    score_threshold: float = 0.01
    candidates: int = 5000
    nms_iou: float = 0.4
    max_faces: int = 750

    def __post_init__(self) -> None:
        _check_positive(self)
        _check_ranges(self)
        if (self.init == "none") != (self.init_file is None):
            raise RepriseError(
                f"init is {self.init} and init_file {self.init_file}; a file belongs to imagenet and coco_efficientdet, "
                "and to them alone"
            )

    @property
    def scale(self) -> Scale:
        """Factors on B0's channels and blocks, and the neck's channels."""
        base = VARIANTS[self.backbone]
        return Scale(base.width * self.width, base.depth * self.depth, self.neck_channels or base.neck)

    @property
    def anchors_per_place(self) -> int:
        return len(self.anchor_ratios) * len(self.anchor_scales)

    @property
    def variant(self) -> str:
        """The name of the size: `B5`, or `B0x0.35/0.34/32` (width and depth factors, neck channels) where it is not a Bk."""
        base = VARIANTS[self.backbone]
        name = self.backbone.upper()
        if self.scale == base:
            return name
        return f"{name}x{self.width:g}/{self.depth:g}/{self.scale.neck}"


def _check_positive(s: Settings) -> None:
    reals = ("width", "depth", "bn_momentum", "learning_rate", "plateau_factor")
    counts = ("neck_repeats", "head_layers", "epochs", "candidates", "max_faces")
    for name in (*reals, *counts):
        value = getattr(s, name)
        if not (math.isfinite(value) and value > 0):
            raise RepriseError(f"{name} is {value}; give a finite number above 0")
    for name in ("weight_decay", "am_depth", "plateau_patience"):
        value = getattr(s, name)
        if not (math.isfinite(value) and value >= 0):
            raise RepriseError(f"{name} is {value}; give a finite number of at least 0")
    for name in ("anchor_ratios", "anchor_scales"):
        values = getattr(s, name)
        if not values or not all(math.isfinite(value) and value > 0 for value in values):
            raise RepriseError(f"{name} is {list(values)}; give at least one finite number above 0")


def _check_ranges(s: Settings) -> None:
    if s.neck_channels is not None and (s.neck_channels < 16 or s.neck_channels % 4):
        raise RepriseError(
            f"neck_channels is {s.neck_channels}; give a multiple of 4 from 16 on (a quarter goes through each branch of the "
            "RFE, a sixteenth through the attention)"
        )
    if s.am_depth > 2:
        raise RepriseError(f"am_depth is {s.am_depth}; give 0, 1 or 2")
    if s.train_size < DIVISOR or s.train_size % DIVISOR:
        raise RepriseError(f"train_size is {s.train_size}; give a multiple of {DIVISOR}")
    if s.bn_momentum > 1.0:
        raise RepriseError(f"bn_momentum is {s.bn_momentum}; give at most 1")
    if s.plateau_factor >= 1.0:
        raise RepriseError(f"plateau_factor is {s.plateau_factor}; give a share below 1, or the rate never falls")
    for name in ("score_threshold", "nms_iou"):
        if not 0.0 <= getattr(s, name) <= 1.0:
            raise RepriseError(f"{name} is {getattr(s, name)}; give a number from 0 to 1")


def preset_paper(task: str) -> dict[str, Json]:
    """B5 with COCO pre-training, as quoted. No checkpoint of the paper's own exists: the file is one of an EfficientDet-D5."""
    return {"init": "coco_efficientdet", "init_file": "efficientdet-d5.pth"}


def preset_small(task: str) -> dict[str, Json]:
    """For pictures of 128 pixels and some hundred iterations: every width reduced, statistics that keep up."""
    return {
        "backbone": "b0",
        "width": 0.35,
        "depth": 0.34,
        "neck_channels": 32,
        "bn_momentum": 0.1,
        "train_size": 128,
        "train_aug": "flip_resize",
    }
