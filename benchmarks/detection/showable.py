"""What `reprise show` asks of a family whose runs find things in pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

from benchmarks.base import Run


@runtime_checkable
class MatchShowable(Protocol):
    """A benchmark that can draw what a run's anchors learn."""

    def match_sheet(self, run: Run, folder: Path, count: int) -> bytes:
        """A PNG of `count` validation pictures, evenly spread: each object with the anchors that stand for it.

        `folder` is the run's training folder. Raises RepriseError where its weights or the pictures are not there.
        """


@runtime_checkable
class Showable(Protocol):
    """A benchmark that can draw what a run found."""

    def sheet(self, run: Run, folder: Path, count: int, threshold: float) -> bytes:
        """A PNG of `count` validation pictures, evenly spread, with ground truth and the run's detections from `threshold` on.

        `folder` is the run's training folder. Raises RepriseError where its predictions or the pictures are not there.
        """
