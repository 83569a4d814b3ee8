"""The adapter phi: brings the student's channels to the teacher's (specification, 1.1)."""

from __future__ import annotations

from typing import Literal

from torch import nn

from benchmarks.base import RepriseError

AdapterMode = Literal["auto", "always", "none"]


def adapter(student_channels: int, teacher_channels: int, mode: AdapterMode = "auto") -> nn.Module | None:
    """A 1x1 convolution with bias, Cs -> Ct, or None for the identity.

    `auto`: only where the counts differ; `always`; `none`: never, which raises RepriseError where they differ.
    """
    if mode == "none" and student_channels != teacher_channels:
        raise RepriseError(
            f"adapter=none, but the student's map has {student_channels} channels and the teacher's "
            f"{teacher_channels}; use adapter=auto"
        )
    if mode == "always" or student_channels != teacher_channels:
        return nn.Conv2d(student_channels, teacher_channels, kernel_size=1)
    return None
