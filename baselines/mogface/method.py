"""MogFace as a method of face detection: settings, presets, and what builds the detector."""

from __future__ import annotations

from torch import nn

from baselines.mogface.presets import PRESETS
from baselines.mogface.settings import Settings as MogFaceSettings
from benchmarks.base import register
from benchmarks.wider_face.contract import FaceMethod


@register
class MogFace(FaceMethod):
    """LFPN with deep heads; DAS or SSE, Ali-AMS and HCAM as switches."""

    name = "mogface"
    label = "MogFace"
    version = 1
    paper = "Liu et al. 2022, MogFace: Towards a Deeper Appreciation on Face Detection"
    Settings = MogFaceSettings
    presets = PRESETS
    divisor = 1

    @property
    def variant(self) -> str:
        """What a table calls this size: `MogFace-R101`, or with channels reduced `MogFace-R18w10/16` (first stage, pyramid)."""
        s = self.settings
        narrow = (s.width, s.pyramid) != (MogFaceSettings.width, MogFaceSettings.pyramid)
        return f"{self.label}-R{s.depth}" + (f"w{s.width}/{s.pyramid}" if narrow else "")

    def build(self) -> nn.Module:
        # mmdet takes seconds to import, and listing methods must not.
        from baselines.mogface.detector import MogFaceDetector
        from benchmarks.detection.configs import quiet

        quiet()
        detector = MogFaceDetector(self.settings)
        detector.init_weights()
        return detector
