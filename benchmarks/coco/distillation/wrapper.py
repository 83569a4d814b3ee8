"""The distiller: a student that mmengine trains like any detector while a frozen teacher looks on (specification, 7.1)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from benchmarks.base import RepriseError, stream_seed
from benchmarks.coco.distillation.capture import Captured, channels, strides
from benchmarks.coco.distillation.contract import (
    FAMILY,
    BatchContext,
    DistillationMethod,
    LevelLoss,
    LevelSpec,
    inert_strides,
    log_key,
)
from benchmarks.coco.distillation.levels import LevelPair, pair_levels
from benchmarks.coco.distillation.loss_scale import LossScale
from benchmarks.coco.distillation.preprocessor import OnMismatch, Renormaliser, reconciled
from benchmarks.coco.distillation.stages import carry_over
from benchmarks.detection import install_ops

install_ops()

from mmdet.models.detectors.base import BaseDetector  # noqa: E402
from mmdet.structures import DetDataSample  # noqa: E402
from mmdet.structures.bbox import get_box_tensor  # noqa: E402


class Distiller(BaseDetector):
    """A student with the losses of its levels, and a teacher that is no part of it.

    `student` and `losses` are registered; the teacher is not, so parameters, state, checkpoints and copies are without it. It
    stays in evaluation mode. Weights are initialised before: `init_weights` does nothing. Made by `build_distiller`.
    """

    student: Any
    teacher: Any

    def __init__(
        self,
        student: nn.Module,
        method: DistillationMethod,
        seed: int,
        rank: int = 0,
        on_mismatch: OnMismatch = "error",
    ) -> None:
        super().__init__(data_preprocessor=student.data_preprocessor)
        self.student = student
        self.method, self.seed, self.rank, self.on_mismatch = method, seed, rank, on_mismatch
        self.losses = nn.ModuleList()
        self.teacher = None
        self.pairs: list[LevelPair] = []
        self.specs: list[LevelSpec] = []
        self.renormalise: Renormaliser | None = None
        self.report: LossScale | None = None
        self.teachers_met = 0
        self.begin(0, 0, 0.0)

    def begin(self, iteration: int, stage: int, progress: float) -> None:
        """Where training stands: the iteration over all stages, the stage (both from 0), and the share of the stage done."""
        self.iteration, self.stage, self.progress = iteration, stage, progress

    @property
    def distils(self) -> bool:
        """Whether any loss can reach the student; where none can, the teacher does not run."""
        return len(inert_strides(self.levels)) < len(self.losses)

    @property
    def levels(self) -> list[LevelLoss]:
        """The losses, one per pair of levels, finest first."""
        return [level for level in self.losses if isinstance(level, LevelLoss)]

    # -- the teacher stays outside ---------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "teacher":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)
        if self.teacher is not None:
            self.teacher._apply(fn, recurse)
        return self

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        if self.teacher is not None:
            self.teacher.eval()
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A copy that shares the teacher, for averages of the weights."""
        memo[id(self.teacher)] = self.teacher
        made = type(self).__new__(type(self))
        memo[id(self)] = made
        made.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return made

    def init_weights(self) -> None:
        """Nothing: what was inherited would be lost."""

    # -- a detector like the student -------------------------------------------------------------------------------------

    def extract_feat(self, batch_inputs: Tensor) -> Any:
        return self.student.extract_feat(batch_inputs)

    def predict(self, batch_inputs: Tensor, batch_data_samples: Any, **more: Any) -> Any:
        return self.student.predict(batch_inputs, batch_data_samples, **more)

    def _forward(self, batch_inputs: Tensor, batch_data_samples: Any = None) -> Any:
        return self.student._forward(batch_inputs, batch_data_samples)

    def loss(self, batch_inputs: Tensor, batch_data_samples: Sequence[Any]) -> dict[str, Any]:
        """The student's losses, then each level's terms under `log_key`; terms of weight 0 are 0."""
        if not self.distils:
            found = dict(self.student.loss(batch_inputs, batch_data_samples))
            return found | {key: batch_inputs.new_zeros(()) for key in self._keys()}
        taught, boxes = self._taught(batch_inputs, batch_data_samples)
        context = self._context(batch_inputs, batch_data_samples, boxes)
        with Captured(self.student, self.method.settings.capture) as caught:
            task = dict(self.student.loss(batch_inputs, batch_data_samples))
            maps = caught.maps()
            distilled = self._distilled(maps, taught, context)
            self._tell(task, distilled, maps)
        return task | distilled

    # -- one iteration ---------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def _taught(self, inputs: Tensor, samples: Sequence[Any]) -> tuple[list[Tensor], list[Tensor] | None]:
        """The teacher's maps, and its boxes where the method wants them. Not in inference mode: losses save these tensors."""
        if self.renormalise is not None:
            inputs = self.renormalise(inputs, [_shape(sample) for sample in samples])
        least = self.method.teacher_score
        with Captured(self.teacher, self.method.settings.capture) as caught:
            if least is None:
                self.teacher.extract_feat(inputs)
                return caught.maps(), None
            blank = [DetDataSample(metainfo=sample.metainfo) for sample in samples]
            found = [sample.pred_instances for sample in self.teacher.predict(inputs, blank, rescale=False)]
            return caught.maps(), [get_box_tensor(each.bboxes)[each.scores >= least] for each in found]

    def _context(self, inputs: Tensor, samples: Sequence[Any], teacher_boxes: list[Tensor] | None) -> BatchContext:
        """Crowd boxes are not among `gt_instances`: mmdet keeps them apart."""
        height, width = inputs.shape[-2:]
        return BatchContext(
            [get_box_tensor(sample.gt_instances.bboxes) for sample in samples],
            [_shape(sample) for sample in samples],
            (int(height), int(width)),
            self.seed,
            self.rank,
            self.iteration,
            self.stage,
            self.progress,
            teacher_boxes,
        )

    def _distilled(self, maps: list[Tensor], taught: list[Tensor], context: BatchContext) -> dict[str, Tensor]:
        return {
            log_key(self.method.name, term, pair.stride): value
            for pair, level in zip(self.pairs, self.losses, strict=True)
            for term, value in level(maps[pair.student], taught[pair.teacher], context).items()
        }

    def _keys(self) -> list[str]:
        return [log_key(self.method.name, term, level.stride) for level in self.levels for term in level.weights]

    def _tell(self, task: Mapping[str, Any], distilled: Mapping[str, Tensor], maps: list[Tensor]) -> None:
        if self.report is not None and self.report.wants(self.iteration):
            by_stride = {pair.stride: maps[pair.student] for pair in self.pairs}
            self.report.add(self.iteration, task, distilled, by_stride, self.figures())

    def figures(self) -> dict[str, float]:
        """Figures of the losses' state for the log, such as fusion weights; no name contains `loss`."""
        return {
            f"{self.method.name}_{name}_s{level.stride}": value
            for level in self.levels
            for name, value in level.figures().items()
        }

    # -- meeting a teacher -----------------------------------------------------------------------------------------------

    def meet(self, teacher: Any) -> tuple[list[LevelPair], list[LevelSpec]]:
        """Freeze a teacher and take it as the present one; return which levels pair and what each is made of."""
        settings = self.method.settings
        pairs = pair_levels(strides(self.student, settings.capture), strides(teacher, settings.capture), settings)
        own, other = channels(self.student, settings.capture), channels(teacher, settings.capture)
        self.renormalise = reconciled(self.student.data_preprocessor, teacher.data_preprocessor, self.on_mismatch)
        device = next(self.student.parameters()).device
        self.teacher = teacher.to(device).requires_grad_(False).eval()
        return pairs, [LevelSpec(pair.stride, own[pair.student], other[pair.teacher]) for pair in pairs]

    def fresh_losses(self, specs: Sequence[LevelSpec]) -> nn.ModuleList:
        """The levels' losses for one more teacher, drawn from a seed of their own: no global generator moves."""
        with _own_generator(stream_seed("init.losses", FAMILY, self.seed, self.teachers_met)):
            built = self.method.build(specs)
        self.teachers_met += 1
        return built.to(next(self.student.parameters()).device)


def build_distiller(
    student: nn.Module,
    teacher: nn.Module | None,
    method: DistillationMethod,
    seed: int,
    rank: int = 0,
    on_mismatch: OnMismatch = "error",
    allow_inert: bool = False,
) -> Distiller:
    """A distiller of a student and a teacher whose weights are final: initialised, inherited, loaded.

    A method that distils nothing needs no teacher. Raises RepriseError where another has none, where every weight is 0
    (unless `allow_inert`: the run is then the plain student's to the bit), where no level pairs, and where the two detectors
    prepare images in different ways (`on_mismatch`).
    """
    made = Distiller(student, method, seed, rank, on_mismatch)
    if not method.distils:
        return made
    if teacher is None:
        raise RepriseError(
            f"method '{method.name}' distils, but no teacher is given; load one, or train the plain student"
        )
    made.pairs, made.specs = made.meet(teacher)
    made.losses = made.fresh_losses(made.specs)
    if not made.distils and not allow_inert:
        raise RepriseError(
            f"method '{method.name}': every loss weight is 0, so nothing would be distilled; "
            "give a weight, or train the plain student"
        )
    return made


class StageChange(NamedTuple):
    """What a change of teacher left of the losses. kept: the modules are the same objects, and so is an optimiser's state.

    fresh: by stride, the parts that start anew (adapter, generators, ...); all others hold their values.
    """

    kept: bool
    fresh: dict[int, list[str]]


def next_stage(distiller: Distiller, teacher: nn.Module) -> StageChange:
    """Give the student its next teacher (specification, 4.3); the student itself is not touched.

    With carry=all, losses go on, but what depends on a changed number of channels starts anew; with carry=student all do.
    Unless the losses were kept, the optimiser must be built again.
    """
    distiller.pairs, specs = distiller.meet(teacher)
    before, distiller.specs = distiller.specs, specs
    if distiller.method.carry == "all" and specs == before:
        return StageChange(True, {})
    old = {level.stride: level for level in distiller.levels}
    distiller.losses = distiller.fresh_losses(specs)
    fresh: dict[int, list[str]] = {}
    for level in distiller.levels:
        if distiller.method.carry == "all" and level.stride in old:
            left = carry_over(old[level.stride], level)
        else:
            left = [name for name, part in level.named_children() if part.state_dict()]
        if left:
            fresh[level.stride] = left
    return StageChange(False, fresh)


@contextmanager
def _own_generator(seed: int) -> Iterator[None]:
    """torch's CPU generator at a seed of its own; modules are built on the CPU, so no other generator is drawn from."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def _shape(sample: Any) -> tuple[int, int]:
    """(h, w) after resizing and before padding."""
    height, width = sample.img_shape[:2]
    return int(height), int(width)
