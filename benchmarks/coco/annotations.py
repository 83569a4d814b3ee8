"""An `instances` json in COCO's format, checked whole before anything uses it."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path

from benchmarks.base import Json, RepriseError
from benchmarks.json_file import read_json

COCO_AREA_LIMITS = (32.0**2, 96.0**2)
"""Areas in square pixels between small and medium and between medium and large (protocol, section 2)."""

ANY_NUMBER = sys.maxsize
"""For `load_annotations`: boxes without a side are let through, however many."""

_KEYS = {
    "images": ("id", "file_name", "width", "height"),
    "annotations": ("id", "image_id", "category_id", "bbox", "area", "iscrowd"),
    "categories": ("id", "name"),
}
_SHOWN = 5


@dataclass(frozen=True)
class Annotations:
    """A checked annotation file. `dataset` is the json as read; nobody changes it.

    `area_limits` (square pixels) comes from `info.area_limits`, which sets with small images state, else COCO's.
    """

    path: Path
    dataset: Mapping[str, Json]

    @property
    def images(self) -> list[dict[str, Json]]:
        return list(self.dataset["images"])

    @property
    def objects(self) -> list[dict[str, Json]]:
        """All annotations, crowd regions included."""
        return list(self.dataset["annotations"])

    @property
    def categories(self) -> dict[int, str]:
        """Category id -> name, in the file's order."""
        return {entry["id"]: entry["name"] for entry in self.dataset["categories"]}

    @property
    def labels(self) -> dict[int, int]:
        """Category id -> label 0, 1, ... without gaps, in the file's order. COCO's own ids have gaps (1 to 90 for 80)."""
        return {identity: label for label, identity in enumerate(self.categories)}

    @property
    def area_limits(self) -> tuple[float, float]:
        low, high = (self.dataset.get("info") or {}).get("area_limits", COCO_AREA_LIMITS)
        return float(low), float(high)

    def require_categories(self, names: Sequence[str]) -> None:
        """Raise RepriseError unless the file lists exactly these names (a detector would drop the others without a word)."""
        here = set(self.categories.values())
        missing, foreign = sorted(set(names) - here), sorted(here - set(names))
        if missing or foreign:
            raise RepriseError(
                f"{self.path}: its categories are not the {len(set(names))} expected: missing {some(missing)}, "
                f"not expected {some(foreign)}; use the annotation file that belongs to this detector"
            )


def load_annotations(path: Path, zero_boxes: int = 0) -> Annotations:
    """Read and check an annotation file.

    `zero_boxes` is the number of boxes without width or height that the set is known to have (mmdet's training loader
    drops them). Raises RepriseError, naming file and entries: not readable, missing keys, duplicate ids, annotations of
    unknown images or categories, negative or zero boxes, numbers that are not finite.
    """
    dataset = read_json(path, "give an instances json in COCO's format")
    if not isinstance(dataset, dict) or any(not isinstance(dataset.get(part), list) for part in _KEYS):
        raise RepriseError(f"{path}: needs the lists {', '.join(_KEYS)}; give an instances json in COCO's format")
    for part, keys in _KEYS.items():
        _check_keys(path, part, dataset[part], keys)
        _check_unique(path, part, "id", (entry["id"] for entry in dataset[part]))
    _check_unique(path, "categories", "name", (entry["name"] for entry in dataset["categories"]))
    _check_unique(path, "images", "file_name", (entry["file_name"] for entry in dataset["images"]))
    _check_references(path, dataset)
    _check_image_sizes(path, dataset["images"])
    _check_boxes(path, dataset["annotations"], zero_boxes)
    _check_area_limits(path, dataset.get("info"))
    return Annotations(path, dataset)


def finite(value: Json) -> bool:
    """Whether a value is a number other than NaN and the infinities (True and False are no numbers here)."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def box_problem(box: Json) -> str | None:
    """What keeps a value from being x, y, width, height in pixels; zero sides are let through."""
    if not isinstance(box, (list, tuple)) or len(box) != 4:
        return f"bbox must be [x, y, width, height], not {box!r}"
    if not all(map(finite, box)):
        return f"bbox {list(box)!r} has a value that is no finite number"
    return f"bbox {list(box)!r} has a negative width or height" if box[2] < 0 or box[3] < 0 else None


def _check_keys(path: Path, part: str, entries: Sequence[Json], keys: Sequence[str]) -> None:
    for index, entry in enumerate(entries):
        missing = [key for key in keys if key not in entry] if isinstance(entry, dict) else list(keys)
        if missing:
            raise RepriseError(
                f"{path}: {part}[{index}] has no {', '.join(missing)}; every entry of {part} needs {', '.join(keys)}"
            )


def _check_unique(path: Path, part: str, key: str, values: Iterable[Hashable]) -> None:
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise RepriseError(
            f"{path}: {len(twice)} values of '{key}' occur more than once in {part}: {some(twice)}; make them unique"
        )


def _check_references(path: Path, dataset: Mapping[str, Json]) -> None:
    for key, part in (("image_id", "images"), ("category_id", "categories")):
        known = {entry["id"] for entry in dataset[part]}
        lost = [entry for entry in dataset["annotations"] if entry[key] not in known]
        if lost:
            pairs = [f"annotation {entry['id']} to {entry[key]}" for entry in lost]
            raise RepriseError(
                f"{path}: {len(lost)} annotations refer to a {key} that is not in {part}: {some(pairs)}; "
                f"add the {part} or remove them"
            )


def _check_image_sizes(path: Path, images: Sequence[Mapping[str, Json]]) -> None:
    wrong = [
        entry["id"]
        for entry in images
        if not all(finite(entry[side]) and entry[side] > 0 for side in ("width", "height"))
    ]
    if wrong:
        raise RepriseError(
            f"{path}: {len(wrong)} images have no positive width and height: {some(wrong)}; correct them"
        )


def _check_boxes(path: Path, annotations: Sequence[Mapping[str, Json]], zero_boxes: int) -> None:
    bad = [f"annotation {entry['id']}: {problem}" for entry in annotations if (problem := box_problem(entry["bbox"]))]
    bad += [
        f"annotation {entry['id']}: area {entry['area']!r}"
        for entry in annotations
        if not finite(entry["area"]) or entry["area"] < 0
    ]
    if bad:
        raise RepriseError(f"{path}: {len(bad)} malformed boxes or areas: {some(bad)}; correct or remove them")
    zero = [entry["id"] for entry in annotations if has_zero_side(entry)]
    if len(zero) > zero_boxes:
        raise RepriseError(
            f"{path}: {len(zero)} boxes have no width or no height ({zero_boxes} are known of this set), "
            f"annotations {some(zero)}; remove them"
        )


def has_zero_side(entry: Mapping[str, Json]) -> bool:
    """Whether an annotation's box has no width or no height."""
    return min(entry["bbox"][2:]) == 0


def _check_area_limits(path: Path, info: Json) -> None:
    limits = info.get("area_limits", COCO_AREA_LIMITS) if isinstance(info, dict) else COCO_AREA_LIMITS
    valid = isinstance(limits, (list, tuple)) and len(limits) == 2 and all(map(finite, limits))
    if not valid or not 0 < limits[0] < limits[1]:
        raise RepriseError(f"{path}: info.area_limits must be two rising areas in square pixels, not {limits!r}")


def some(values: Sequence[object]) -> str:
    """The first few of many, for a message."""
    shown = ", ".join(map(str, values[:_SHOWN]))
    return (shown or "none") + (f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else "")
