"""One image's file of predictions in WIDER FACE's text format (protocol, section 2)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import numpy as np

from benchmarks.base import RepriseError

ScoreColumn = Literal["fifth", "last"]
CountMismatch = Literal["error", "warn", "lines"]

_SUFFIXES = (".jpg", ".jpeg", ".png", ".txt")
_SHOWN = 60


@dataclass(frozen=True)
class ImageText:
    """What a file says: the name in its first line, detections (k, 5) as x, y, w, h, score, and what is odd about it."""

    name: str
    detections: np.ndarray
    empty: bool = False
    announced: int | None = None
    """The number in line 2, where it differs from that of the lines."""


def parse(data: bytes, where: str, score: ScoreColumn = "fifth", mismatch: CountMismatch = "error") -> ImageText:
    """Read a file's bytes. `where` names it in errors; `mismatch` other than `error` takes the lines where line 2 disagrees.

    Raises RepriseError with `where`, the 1-based line and its text for fewer than five fields, a field that is no finite
    number, a line 2 that is no count, and a count that the lines contradict.
    """
    lines = data.splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        return ImageText("", np.zeros((0, 5)), empty=True)
    count = _count(lines, where)
    detections = _plain(lines[2:])
    if detections is None:
        detections = _checked(lines[2:], where, score)
    if len(detections) != count and mismatch == "error":
        raise RepriseError(
            f"{where}: line 2: '{_shown(lines[1])}' announces {count} detections, but {len(detections)} lines follow; export the "
            "file again, or take the lines (--count-mismatch lines)"
        )
    name = lines[0].decode("utf-8", "replace").strip()
    return ImageText(name, detections, announced=count if len(detections) != count else None)


def base_name(text: str) -> str:
    """An image's name without folders and without the extension of a picture."""
    name = text.replace("\\", "/").rsplit("/", 1)[-1]
    for suffix in _SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


def _count(lines: list[bytes], where: str) -> int:
    text = lines[1].strip() if len(lines) > 1 else b""
    if not text.isdigit():
        raise RepriseError(
            f"{where}: line 2: '{_shown(text)}' is not the number of detections; line 1 is the image's name, line 2 the number, "
            "then one line x y w h score for each"
        )
    return int(text)


def _plain(lines: list[bytes]) -> np.ndarray | None:
    """Detections (k, 5) where every line has five finite numbers, the usual case; None: look at each line."""
    rows = [line.split() for line in lines]
    if any(len(row) != 5 for row in rows) or any(b"_" in line for line in lines):
        return None
    try:
        values = np.array(list(map(float, chain.from_iterable(rows))))
    except ValueError:
        return None
    return values.reshape(-1, 5) if np.isfinite(values).all() else None


def _checked(lines: list[bytes], where: str, score: ScoreColumn) -> np.ndarray:
    """Line by line, with extra columns and blank lines; the first bad line is named."""
    found = []
    for number, line in enumerate(lines, 3):
        fields = line.split()
        if not fields:
            continue
        if len(fields) < 5:
            raise RepriseError(
                f"{where}: line {number}: '{_shown(line)}' has {len(fields)} fields; x y w h score are needed"
            )
        taken = [*fields[:4], fields[-1] if score == "last" else fields[4]]
        values = [_number(field) for field in taken]
        if None in values:
            bad = taken[values.index(None)]
            raise RepriseError(f"{where}: line {number}: '{_shown(line)}': '{_shown(bad)}' is no finite number")
        found.append(values)
    return np.array(found, np.float64).reshape(-1, 5)


def _number(field: bytes) -> float | None:
    try:
        value = float(field)
    except ValueError:
        return None
    return value if math.isfinite(value) and b"_" not in field else None


def _shown(text: bytes) -> str:
    shown = text.decode("utf-8", "replace").strip()
    return shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "..."
