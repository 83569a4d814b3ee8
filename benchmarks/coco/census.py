"""What a set holds, counted: printed before training and kept with the results."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from benchmarks.coco.annotations import Annotations, has_zero_side


@dataclass(frozen=True)
class Census:
    """Counts of an annotation file. Bands are (small, medium, large) by the `area` field; on a limit is the larger band."""

    images: int
    images_without_object: int
    objects: int
    crowds: int
    bands: tuple[int, int, int]
    bands_without_crowd: tuple[int, int, int]
    zero_boxes: int
    categories: int
    categories_without_object: tuple[str, ...]
    most_in_one_image: int


def census(truth: Annotations) -> Census:
    """Count an annotation file."""
    objects = truth.objects
    per_image = Counter(entry["image_id"] for entry in objects)
    present = {entry["category_id"] for entry in objects}
    small, medium = truth.area_limits
    every: Counter[int] = Counter()
    counted: Counter[int] = Counter()
    for entry in objects:
        band = (entry["area"] >= small) + (entry["area"] >= medium)
        every[band] += 1
        counted[band] += not entry["iscrowd"]
    return Census(
        images=len(truth.images),
        images_without_object=len(truth.images) - len(per_image),
        objects=len(objects),
        crowds=sum(bool(entry["iscrowd"]) for entry in objects),
        bands=(every[0], every[1], every[2]),
        bands_without_crowd=(counted[0], counted[1], counted[2]),
        zero_boxes=sum(map(has_zero_side, objects)),
        categories=len(truth.categories),
        categories_without_object=tuple(name for identity, name in truth.categories.items() if identity not in present),
        most_in_one_image=max(per_image.values(), default=0),
    )
