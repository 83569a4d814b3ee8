"""What kind of detector a pair's student and teacher are, read from the task's name."""

from __future__ import annotations

import re
from typing import NamedTuple

from benchmarks.base import RepriseError

ONE_STAGE = ("RetinaNet", "GFL", "ATSS", "FCOS", "RepPoints")
TWO_STAGE = ("FasterRCNN", "MaskRCNN", "CascadeRCNN", "CascadeMaskRCNN")


class PairKind(NamedTuple):
    """Kinds of a pair's two detectors, as ONE_STAGE and TWO_STAGE spell them, and the teacher's name as the task has it."""

    teacher: str
    student: str
    teacher_name: str

    @property
    def two_stage(self) -> bool:
        """Whether the student is a two-stage detector; settings given per family mean the student's."""
        return self.student in TWO_STAGE


def pair_kind(task: str) -> PairKind:
    """The kinds of a task named `<teacher>-><student>`, such as `RetinaNet-X101-64x4d-1x->RetinaNet-R50-2x`.

    Case, hyphens and a prefix that ends in `/` do not matter. Raises RepriseError for another form or an unknown detector.
    """
    teacher, arrow, student = task.partition("->")
    if not arrow:
        raise RepriseError(f"task '{task}': the preset depends on the pair; name it <teacher>-><student>")
    return PairKind(_kind(teacher, task), _kind(student, task), teacher.rpartition("/")[2])


def _kind(name: str, task: str) -> str:
    plain = re.sub(r"[^a-z0-9]", "", name.rpartition("/")[2].lower())
    for kind in (*ONE_STAGE, *TWO_STAGE):
        if plain.startswith(kind.lower()):
            return kind
    raise RepriseError(
        f"task '{task}': '{name}' begins with none of {', '.join((*ONE_STAGE, *TWO_STAGE))}; choose a preset that does "
        "not depend on the pair, and give the weights"
    )
