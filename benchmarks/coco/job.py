"""A run with everything it names looked up: task, method, teachers, data, and its length cut into parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from benchmarks.base import Run, stream_seed
from benchmarks.coco.backbones import FRESH
from benchmarks.coco.distillation.contract import DistillationMethod
from benchmarks.coco.distillation.stages import stage_ends
from benchmarks.coco.fitting import trainable_images
from benchmarks.coco.pairs import PairTask
from benchmarks.coco.recipes import Budget, CocoRecipe, recipe
from benchmarks.coco.sets import PictureSet, open_set
from benchmarks.coco.settings import TrainingSettings
from benchmarks.coco.teachers import Teacher, categories_of
from benchmarks.coco.zoo import detector


@dataclass(frozen=True)
class Segment:
    """Iterations `start` to `end` (exclusive) of a run, trained with one optimiser and one schedule."""

    start: int
    end: int
    recipe: CocoRecipe


@dataclass(frozen=True)
class Job:
    """A run, and what its training needs. Iterations count over all stages."""

    run: Run
    task: PairTask
    method: DistillationMethod
    training: TrainingSettings
    teachers: Sequence[Teacher]

    @cached_property
    def data(self) -> PictureSet:
        return open_set(self.task, self.training)

    @cached_property
    def whole(self) -> CocoRecipe:
        """The student's recipe over all stages."""
        return self._recipe(self._budget)

    @cached_property
    def stage_ends(self) -> list[int]:
        """The iteration at which each stage of the method ends (exclusive)."""
        return stage_ends(list(self.method.stages), self.whole.iterations)

    @cached_property
    def segments(self) -> list[Segment]:
        """What is trained in one go each: the stages where each starts anew, else all at once."""
        if not self.method.restarts or len(self.stage_ends) == 1:
            return [Segment(0, self.whole.iterations, self.whole)]
        starts = [0, *self.stage_ends]
        return [
            Segment(a, b, self._recipe(self._stage_budget(b - a)))
            for a, b in zip(starts, self.stage_ends, strict=False)
        ]

    def seed(self, purpose: str, *index: int) -> int:
        """The seed of one purpose of this run."""
        return stream_seed(purpose, self.run.task, self.run.seed, *index)

    @cached_property
    def _budget(self) -> Budget:
        chosen = self.training
        return Budget(
            chosen.iterations,
            chosen.batch_size,
            chosen.learning_rate,
            chosen.clip,
            self._images,
            backbone=chosen.backbone,
        )

    def _stage_budget(self, iterations: int) -> Budget:
        """The budget of a stage, whose schedule is a whole one of its own."""
        if self.whole.epoch is None:
            return replace(self._budget, iterations=iterations)
        return replace(self._budget, iterations=None, epochs=iterations / self.whole.epoch)

    @cached_property
    def _images(self) -> int | None:
        """The training pictures that the filter leaves, which give an epoch its length; small recipes have no epochs."""
        if self.task.data == "synthcoco":
            return None
        rule = self._recipe(Budget(images=1, backbone=FRESH)).filter_cfg
        return trainable_images(self.data.train, rule)

    def _recipe(self, budget: Budget) -> CocoRecipe:
        return recipe(detector(self.task.student), categories_of(self.task), budget)
