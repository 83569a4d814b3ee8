"""Inheriting: the student starts with the teacher's neck and heads (specification, 7.3)."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import nn

from benchmarks.base import RepriseError

BACKBONE = "backbone."
SHOWN = 3
"""How many keys a message names."""


class InheritReport(NamedTuple):
    """Keys of the teacher's entries: copied; skipped (the backbone, and what the student does not have); of another shape.

    own: the student's entries outside its backbone that got nothing.
    """

    copied: tuple[str, ...]
    skipped: tuple[str, ...]
    mismatched: tuple[str, ...]
    own: tuple[str, ...]


@torch.no_grad()
def inherit(
    student: nn.Module, teacher: nn.Module, mode: Literal["yes", "partial"], homogeneous: bool
) -> InheritReport:
    """Copy every entry of the teacher outside its backbone into a student whose weights are initialised.

    `yes` asks for detectors of one kind (`homogeneous`) in which every such entry has its place on both sides; `partial`
    copies what fits. Raises RepriseError, with the student unchanged, where `yes` cannot be had or `partial` finds nothing.
    """
    if mode == "yes" and not homogeneous:
        raise RepriseError(
            f"inherit=yes: {type(teacher).__name__} and {type(student).__name__} are detectors of different kinds; "
            "use inherit=partial to copy what fits, or inherit=no"
        )
    source, target = teacher.state_dict(), student.state_dict()
    offered = [key for key in source if not key.startswith(BACKBONE)]
    mismatched = tuple(key for key in offered if key in target and source[key].shape != target[key].shape)
    copied = tuple(key for key in offered if key in target and key not in set(mismatched))
    absent = tuple(key for key in offered if key not in target)
    own = tuple(key for key in target if not key.startswith(BACKBONE) and key not in set(copied))
    if mode == "yes":
        _refuse(target, source, mismatched, absent, own)
    if not copied:
        raise RepriseError(f"inherit={mode}: nothing of the teacher's neck and heads fits the student; use inherit=no")
    for key in copied:
        target[key].copy_(source[key])
    backbone = tuple(key for key in source if key.startswith(BACKBONE))
    return InheritReport(copied, backbone + absent, mismatched, own)


def _refuse(
    target: dict[str, torch.Tensor],
    source: dict[str, torch.Tensor],
    mismatched: tuple[str, ...],
    absent: tuple[str, ...],
    own: tuple[str, ...],
) -> None:
    """Raise unless everything found its place."""
    lacking = tuple(key for key in own if key not in source)
    shapes = [f"{key} {tuple(source[key].shape)} -> {tuple(target[key].shape)}" for key in mismatched]
    problems = [
        f"{len(keys)} {what} ({', '.join(keys[:SHOWN])}{', ...' if len(keys) > SHOWN else ''})"
        for what, keys in (
            ("of another shape", shapes),
            ("that the student lacks", absent),
            ("that the teacher lacks", lacking),
        )
        if keys
    ]
    if problems:
        raise RepriseError(
            f"inherit=yes: not every entry of neck and heads can be copied: {'; '.join(problems)}; "
            "use inherit=partial to copy what fits, or inherit=no"
        )
