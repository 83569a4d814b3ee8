"""The pictures that an annotation file speaks of: all there, and a sample read and measured."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from benchmarks.base import Json, RepriseError
from benchmarks.coco.annotations import Annotations, some


def check_pictures(truth: Annotations, folder: Path, sample: int) -> None:
    """Every picture exists; `sample` of them, evenly spread, decode whole and have the size that the annotations state.

    Raises RepriseError naming the annotation file, the folder and the pictures.
    """
    if not folder.is_dir():
        raise RepriseError(f"{folder}: no such folder; the pictures of {truth.path} are expected there")
    missing = _missing(truth, folder)
    if missing:
        raise RepriseError(
            f"{folder}: {len(missing)} of {len(truth.images)} pictures of {truth.path} are not there: {some(missing)}; "
            f"complete the folder"
        )
    images = truth.images
    problems = [
        problem for image in images[:: max(1, len(images) // max(1, sample))] if (problem := _problem(folder, image))
    ]
    if problems:
        raise RepriseError(
            f"{folder}: {len(problems)} of the pictures read are wrong: {some(problems)}; fetch them again"
        )


def _missing(truth: Annotations, folder: Path) -> list[str]:
    """File names that are not there. One listing of the folder answers for all that lie directly in it."""
    here = {entry.name for entry in os.scandir(folder)}
    names = [image["file_name"] for image in truth.images]
    return [name for name in names if name not in here and not (os.path.dirname(name) and (folder / name).is_file())]


def _problem(folder: Path, image: Mapping[str, Json]) -> str | None:
    name = image["file_name"]
    try:
        with Image.open(folder / name) as opened:
            opened.load()
            size = opened.size
    except (OSError, SyntaxError) as error:  # PIL raises SyntaxError for a broken PNG
        return f"{name} cannot be read ({error})"
    stated = (image["width"], image["height"])
    return None if size == stated else f"{name} is {size[0]} x {size[1]}, the annotations say {stated[0]} x {stated[1]}"
