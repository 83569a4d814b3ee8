"""Which levels of two necks belong together (specification, 1.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.base import RepriseError
from benchmarks.coco.distillation.contract import LevelSettings


class LevelPair(NamedTuple):
    """Positions of a student's and a teacher's map among the captured ones, and the student's stride there."""

    student: int
    teacher: int
    stride: int


def pair_levels(
    student_strides: Sequence[int], teacher_strides: Sequence[int], settings: LevelSettings
) -> list[LevelPair]:
    """The pairs of levels to distil, finest first, from the strides that each captured map has.

    Raises RepriseError where a stride asked for is missing on either side, or where nothing is left to pair.
    """
    if settings.level_match == "stride":
        pairs = [
            LevelPair(place, list(teacher_strides).index(stride), stride)
            for place, stride in enumerate(student_strides)
            if stride in teacher_strides
        ]
    else:
        shared = min(len(student_strides), len(teacher_strides))
        pairs = [LevelPair(place, place, student_strides[place]) for place in range(shared)]
    found = f"student strides {list(student_strides)}, teacher strides {list(teacher_strides)}"
    if settings.levels is not None:
        missing = sorted(set(settings.levels) - {pair.stride for pair in pairs})
        if missing:
            raise RepriseError(
                f"levels asks for stride {missing[0]}, which level_match={settings.level_match} cannot pair ({found})"
            )
        pairs = [pair for pair in pairs if pair.stride in settings.levels]
    if not pairs:
        raise RepriseError(f"no level to distil: {found}; level_match=index pairs them by position")
    return pairs[: settings.max_levels]
