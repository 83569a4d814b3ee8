"""EfficientFace (Wang et al., 2023) as a method of the face detection family."""

from __future__ import annotations

from torch import nn

from benchmarks.base import register
from benchmarks.wider_face.contract import FaceMethod
from methods.efficientface.settings import DIVISOR, Settings, preset_paper, preset_small


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

    def build(self) -> nn.Module:
        # mmdet is slow to import; planning a sweep needs the settings alone.
        from methods.efficientface.detector import EfficientFaceDetector
        from methods.efficientface.weights import load_initial

        detector = EfficientFaceDetector(self.settings)
        detector.initial = load_initial(detector.network, self.settings)
        return detector
