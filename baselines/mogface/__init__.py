"""MogFace (Liu et al., CVPR 2022), written from its description: network, matching, sampling and losses."""

from baselines.mogface.method import MogFace
from baselines.mogface.settings import Settings

__all__ = ["MogFace", "Settings"]
