"""Annotated faces in memory, and WIDER FACE's own text format (`wider_face_*_bbx_gt.txt`; protocol, section 8)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from benchmarks.base import RepriseError

ATTRIBUTES = ("blur", "expression", "illumination", "invalid", "occlusion", "pose")
"""In the order of the text format."""

HIGHEST = (2, 1, 1, 1, 2, 1)
"""Each attribute counts from 0 (none) to this: 2 is heavy blur or heavy occlusion."""

UNKNOWN = -1
"""The value of an attribute that the format of a file does not have."""

PICTURES = (".jpg", ".jpeg", ".png")
_COLUMNS = 4 + len(ATTRIBUTES)
_DUMMY = [0] * _COLUMNS


@dataclass(frozen=True)
class FaceImage:
    """One picture and its faces.

    name: `event/picture.jpg`. boxes: (N, 4) float64, columns x y w h in pixels of the picture, origin 0, in the file's order;
    degenerate ones (w <= 0 or h <= 0) are kept. attributes: (N, 6) int8, columns as `ATTRIBUTES`, -1 where unknown. size: width
    and height where the file states them. where: the place in the file, for messages.
    """

    name: str
    boxes: np.ndarray
    attributes: np.ndarray
    size: tuple[int, int] | None = None
    where: str = ""

    @property
    def event(self) -> str:
        return self.name.partition("/")[0]

    @property
    def key(self) -> str:
        """`event/picture` without the ending, as results are keyed."""
        return str(PurePosixPath(self.name).with_suffix(""))

    @property
    def degenerate(self) -> np.ndarray:
        """(N,) bool: no width or no height; such a box can neither be learned nor found."""
        return np.asarray((self.boxes[:, 2:] <= 0).any(axis=1))

    def attribute(self, name: str) -> np.ndarray:
        """(N,) int8."""
        return self.attributes[:, ATTRIBUTES.index(name)]


@dataclass(frozen=True)
class FaceAnnotations:
    """A checked annotation file: its pictures in the file's order."""

    path: Path
    images: tuple[FaceImage, ...]

    @property
    def events(self) -> tuple[str, ...]:
        """Event names in the order in which they first occur."""
        return tuple(dict.fromkeys(image.event for image in self.images))

    @property
    def faces(self) -> int:
        """All boxes, degenerate and invalid ones included."""
        return sum(len(image.boxes) for image in self.images)


def face_image(
    name: str,
    rows: Sequence[Sequence[float]],
    attributes: Sequence[Sequence[int]] | None = None,
    size: tuple[int, int] | None = None,
    where: str = "",
) -> FaceImage:
    """A picture from rows x y w h; attributes are unknown where not given."""
    boxes = np.array(rows, np.float64).reshape(-1, 4)
    if attributes is None:
        values = np.full((len(boxes), len(ATTRIBUTES)), UNKNOWN, np.int8)
    else:
        values = np.array(attributes, np.int8).reshape(-1, len(ATTRIBUTES))
    return FaceImage(name, boxes, values, size, where)


def read_bbx_gt(path: Path) -> FaceAnnotations:
    """Read `wider_face_*_bbx_gt.txt`: name, count, then a line `x y w h` and six attributes per face.

    A picture without faces has count 0 and one line of ten zeros, which is no face. Raises RepriseError with file and line:
    not readable, a malformed or missing line, an attribute out of range, a picture named twice.
    """
    images: list[FaceImage] = []
    lines = _Lines(path)
    while lines.more():
        start = lines.number
        name = _name(lines)
        count = _count(lines, name)
        rows = [_face(lines, name, count) for _ in range(count)]
        if count == 0:
            _skip_dummy(lines)
        where = f"{path}:{start}"
        images.append(face_image(name, [row[:4] for row in rows], [row[4:] for row in rows], where=where))
    return checked(path, images)


def checked(path: Path, images: Sequence[FaceImage]) -> FaceAnnotations:
    """The annotations of a file; raises RepriseError where it has no picture, or one twice."""
    if not images:
        raise RepriseError(f"{path}: names no picture; give an annotation file of faces")
    places: dict[str, FaceImage] = {}
    for image in images:
        first = places.setdefault(image.key, image)
        if first is not image:
            raise RepriseError(
                f"{image.where}: picture {image.name} was described at {first.where} already; keep one of the two"
            )
    return FaceAnnotations(path, tuple(images))


def write_bbx_gt(images: Sequence[FaceImage], path: Path) -> None:
    """Write WIDER's text format, dummy lines and trailing blanks included; boxes must be whole numbers, attributes known."""
    path.write_text("".join(line + "\n" for image in images for line in _lines_of(image)), encoding="utf-8")


def _lines_of(image: FaceImage) -> Iterator[str]:
    rows = np.concatenate([image.boxes, image.attributes], axis=1)
    if (rows != np.floor(rows)).any() or (image.attributes < 0).any():
        raise RepriseError(f"{image.name}: WIDER's text format has whole boxes and known attributes only")
    yield image.name
    yield str(len(rows))
    for row in rows.astype(int).tolist() or [_DUMMY]:
        yield " ".join(map(str, row)) + " "


def text_of(path: Path) -> str:
    """The text of an annotation file; raises RepriseError where there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RepriseError(f"{path}: not readable as text ({error}); give an annotation file of faces") from error


def picture_name(text: str, where: str) -> str:
    """`event/picture.jpg`, checked; raises RepriseError."""
    parts = PurePosixPath(text)
    if len(parts.parts) != 2 or parts.suffix.lower() not in PICTURES or parts.parts[0] in ("/", ".."):
        raise RepriseError(f"{where}: '{text}' is no picture's name; expected event/picture{PICTURES[0]}")
    return text


class _Lines:
    """The lines of a file, one after the other; blank ones at the end do not count."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines = [line.strip() for line in text_of(path).rstrip().splitlines()]
        self._next = 0

    @property
    def number(self) -> int:
        """Of the next line, from 1."""
        return self._next + 1

    @property
    def where(self) -> str:
        """The line that was taken last."""
        return f"{self.path}:{self._next}"

    def more(self) -> bool:
        return self._next < len(self._lines)

    def peek(self) -> str:
        return self._lines[self._next] if self.more() else ""

    def take(self, expected: str) -> str:
        if not self.more():
            raise RepriseError(f"{self.path}: ends after line {self._next}, expected {expected}; the file is truncated")
        self._next += 1
        return self._lines[self._next - 1]


def _name(lines: _Lines) -> str:
    text = lines.take("a picture's name")
    if len(text.split()) == _COLUMNS:
        raise RepriseError(
            f"{lines.where}: '{text}' is a face where a picture's name is expected; the count before it is too small"
        )
    return picture_name(text, lines.where)


def _count(lines: _Lines, name: str) -> int:
    text = lines.take(f"the number of faces of {name}")
    if not (text.isascii() and text.isdigit()):
        raise RepriseError(f"{lines.where}: '{text}' is no number of faces; expected a whole number for {name}")
    return int(text)


def _face(lines: _Lines, name: str, count: int) -> list[int]:
    text = lines.take(f"one of the {count} faces of {name}")
    try:
        row = [int(part) for part in text.split()]
    except ValueError:
        row = []
    if len(row) != _COLUMNS:
        raise RepriseError(
            f"{lines.where}: '{text}' is none of the {count} faces of {name}; expected {_COLUMNS} whole numbers: "
            f"x y w h {' '.join(ATTRIBUTES)}"
        )
    for attribute, value, highest in zip(ATTRIBUTES, row[4:], HIGHEST, strict=True):
        if not 0 <= value <= highest:
            raise RepriseError(f"{lines.where}: {attribute} is {value}; expected 0 to {highest}")
    return row


def _skip_dummy(lines: _Lines) -> None:
    """Past the line of zeros that follows count 0; files without it are understood as well."""
    if len(lines.peek().split()) == _COLUMNS:
        text = lines.take("ten zeros")
        if text.split() != ["0"] * _COLUMNS:
            raise RepriseError(f"{lines.where}: '{text}' follows the count 0; expected ten zeros, or correct the count")
