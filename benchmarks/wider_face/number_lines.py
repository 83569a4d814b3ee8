"""Text files of numbers, with errors that name file and line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from benchmarks.base import RepriseError


def text_lines(path: Path) -> list[tuple[int, str]]:
    """The lines of a file that are not blank, with their 1-based numbers; raises RepriseError where it is not readable."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise RepriseError(f"{path}: not readable as text ({error})") from error
    return [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]


def finite_numbers(fields: Sequence[str], path: Path, number: int, line: str) -> list[float]:
    """Fields of a line as numbers; raises RepriseError with file, line and text where one is no finite number."""
    values = []
    for field in fields:
        try:
            value = float(field)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or "_" in field:
            raise RepriseError(f"{path}: line {number}: '{line}': '{field}' is no finite number")
        values.append(value)
    return values
