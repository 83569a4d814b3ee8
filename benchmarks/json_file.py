"""Reading JSON that somebody may have damaged."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.base import Json, RepriseError


def read_json(path: Path, remedy: str) -> Json:
    """The json in a file; raises RepriseError with the remedy where there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RepriseError(f"{path}: not readable as JSON ({error}); {remedy}") from error
