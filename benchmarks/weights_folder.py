"""Where weights that somebody downloaded lie on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.base import home

VARIABLE = "REPRISE_CHECKPOINTS"


def checkpoints_folder() -> Path:
    """`$REPRISE_CHECKPOINTS`, by default `<home>/checkpoints`."""
    chosen = os.environ.get(VARIABLE)
    return Path(chosen).expanduser().absolute() if chosen else home() / "checkpoints"
