"""Predictions in COCO's result format, as evaluation servers take them, checked against their ground truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.base import Json, RepriseError
from benchmarks.coco.annotations import Annotations, box_problem, finite
from benchmarks.json_file import read_json

Kind = Literal["bbox", "segm"]
"""What is compared: boxes or masks."""

REGION = {"bbox": "bbox", "segm": "segmentation"}
"""The key of an entry that holds its box or mask."""

_LONGEST_CODE = 7
"""Groups of five bits in a run of a mask of less than 2^32 pixels."""


def read(path: Path) -> list[Json]:
    """The entries of a results file, not yet checked; raises RepriseError where it holds no list."""
    remedy = "give a results json in COCO's format: a list of {image_id, category_id, bbox or segmentation, score}"
    value = read_json(path, remedy)
    if not isinstance(value, list):
        raise RepriseError(f"{path}: holds no list; {remedy}")
    return value


def checked(entries: Sequence[Json], truth: Annotations, kind: Kind, source: str) -> list[dict[str, Json]]:
    """Copies of the entries with the four keys that pycocotools needs and no other.

    An entry for masks must not keep its box: pycocotools would take the box's area for the mask's. Raises RepriseError
    that names `source` and the entry: missing keys, unknown image or category, a malformed box or mask, a score that is
    no finite number.
    """
    sizes = {image["id"]: [image["height"], image["width"]] for image in truth.images}
    categories = truth.categories
    region = REGION[kind]
    if region == "segmentation" or not _plainly_right(entries, sizes, categories):
        for index, entry in enumerate(entries):
            problem = _problem(entry, sizes, categories, region)
            if problem:
                raise RepriseError(f"{source}: entry {index}: {problem}")
    keys = ("image_id", "category_id", region, "score")
    return [{key: entry[key] for key in keys} for entry in entries]


def _plainly_right(entries: Sequence[Json], sizes: Mapping[int, list[int]], categories: Mapping[int, str]) -> bool:
    """All boxes at once, so that half a million entries cost little beside pycocotools. False: look at each."""
    try:
        ids = {entry["image_id"] for entry in entries} <= set(sizes)
        known = {entry["category_id"] for entry in entries} <= set(categories)
        scores = np.array([entry["score"] for entry in entries])
        boxes = np.array([entry["bbox"] for entry in entries])
    except (KeyError, TypeError, ValueError):
        return False
    numbers = scores.dtype.kind in "fiu" and boxes.dtype.kind in "fiu" and boxes.shape == (len(entries), 4)
    return bool(
        ids
        and known
        and numbers
        and np.isfinite(scores).all()
        and np.isfinite(boxes).all()
        and (boxes[:, 2:] >= 0).all()
    )


def _problem(entry: Json, sizes: Mapping[int, list[int]], categories: Mapping[int, str], region: str) -> str | None:
    if not isinstance(entry, Mapping):
        return f"must be an object, not {entry!r}"
    for key in ("image_id", "category_id", region, "score"):
        if key not in entry:
            return f"has no '{key}'; every entry needs image_id, category_id, {region} and score"
    image, category, score = entry["image_id"], entry["category_id"], entry["score"]
    if not isinstance(image, int) or image not in sizes:
        return f"image_id {image!r} is not in the ground truth; do both files belong to the same set?"
    if not isinstance(category, int) or category not in categories:
        return (
            f"category_id {category!r} is not in the ground truth; use the ids of its categories, not a model's labels"
        )
    if not finite(score):
        return f"score {score!r} is no finite number"
    return box_problem(entry[region]) if region == "bbox" else _mask_problem(entry[region], sizes[image])


def _mask_problem(mask: Json, size: list[int]) -> str | None:
    if not isinstance(mask, Mapping) or not isinstance(mask.get("counts"), (str, bytes)):
        return "segmentation must be compressed RLE, {size: [height, width], counts: text}"
    if list(mask.get("size") or []) != size:
        return f"segmentation is for an image of height, width {mask.get('size')!r}; the ground truth says {size}"
    covered = pixels_of_runs(mask["counts"])
    if covered != size[0] * size[1]:
        return (
            f"segmentation's runs cover {covered if covered is not None else 'no valid number of'} pixels, not {size}"
        )
    return None


def pixels_of_runs(counts: str | bytes) -> int | None:
    """The number of pixels that compressed run lengths cover in all; None where they are no run lengths.

    pycocotools does not check it and never returns from a mask that ends early. The code (its `rleToString`): groups of
    five bits, low first, a sixth bit where more follow, 48 added; from the fourth on, a run is stored as the difference to
    the last but one.
    """
    codes = np.frombuffer(counts.encode() if isinstance(counts, str) else counts, np.uint8).astype(np.int64) - 48
    if codes.size == 0 or codes.min() < 0 or codes.max() > 63 or codes[-1] & 32:
        return None
    ends = np.flatnonzero(codes & 32 == 0)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > _LONGEST_CODE:
        return None
    shifts = 5 * (np.arange(codes.size) - np.repeat(starts, lengths))
    stored = np.add.reduceat((codes & 31) << shifts, starts)
    stored -= np.where(codes[ends] & 16, 1 << 5 * lengths, 0)
    runs = np.concatenate([stored[:1], np.cumsum(stored[1::2]), np.cumsum(stored[2::2])])
    return int(runs.sum()) if runs.min() >= 0 else None
