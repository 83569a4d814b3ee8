"""EfficientFace (Wang et al., 2023; arXiv 2302.11816), rebuilt from its abstract and quoted figures: no code was released."""

from methods.efficientface.method import EfficientFace
from methods.efficientface.settings import Settings

__all__ = ["EfficientFace", "Settings"]
