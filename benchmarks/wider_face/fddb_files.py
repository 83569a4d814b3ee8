"""FDDB's annotations, detections and image sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from benchmarks.base import RepriseError
from benchmarks.wider_face.fddb import ImageFaces
from benchmarks.wider_face.fddb_shapes import Shape, ellipse, rectangle
from benchmarks.wider_face.number_lines import finite_numbers, text_lines

IMAGES, FACES = 2845, 5171
_SUFFIXES = ("", ".jpg", ".jpeg", ".png")
_ELLIPSE, _RECTANGLE = 6, 5

Size = Callable[[str], tuple[int, int]]
"""Image -> width and height in pixels."""


@dataclass(frozen=True)
class FddbInput:
    """Annotations and detections by image. `shape` is what was detected: `rectangles` or `ellipses`."""

    images: Mapping[str, ImageFaces]
    shape: str
    notes: tuple[str, ...]


def load_fddb(annotations: Path, detections: Path, size: Size) -> FddbInput:
    """Annotated ellipses and detections, as pixels of their images.

    Both are a file or a folder of `.txt` files with blocks of image name, count and one line per shape: annotations `major
    minor angle x y 1`; detections `x y w h score` or `major minor angle x y score`. An annotated image without a block of
    detections has none. Raises RepriseError with file and line for what is malformed.
    """
    truth = _blocks(annotations, (_ELLIPSE,), "FDDB-fold-*-ellipseList.txt")
    found = _blocks(detections, (_RECTANGLE, _ELLIPSE), "*.txt")
    columns = {len(row) for rows in found.values() for row in rows}
    if len(columns) != 1:
        what = "rectangles and ellipses" if columns else "no detection"
        raise RepriseError(
            f"{detections}: has {what}; give one file, or folder, of either x y w h score or ellipses with score"
        )
    shared = truth.keys() & found.keys()
    if not shared:
        raise RepriseError(f"{detections}: none of its images, such as '{next(iter(found))}', is in {annotations}")
    images = {name: _faces(rows, found.get(name, []), *size(name)) for name, rows in truth.items()}
    shape = "ellipses" if columns == {_ELLIPSE} else "rectangles"
    return FddbInput(images, shape, _notes(truth, found))


def sizes_in(folder: Path) -> Size:
    """The sizes of the pictures under a folder, by FDDB's names (`2002/08/11/big/img_591`)."""

    def size(name: str) -> tuple[int, int]:
        for suffix in _SUFFIXES:
            path = folder / f"{name}{suffix}"
            if path.is_file():
                try:
                    with Image.open(path) as opened:
                        return opened.size
                except OSError as error:
                    raise RepriseError(f"{path}: not readable as a picture ({error})") from error
        raise RepriseError(f"{folder}: has no picture '{name}.jpg'; FDDB's masks are cut at the picture's edge")

    return size


def _blocks(path: Path, columns: tuple[int, ...], pattern: str) -> dict[str, list[list[float]]]:
    """Image -> rows of numbers, from one file or all files of a folder."""
    files = sorted(path.glob(pattern)) or sorted(path.glob("*.txt")) if path.is_dir() else [path]
    if not files:
        raise RepriseError(f"{path}: has no text file")
    held: dict[str, list[list[float]]] = {}
    for file in files:
        lines = text_lines(file)
        place = 0
        while place < len(lines):
            place = _block(file, lines, place, columns, held)
    return held


def _block(
    file: Path,
    lines: list[tuple[int, str]],
    place: int,
    columns: tuple[int, ...],
    held: dict[str, list[list[float]]],
) -> int:
    """Read one image's block from line `place` on into `held`; the place after it."""
    number, name = lines[place]
    counted = lines[place + 1][1] if place + 1 < len(lines) else ""
    if not counted.isdigit():
        raise RepriseError(f"{file}: line {number}: after '{name}' comes '{counted}', not the number of shapes")
    if name in held:
        raise RepriseError(f"{file}: line {number}: image '{name}' stands twice")
    end = place + 2 + int(counted)
    if end > len(lines):
        raise RepriseError(
            f"{file}: line {number}: '{name}' announces {counted} shapes; the file ends before; it is cut off"
        )
    held[name] = []
    for at, line in lines[place + 2 : end]:
        values = finite_numbers(line.split(), file, at, line)
        if len(values) not in columns:
            raise RepriseError(
                f"{file}: line {at}: '{line}' has {len(values)} numbers, not {' or '.join(map(str, columns))}"
            )
        if len(values) == _ELLIPSE and min(values[:2]) <= 0:
            raise RepriseError(f"{file}: line {at}: '{line}': an ellipse's radii must be positive")
        held[name].append(values)
    return end


def _faces(annotated: list[list[float]], found: list[list[float]], width: int, height: int) -> ImageFaces:
    faces = [_shape(row[:-1], width, height) for row in annotated]
    return ImageFaces(faces, [_shape(row[:-1], width, height) for row in found], [row[-1] for row in found])


def _shape(numbers: list[float], width: int, height: int) -> Shape:
    if len(numbers) == _ELLIPSE - 1:
        major, minor, angle, x, y = numbers
        return ellipse(major, minor, angle, x, y, width, height)
    x, y, w, h = numbers
    return rectangle(x, y, w, h, width, height)


def _notes(truth: Mapping[str, list[list[float]]], found: Mapping[str, list[list[float]]]) -> tuple[str, ...]:
    notes = []
    faces = sum(map(len, truth.values()))
    if (len(truth), faces) != (IMAGES, FACES):
        notes.append(f"{len(truth):,} images with {faces:,} faces; FDDB has {IMAGES:,} with {FACES:,}")
    missing, foreign = truth.keys() - found.keys(), found.keys() - truth.keys()
    if missing:
        notes.append(f"{len(missing):,} images have no detections, {min(missing)} first")
    if foreign:
        notes.append(f"detections on {len(foreign):,} images that are not annotated are ignored, {min(foreign)} first")
    return tuple(notes)
