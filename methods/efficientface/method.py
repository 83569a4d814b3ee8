"""EfficientFace (Wang et al., 2023) as a method of the face detection family."""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from benchmarks.base import register
from benchmarks.wider_face.contract import MIRROR, FaceMethod, Schedule
from methods.efficientface.settings import DIVISOR, Settings, preset_paper, preset_small

BATCH = 4
"""Pictures per iteration, as quoted."""


@register
class EfficientFace(FaceMethod):
    """One-shot detector on EfficientNet: SBiFPN, receptive field enhancement, attention. Reconstructed topology."""

    name = "efficientface"
    label = "EfficientFace"
    version = 1
    paper = "EfficientFace: An Efficient Deep Network with Feature Enhancement for Accurate Face Detection (2023)"
    reconstruction = True
    topology = "reconstructed topology"
    Settings = Settings
    presets = {"paper": preset_paper, "small": preset_small}
    divisor = DIVISOR

    @property
    def variant(self) -> str:
        """What a table calls this size, such as `EfficientFace-B0x0.35/0.34/32 (reconstructed topology)`."""
        return f"{self.label}-{self.settings.variant} ({self.topology})"

    @property
    def drop_invalid(self) -> bool:
        return bool(self.settings.drop_invalid)

    def augmentation(self, seed: int) -> list[dict[str, Any]]:
        """`das`: MogFace's; `flip_resize`: the longest side brought to `train_size`, zeros beside it (section 2.8)."""
        side = self.settings.train_size
        if self.settings.train_aug == "flip_resize":
            return [{"type": "Resize", "scale": (side, side), "keep_ratio": True}, dict(MIRROR)]
        from benchmarks.wider_face.augmentation import das_steps

        return das_steps({"side": side})

    def published(self, pictures: int, batch_size: int | None) -> Schedule:
        """AdamW, lowered where the watched loss stands still (section 2.8)."""
        s, batch = self.settings, batch_size or BATCH
        epoch = math.ceil(pictures / batch)
        wrapper = {
            "type": "OptimWrapper",
            "optimizer": {"type": "AdamW", "lr": s.learning_rate, "weight_decay": s.weight_decay},
        }
        plateau = {
            "type": "ReduceOnPlateauLR",
            "monitor": "loss",
            "factor": s.plateau_factor,
            "patience": s.plateau_patience,
        }
        return Schedule(s.epochs * epoch, batch, wrapper, [plateau], epoch, s.plateau_metric)

    def build(self) -> nn.Module:
        # mmdet is slow to import; planning a sweep needs the settings alone.
        from methods.efficientface.detector import EfficientFaceDetector
        from methods.efficientface.weights import load_initial

        detector = EfficientFaceDetector(self.settings)
        detector.initial = load_initial(detector.network, self.settings)
        return detector
