"""Reading the cell arrays of WIDER FACE's `.mat` files: one cell per event, in it one cell per image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from benchmarks.base import RepriseError

Cells = list[list[np.ndarray]]
"""Event -> image -> array."""


def read_variables(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """The named variables of a MATLAB v5 file; raises RepriseError where the file is none or lacks one of them."""
    try:
        held = loadmat(str(path), variable_names=list(names))
    except FileNotFoundError as error:
        raise RepriseError(f"{path}: no such file") from error
    except Exception as error:  # scipy raises whatever a broken byte leads to: zlib.error, ValueError, TypeError, ...
        raise RepriseError(f"{path}: not readable as a MATLAB v5 file ({error}); copy or download it again") from error
    absent = [name for name in names if name not in held]
    if absent:
        raise RepriseError(f"{path}: has no variable '{absent[0]}'; is this the right file, and whole?")
    return {name: held[name] for name in names}


def events_of(value: np.ndarray, path: Path) -> list[str]:
    """`event_list` as names, verbatim."""
    return [_text(cell, path) for cell in value.ravel()]


def names_of(value: np.ndarray, path: Path) -> list[list[str]]:
    """`file_list` as image names by event."""
    return [[_text(cell, path) for cell in event.ravel()] for event in value.ravel()]


def cells_of(value: np.ndarray, counts: Sequence[int], path: Path, variable: str) -> Cells:
    """A variable with one array per image; raises RepriseError where it has not `counts[i]` images in event i."""
    events = [list(event.ravel()) for event in value.ravel()]
    found = [len(event) for event in events]
    if found != list(counts):
        raise RepriseError(
            f"{path}: '{variable}' does not have one cell per image of 'file_list'; take the original file"
        )
    return events


def _text(cell: np.ndarray, path: Path) -> str:
    """A name in its cell; MATLAB's char arrays arrive as an array of one string."""
    inner = np.asarray(cell).ravel()
    if inner.size == 1 and isinstance(inner[0], str):
        return str(inner[0])
    raise RepriseError(f"{path}: holds {cell!r} where a name is expected; take the original file")
