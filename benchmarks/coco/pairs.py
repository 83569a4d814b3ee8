"""The tasks of detector distillation: who teaches whom, on which data. Light to import: neither torch nor mmdet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from benchmarks.base import Metric, RepriseError, Task, unknown
from benchmarks.coco.distillation.detectors import pair_kind
from benchmarks.coco.zoo import Detector, detector

if TYPE_CHECKING:
    from benchmarks.coco.distillation.stages import Stage

FAMILY = "distillation"
SYNTH = "synth/"
"""How the names of tasks on drawn pictures begin."""

AP = Metric(name="AP", unit="points", higher_is_better=True, margin=lambda published: 0.5, bounds=(0.0, 100.0))
"""Box AP over IoU 0.50:0.05:0.95, in points (0 to 100). Margin: statistics, section 3."""

Data = Literal["coco", "synthcoco"]


@dataclass(frozen=True)
class PairTask(Task):
    """A teacher and a student by their names in `benchmarks.coco.zoo`, and the data both are trained on."""

    teacher: str
    student: str
    data: Data

    @property
    def homogeneous(self) -> bool:
        """Whether both detectors are of one kind, so that neck and heads have the same parts."""
        kind = pair_kind(self.name)
        return kind.teacher == kind.student


def pair(name: str) -> PairTask:
    """The task of any pair of known detectors, from its name `<teacher>-><student>`, with `synth/` before it for small ones.

    Raises RepriseError for a name of another form, an unknown detector, and a detector of the other data.
    """
    synth = name.startswith(SYNTH)
    teacher, arrow, student = name.removeprefix(SYNTH).partition("->")
    if not arrow:
        raise RepriseError(f"task '{name}': name a pair <teacher>-><student>, or {SYNTH}<teacher>-><student>")
    made = PairTask(name, FAMILY, 1, AP, teacher, student, "synthcoco" if synth else "coco")
    for end in (teacher, student):
        _of_task(made, end)
    return made


def _of_task(of: PairTask, name: str) -> Detector:
    """A detector by name that belongs to the task's data."""
    found = detector(name)
    if found.small != (of.data == "synthcoco"):
        belongs = (
            "a small detector: it belongs to tasks" if found.small else "a detector of COCO: it belongs to tasks not"
        )
        raise RepriseError(f"task '{of.name}': {name} is {belongs} named {SYNTH}<teacher>-><student>")
    return found


_SYNTH_PAIRS = ("GFL-R18w28->GFL-R18w16", "GFL-R34w32->GFL-R18w16", "ATSS-R34w32->GFL-R18w16")

_COCO_PAIRS = (
    "RetinaNet-X101-64x4d-1x->RetinaNet-R50-2x",
    "CascadeMaskRCNN-X101-32x4d-DCN-1x->FasterRCNN-R50-2x",
    "MaskRCNN-SwinS-ms3x->RetinaNet-R50-2x",
    "FCOS-X101-64x4d-ms2x->RetinaNet-R50-1x",
    "RepPoints-X101-32x4d-DCN-2x->RepPoints-R50-2x",
    "RetinaNet-X101-64x4d-1x->RetinaNet-R101-2x",
    "RetinaNet-X101-64x4d-2x->RetinaNet-R50-2x",
    "RetinaNet-X101-64x4d-ms3x->RetinaNet-R50-2x",
    "RetinaNet-R101-2x->RetinaNet-R50-2x",
    "RetinaNet-SwinT-1x->RetinaNet-R50-1x",
    "FasterRCNN-R101-1x->FasterRCNN-R50-1x",
    "FasterRCNN-R101-2x->FasterRCNN-R50-2x",
    "CascadeMaskRCNN-X101-64x4d-20e->FasterRCNN-R50-2x",
    "CascadeMaskRCNN-X101-32x4d-DCN-1x->FasterRCNN-R101-2x",
    "CascadeMaskRCNN-X101-32x4d-DCN-1x->MaskRCNN-R50-2x",
    "RepPoints-X101-32x4d-DCN-2x->RepPoints-R101-2x",
    "FCOS-R101-ms2x->FCOS-R50-ms2x",
    "GFL-R101-ms2x->GFL-R50-1x",
    "ATSS-R101-1x->ATSS-R50-1x",
    "RetinaNet-R50-2x->RetinaNet-R18-1x",
)
"""Published pairs whose two detectors mmdet 3.3.0 packages, those to support first in front; the last is a small one of ours."""


class _Pairs(dict[str, PairTask]):
    """Tasks by name: those listed, and by its name any other pair of known detectors."""

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        try:
            return super().__contains__(name) or bool(pair(name))
        except RepriseError:
            return False

    def __missing__(self, name: str) -> PairTask:
        return pair(name)


TASKS = _Pairs((name, pair(name)) for name in (*(SYNTH + name for name in _SYNTH_PAIRS), *_COCO_PAIRS))
"""Every task by name. A pair that is not listed needs no entry: its name says all."""


def task(name: str) -> PairTask:
    """A task by its name; raises RepriseError with the nearest of those listed."""
    if name not in TASKS:
        raise unknown("task", name, TASKS)
    return TASKS[name]


def teachers_of(of: PairTask, stages: Iterable[Stage]) -> list[Detector]:
    """The teacher of each stage: the stage's own, or the pair's.

    Raises RepriseError for an unknown detector, and for one of the other data: a small teacher on COCO, or the reverse.
    """
    return [_of_task(of, stage.teacher or of.teacher) for stage in stages]
