"""Budget and protocol of training and testing a face detector."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from benchmarks.base import RepriseError
from benchmarks.detection.precision import Precision
from benchmarks.wider_face.face_scene import FaceSceneSettings
from benchmarks.wider_face.protocols import Protocol
from benchmarks.wider_face.synth_faces import SynthFacesSettings

SCENES = {
    "varied": FaceSceneSettings(),
    "clear": FaceSceneSettings(blurred=0.15, occluded=0.15, soft=0.0, dim=0.0, grain=4),
}


@dataclass(frozen=True)
class TrainingSettings:
    """How a detector is trained and tested; resolved into every run.

    schedule `published`: the method's own, cut at `iterations` where they are given. `short` (ours, for every method alike):
    AdamW at short_rate with weight decay 0.01, gradients clipped at short_clip (L2 norm), one cycle over `iterations`.
    batch_size None: the published one; no rate is scaled. eval_every None: one test, at the end; tests on the way use the first
    protocol. protocols: how the last weights are tested, each by its own figures; `orig` is among them. train_images,
    val_images, data_seed and scenes (`clear` ones are learned in fewer iterations) belong to drawn faces. machine: where a
    model's cost is measured, filled in by the suite.
    """

    schedule: Literal["published", "short"] = "published"
    iterations: int | None = None
    batch_size: int | None = None
    short_rate: float = 3e-3
    short_clip: float = 10.0
    eval_every: int | None = None
    protocols: tuple[Protocol, ...] = ("orig",)
    precision: Precision = "fp32"
    train_images: int = 1200
    val_images: int = 300
    data_seed: int = 0
    scenes: Literal["varied", "clear"] = "varied"
    machine: str = ""

    def __post_init__(self) -> None:
        for name in ("iterations", "batch_size", "eval_every", "train_images", "val_images"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise RepriseError(f"{name} is {value}; give 1 or more")
        for name in ("short_rate", "short_clip"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                raise RepriseError(f"{name} is {value}; give a finite number above 0")
        if self.schedule == "short" and self.iterations is None:
            raise RepriseError("schedule short has no length of its own; give iterations")
        if "orig" not in self.protocols or len(set(self.protocols)) < len(self.protocols):
            raise RepriseError(f"protocols are {list(self.protocols)}; give each once, and 'orig' among them")

    @property
    def synth(self) -> SynthFacesSettings:
        """The drawn faces."""
        return SynthFacesSettings(self.train_images, self.val_images, self.data_seed, SCENES[self.scenes])
