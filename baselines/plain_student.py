"""The plain student: trained without distillation, or with nothing of the teacher but its neck and heads at the start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import nn

from benchmarks.base import register
from benchmarks.coco.distillation.contract import DistillationMethod, LevelSpec


@dataclass(frozen=True)
class Settings:
    """inherit, as in `LevelSettings`: whether the student starts with the teacher's neck and heads."""

    inherit: Literal["auto", "yes", "no", "partial"] = "no"


@register
class Plain(DistillationMethod):
    """What every gain is measured against."""

    name = "plain"
    label = "plain student"
    version = 1
    paper = "the student's own configuration"
    Settings = Settings
    presets = {
        "none": lambda task: {},
        "inherit": lambda task: {"inherit": "yes"},
        "small": lambda task: {},
    }

    @property
    def distils(self) -> bool:
        return False

    def build(self, levels: Sequence[LevelSpec]) -> nn.ModuleList:
        return nn.ModuleList()
