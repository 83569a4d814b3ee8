"""RetinaFace's `label.txt` and SCRFD's `labelv2.txt`: faces under `# picture` headers, read to x y w h (protocol, section 8)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

from benchmarks.base import RepriseError
from benchmarks.wider_face.annotations import FaceAnnotations, FaceImage, checked, face_image, picture_name, text_of

HEADER = "#"
_LANDMARKS = 15
"""Five points of three numbers each; x, y and a flag."""


class _Header(NamedTuple):
    name: str
    size: tuple[int, int] | None
    where: str


def read_headed(path: Path) -> FaceAnnotations:
    """Read either format; the header decides: SCRFD's states width and height, RetinaFace's does not.

    RetinaFace: `x y w h`, in train followed by five landmarks and a blur score (20 numbers). SCRFD: corners `x1 y1 x2 y2`,
    followed by five landmarks or not (19 or 4). Landmarks are checked and left out; attributes are unknown. Raises RepriseError
    with file and line: a malformed line, faces before a header, a picture named twice, both formats in one file.
    """
    images: list[FaceImage] = []
    header: _Header | None = None
    rows: list[list[float]] = []
    for number, line in enumerate(text_of(path).splitlines(), 1):
        where = f"{path}:{number}"
        if line.startswith(HEADER):
            found = _header(line, where)
            if header is not None:
                images.append(_image(header, rows))
                _require_same_format(header, found)
            header, rows = found, []
        elif line.strip():
            if header is None:
                raise RepriseError(f"{where}: a face before any picture; expected a line '# event/picture.jpg' first")
            rows.append(_box(line, header, where))
    if header is not None:
        images.append(_image(header, rows))
    return checked(path, images)


def _header(line: str, where: str) -> _Header:
    parts = line[len(HEADER) :].split()
    if len(parts) not in (1, 3):
        raise RepriseError(f"{where}: '{line}' is no header; expected '# picture' or '# picture width height'")
    name = picture_name(parts[0], where)
    if len(parts) == 1:
        return _Header(name, None, where)
    if not all(part.isascii() and part.isdigit() and int(part) > 0 for part in parts[1:]):
        raise RepriseError(f"{where}: '{line}' states no width and height; expected '# picture width height'")
    return _Header(name, (int(parts[1]), int(parts[2])), where)


def _require_same_format(first: _Header, second: _Header) -> None:
    if (first.size is None) != (second.size is None):
        raise RepriseError(
            f"{second.where}: width and height are stated for some pictures only; do not mix RetinaFace's and SCRFD's format"
        )


def _box(line: str, header: _Header, where: str) -> list[float]:
    corners = header.size is not None
    widths = (4, 4 + _LANDMARKS) if corners else (4, 4 + _LANDMARKS + 1)
    try:
        values = [float(part) for part in line.split()]
    except ValueError:
        values = []
    if len(values) not in widths or not all(map(math.isfinite, values)):
        form = "x1 y1 x2 y2" if corners else "x y w h"
        raise RepriseError(
            f"{where}: '{line.strip()}' is no face; expected {form} and {widths[1]} or {widths[0]} finite numbers in all"
        )
    x, y, third, fourth = values[:4]
    return [x, y, third - x, fourth - y] if corners else [x, y, third, fourth]


def _image(header: _Header, rows: list[list[float]]) -> FaceImage:
    return face_image(header.name, rows, size=header.size, where=header.where)
