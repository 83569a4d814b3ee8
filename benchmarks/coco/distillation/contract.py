"""The contract of distillation methods: what a level's loss is given, what it gives back, what a method declares.

Notation of every file beside this one: N images, C channels, H rows, W columns; FS and FT the student's and the teacher's map
of one level, phi the adapter, s = phi(FS) and t = FT once both have the same shape (N, C, H, W).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.base import Method, RepriseError
from benchmarks.coco.distillation.resize import Resized, matched
from benchmarks.coco.distillation.stages import Stage

FAMILY = "distillation"


@dataclass(frozen=True, eq=False)
class BatchContext:
    """What a level's loss may know of the batch besides the two maps. One context serves every level.

    boxes: per image (n, 4), x1 y1 x2 y2 in pixels of the resized image, crowd boxes left out. img_shapes: per image (h, w)
    after resizing and before padding; batch_input_shape: (h, w) of the padded batch. teacher_boxes: as boxes, the teacher's
    own detections, only where a method asks for them. seed, rank and iteration determine the masks. stage counts from 0;
    stage_progress is 0 at the stage's first iteration and 1 at its last. Raises RepriseError for anything that does not fit.
    """

    boxes: Sequence[Tensor]
    img_shapes: Sequence[tuple[int, int]]
    batch_input_shape: tuple[int, int]
    seed: int = 0
    rank: int = 0
    iteration: int = 0
    stage: int = 0
    stage_progress: float = 0.0
    teacher_boxes: Sequence[Tensor] | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.stage_progress <= 1.0:
            raise RepriseError(f"stage_progress is {self.stage_progress}; give the share of the stage done, 0 to 1")
        self._check_boxes("boxes", self.boxes)
        if self.teacher_boxes is not None:
            self._check_boxes("teacher_boxes", self.teacher_boxes)
        for image, (height, width) in enumerate(self.img_shapes):
            if height < 1 or width < 1 or height > self.batch_input_shape[0] or width > self.batch_input_shape[1]:
                raise RepriseError(
                    f"image {image} of the batch is {height} x {width} (h x w) before padding and the padded batch "
                    f"{self.batch_input_shape[0]} x {self.batch_input_shape[1]}; give the size after resizing"
                )

    def _check_boxes(self, name: str, boxes: Sequence[Tensor]) -> None:
        if len(boxes) != len(self.img_shapes):
            raise RepriseError(
                f"{name} are given for {len(boxes)} of {len(self.img_shapes)} images; give (0, 4) where there are none"
            )
        for image, found in enumerate(boxes):
            if found.dim() != 2 or found.shape[1] != 4:
                raise RepriseError(f"{name} of image {image} have the shape {tuple(found.shape)}; give (n, 4)")
            if not torch.isfinite(found).all():
                raise RepriseError(f"{name} of image {image} hold NaN or infinite coordinates; check the annotations")


class LevelSpec(NamedTuple):
    """One level to be distilled: the student's stride there (pixels per cell) and both channel counts."""

    stride: int
    student_channels: int
    teacher_channels: int


@dataclass(frozen=True)
class LevelSettings:
    """Where a method distils; every method's `Settings` extends it (specification, 1.3 and 7.3).

    scale multiplies every term, so that a method's weights can be tried together, their ratios kept. capture: the neck's
    output convolutions or its outputs. levels: the student's strides (None: all); max_levels: at most this many, the finest
    first. level_match: `stride` pairs equal strides and refuses maps of unequal size, `index` pairs by position and resizes the
    student's or the teacher's map (`resize`). inherit: `auto` copies the teacher's neck and heads where both detectors are of
    one kind; `partial` allows that some entries do not fit.
    """

    scale: float = 1.0
    capture: Literal["fpn_conv", "neck"] = "fpn_conv"
    levels: tuple[int, ...] | None = None
    max_levels: int | None = None
    level_match: Literal["stride", "index"] = "stride"
    resize: Resized = "student"
    inherit: Literal["auto", "yes", "no", "partial"] = "no"

    def __post_init__(self) -> None:
        check_positive(scale=self.scale)
        if self.levels is not None and (not self.levels or len(set(self.levels)) != len(self.levels)):
            raise RepriseError(f"levels is {list(self.levels)}; give the student's strides, each once")
        if self.max_levels is not None and self.max_levels < 1:
            raise RepriseError(f"max_levels is {self.max_levels}; give 1 or more, or none for all levels")


class LevelLoss(nn.Module):
    """The loss of one level: `forward` prepares the two maps, a method writes `terms`.

    weights maps each term to its weight. A term of weight 0 is not computed and reported as 0; where every weight is 0 the
    level is inert and has no parameters, so `phi` must then be None (None: identity). resize None refuses maps of unequal size.
    """

    def __init__(
        self, stride: int, weights: Mapping[str, float], phi: nn.Module | None = None, resize: Resized | None = None
    ) -> None:
        super().__init__()
        self.stride = stride
        self.weights = dict(weights)
        self.scale = 1.0
        self.phi = phi if phi is not None else nn.Identity()
        self.resize = resize

    @property
    def inert(self) -> bool:
        """Whether nothing of this level can reach the student."""
        return not any(self.weights.values())

    def forward(self, fs: Tensor, ft: Tensor, context: BatchContext) -> dict[str, Tensor]:
        """Every term as a weighted scalar, from maps (N, Cs, H, W) and (N, Ct, H', W').

        Single precision at least, whatever autocast says outside; FT is a constant. Raises RepriseError, naming the stride,
        for maps that do not belong together.
        """
        zero = torch.zeros((), device=fs.device)
        if self.inert:
            return dict.fromkeys(self.weights, zero)
        where = f"level of stride {self.stride}"
        if fs.dim() != 4 or ft.dim() != 4 or len(fs) != len(ft):
            raise RepriseError(
                f"{where}: student map {tuple(fs.shape)} and teacher map {tuple(ft.shape)}; "
                "both must be (N, C, H, W) of the same N images"
            )
        if len(context.img_shapes) != len(fs):
            raise RepriseError(f"{where}: maps of {len(fs)} images, a context of {len(context.img_shapes)}")
        with torch.autocast(fs.device.type, enabled=False):
            s, t = matched(self.phi(_single(fs)), _single(ft.detach()), self.resize, where)
            found = self.terms(s, t, context)
        return {name: self.scale * found[name] if name in found else zero for name in self.weights}

    def terms(self, s: Tensor, t: Tensor, context: BatchContext) -> dict[str, Tensor]:
        """Terms with weights other than 0, already weighted; s = phi(FS) and t = FT, both (N, C, H, W)."""
        raise NotImplementedError

    def undecayed(self) -> list[nn.Parameter]:
        """Parameters that the optimiser must not decay."""
        return []

    def figures(self) -> dict[str, float]:
        """Figures of the level's state for the log that are no losses."""
        return {}


def _single(value: Tensor) -> Tensor:
    return value.float() if value.dtype in (torch.float16, torch.bfloat16) else value


class DistillationMethod(Method):
    """A way to distil, built from its resolved settings; it expands to one `LevelLoss` per level.

    Subclasses declare what `Method` asks for and write `level`. Their presets give method settings only.
    """

    family = FAMILY
    Settings: ClassVar[type] = LevelSettings

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    def level(self, student_channels: int, teacher_channels: int, stride: int) -> LevelLoss:
        """The loss of one level, its new parameters drawn from torch's default generator."""
        raise NotImplementedError

    def build(self, levels: Sequence[LevelSpec]) -> nn.ModuleList:
        """The losses of all levels, in the order given."""
        built = [self.level(spec.student_channels, spec.teacher_channels, spec.stride) for spec in levels]
        for level in built:
            level.scale = self.settings.scale
        return nn.ModuleList(built)

    def inherits(self, homogeneous: bool) -> bool:
        """Whether the student starts with the teacher's neck and heads; homogeneous: both detectors are of one kind."""
        return homogeneous if self.settings.inherit == "auto" else self.settings.inherit != "no"

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Training stages in order; without any the pair's teacher teaches throughout."""
        return (Stage(),)

    @property
    def distils(self) -> bool:
        """Whether it is a way to distil at all; if not, it builds no level and the student trains as it is."""
        return True

    @property
    def carry(self) -> Literal["all", "student"]:
        """What a later stage keeps: the losses' modules as far as channels allow, or the student alone."""
        return "all"

    @property
    def restarts(self) -> bool:
        """Whether each stage is a training of its own (warm-up, decays, fresh momentum), and not part of one schedule."""
        return True

    @property
    def teacher_score(self) -> float | None:
        """The least score of the teacher's detections that `BatchContext.teacher_boxes` holds; None: its head does not run."""
        return None

    @property
    def resize(self) -> Resized | None:
        """Which map is resized to the other's size; None where unequal sizes are refused."""
        return self.settings.resize if self.settings.level_match == "index" else None


def log_key(method: str, term: str, stride: int) -> str:
    """The name under which a term is logged; mmengine sums exactly the keys that contain `loss`."""
    return f"loss_{method}_{term}_s{stride}"


def inert_strides(levels: Sequence[LevelLoss]) -> list[int]:
    """Strides of the levels whose weights are all 0. Where that is every level, the run is plain training."""
    return [level.stride for level in levels if level.inert]


def check_weights(**weights: float) -> None:
    """Raise RepriseError unless each weight is a finite number of at least 0."""
    for name, weight in weights.items():
        if not (math.isfinite(weight) and weight >= 0.0):
            raise RepriseError(f"{name} is {weight}; a loss weight is a finite number of at least 0")


def check_shares(**shares: float) -> None:
    """Raise RepriseError unless each value lies in [0, 1]."""
    for name, share in shares.items():
        if not 0.0 <= share <= 1.0:
            raise RepriseError(f"{name} is {share}; give a share from 0 to 1")


def check_positive(**values: float) -> None:
    """Raise RepriseError unless each value is a finite number above 0."""
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0.0):
            raise RepriseError(f"{name} is {value}; give a finite number above 0")
