"""MogFace as a method of face detection: settings, presets, and what builds the detector."""

from __future__ import annotations

from typing import Any

from torch import nn

from baselines.mogface import schedule
from baselines.mogface.presets import PRESETS
from baselines.mogface.settings import Settings as MogFaceSettings
from benchmarks.base import register
from benchmarks.wider_face.contract import MIRROR, FaceMethod, Schedule


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

    @property
    def swap_negative(self) -> bool:
        return True

    def augmentation(self, seed: int) -> list[dict[str, Any]]:
        """Distortion, DAS or SSE, and the mirror; or the mirror alone (section 3.5)."""
        s = self.settings
        if s.sampling == "none":
            return [dict(MIRROR)]
        from benchmarks.wider_face.augmentation import das_steps

        varying = None if not s.multi_size else "run" if s.mst_draw == "released" else "batch"
        return das_steps(
            {
                "side": s.crop,
                "sampling": s.sampling,
                "area_side": s.area_side,
                "sse_main": s.sse_main,
                "sse_low": s.sse_low,
                "min_face": s.min_face,
                "varying": varying,
                "seed": seed,
            }
        )

    def published(self, pictures: int, batch_size: int | None) -> Schedule:
        return schedule.published(self.settings, batch_size)

    def build(self) -> nn.Module:
        # mmdet takes seconds to import, and listing methods must not.
        from baselines.mogface.detector import MogFaceDetector
        from benchmarks.detection.configs import quiet

        quiet()
        detector = MogFaceDetector(self.settings)
        detector.init_weights()
        return detector
