"""Budget and protocol of training a student, and of the teachers that the suite trains itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from benchmarks.base import RepriseError
from benchmarks.coco.distillation.loss_scale import PUBLISHED_RANGE
from benchmarks.coco.synth import SynthSettings
from benchmarks.detection.precision import Precision


@dataclass(frozen=True)
class TrainingSettings:
    """How a student is trained; resolved into every run (detection protocol, sections 5 and 6).

    iterations None: the student's packaged schedule. batch_size, learning_rate and clip None: as the student's recipe has them
    (a packaged learning rate is scaled linearly with the batch); clip is the largest L2 norm of all gradients, 0: no clipping.
    eval_every None: one evaluation, at the end. The last checkpoint counts, no other. backbone, of packaged detectors: what it
    starts from, `zoo` (the published weights, in the checkpoints' folder), `fresh`, or a file.
    train_images, val_images and data_seed belong to drawn pictures; teacher_iterations to the teachers trained on them.
    on_mismatch: what to do where the teacher was trained with another preprocessor. A teacher below min_probe_ap points teaches
    nobody; allow_teacher_mismatch lets one teach whose AP is not the model zoo's. kd_range: the ratios of distillation loss to
    task loss that pass without a warning. teachers: what the teachers' weights are, filled in by the suite.
    """

    iterations: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    clip: float | None = None
    eval_every: int | None = None
    backbone: str = "zoo"
    precision: Precision = "fp32"
    train_images: int = 3000
    val_images: int = 400
    data_seed: int = 0
    teacher_iterations: int = 2400
    on_mismatch: Literal["error", "renormalise", "ignore"] = "error"
    min_probe_ap: float = 5.0
    allow_teacher_mismatch: bool = False
    kd_range: tuple[float, float] = PUBLISHED_RANGE
    teachers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("iterations", "batch_size", "eval_every", "train_images", "val_images", "teacher_iterations"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise RepriseError(f"{name} is {value}; give 1 or more")
        if self.learning_rate is not None and not (math.isfinite(self.learning_rate) and self.learning_rate > 0.0):
            raise RepriseError(f"learning_rate is {self.learning_rate}; give a finite number above 0")
        if self.clip is not None and not (math.isfinite(self.clip) and self.clip >= 0.0):
            raise RepriseError(f"clip is {self.clip}; give the largest norm of the gradients, or 0 for no clipping")
        if not 0.0 <= self.kd_range[0] < self.kd_range[1]:
            raise RepriseError(f"kd_range is {list(self.kd_range)}; give a smaller and a larger ratio")

    @property
    def synth(self) -> SynthSettings:
        """The drawn pictures."""
        return SynthSettings(self.train_images, self.val_images, self.data_seed)
