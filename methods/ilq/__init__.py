"""Imagination-Limited Q-learning (IJCAI 2025), rebuilt from the paper: no code was released."""

from methods.ilq.ilq import ILQ
from methods.ilq.settings import Settings

__all__ = ["ILQ", "Settings"]
