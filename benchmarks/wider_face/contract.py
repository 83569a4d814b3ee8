"""The contract of face detectors: what a method declares and builds, for the harness that trains and tests every one."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import nn

from benchmarks.base import Method

FAMILY = "face_detection"


class FaceMethod(Method):
    """A face detector, built from its resolved settings.

    Subclasses declare what `Method` asks for, and write `build`. The detector is an mmdet `BaseDetector` with one category:
    `loss(inputs, data_samples)` and `predict(inputs, data_samples)` are all that the harness calls. `divisor`: sides of the
    padded batch are multiples of it.
    """

    family = FAMILY
    divisor: ClassVar[int] = 32

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    def build(self) -> nn.Module:
        """The detector with fresh weights, drawn from torch's default generator."""
        raise NotImplementedError
