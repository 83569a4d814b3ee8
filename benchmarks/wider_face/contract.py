"""The contract of face detectors: what a method declares and builds, for the harness that trains and tests every one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

from torch import Tensor, nn

from benchmarks.base import Method

FAMILY = "face_detection"
Plateau = Literal["train_loss", "val_loss"]

MIRROR = {"type": "RandomFlip", "prob": 0.5}
"""The last step of every augmentation."""


class Schedule(NamedTuple):
    """How long and with what a detector trains: `optim_wrapper` and `schedulers` of mmengine, lengths in iterations.

    plateau: the loss that schedulers by epoch watch (`ReduceOnPlateauLR`, monitor `loss`); epoch: iterations of an epoch, None
    where nothing happens by epoch.
    """

    iterations: int
    batch_size: int
    optim_wrapper: Mapping[str, Any]
    schedulers: Sequence[Mapping[str, Any]]
    epoch: int | None = None
    plateau: Plateau = "train_loss"


class LearnedAnchors(NamedTuple):
    """The anchors of one picture that learn a face: (P, 4) tensors of exclusive corners, in pixels of the input.

    `recruited` (P,): those that a step beyond the usual matching chose.
    """

    anchors: Tensor
    faces: Tensor
    recruited: Tensor


class FaceMethod(Method):
    """A face detector, built from its resolved settings.

    Subclasses declare what `Method` asks for, and write `build`, `augmentation` and `published`. The detector is an mmdet
    `BaseDetector` with one category: the harness calls its `loss(inputs, data_samples)` and `predict(inputs, data_samples)`, and
    sets its attribute `nms_iou`, the IoU from which a box is suppressed, where a test protocol fixes it; `reprise show --matches`
    draws what its `learned_anchors(inputs, data_samples)` gives, a `LearnedAnchors` per picture. `divisor`: sides of the
    padded batch are multiples of it.
    """

    family = FAMILY
    divisor: ClassVar[int] = 32

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @property
    def variant(self) -> str:
        """What a table calls this size of the model."""
        return self.label

    @property
    def drop_invalid(self) -> bool:
        """Whether faces that WIDER marks invalid are left out of training."""
        return False

    @property
    def swap_negative(self) -> bool:
        """Whether a box of negative width or height is turned round for training instead of dropped."""
        return False

    def build(self) -> nn.Module:
        """The detector with fresh weights, drawn from torch's default generator."""
        raise NotImplementedError

    def augmentation(self, seed: int) -> list[dict[str, Any]]:
        """The steps of mmdet's pipeline between loading a picture with its faces and packing it; `seed` is the run's."""
        raise NotImplementedError

    def published(self, pictures: int, batch_size: int | None) -> Schedule:
        """The paper's schedule for so many training pictures; a batch size of None is the paper's. No rate is scaled."""
        raise NotImplementedError
