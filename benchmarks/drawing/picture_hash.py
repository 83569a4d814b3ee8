"""The identity of a picture by its pixels, and the check of a drawn one against it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.base import RepriseError


def picture_hash(pixels: np.ndarray) -> str:
    """sha256 over the shape and the pixels; not over the PNG, whose bytes depend on the compressor."""
    return hashlib.sha256(f"{pixels.shape}".encode() + np.ascontiguousarray(pixels).tobytes()).hexdigest()


def check_picture(path: Path, expected: str, folder: Path) -> None:
    """Raise RepriseError where the picture in a file is not the one that was drawn into the set in `folder`."""
    try:
        with Image.open(path) as opened:
            found = picture_hash(np.asarray(opened))
    except (OSError, SyntaxError) as error:
        raise RepriseError(f"{path}: not readable ({error}); remove {folder}, it is built again") from error
    if found != expected:
        raise RepriseError(f"{path}: its pixels differ from what was built; remove {folder}, it is built again")
