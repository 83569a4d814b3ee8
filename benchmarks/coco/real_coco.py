"""COCO 2017 on this machine: `REPRISE_COCO` names its folder, which is checked before anything trains."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from benchmarks.base import RepriseError
from benchmarks.coco.annotations import Annotations, load_annotations
from benchmarks.coco.pictures import check_pictures

VARIABLE = "REPRISE_COCO"
CATEGORIES = 80


@dataclass(frozen=True)
class SplitFacts:
    """What a split of COCO 2017 is known to hold. `zero_boxes`: published boxes without height (annotations 918, 2206849)."""

    images: int
    zero_boxes: int


SPLITS = {"train2017": SplitFacts(118_287, 2), "val2017": SplitFacts(5_000, 0)}

LAYOUT = ", ".join([f"{name}/" for name in SPLITS] + [f"annotations/instances_{name}.json" for name in SPLITS])


def coco_root() -> Path:
    """The folder that `REPRISE_COCO` names; raises RepriseError, saying what is expected in it, where it is not there."""
    value = os.environ.get(VARIABLE)
    if not value:
        raise RepriseError(f"{VARIABLE} is not set: set it to the folder of COCO 2017, which holds {LAYOUT}")
    root = Path(value).expanduser().absolute()
    missing = [part for part in LAYOUT.split(", ") if not (root / part).exists()]
    if missing:
        raise RepriseError(f"{VARIABLE}={value}: without {', '.join(missing)}; the folder of COCO 2017 holds {LAYOUT}")
    return root


def load_split(root: Path, split: str, complete: bool = True, sample: int = 64) -> Annotations:
    """A split with all its checks: the annotation file, every picture there, `sample` pictures read and measured.

    `complete`: also the published numbers of images and categories, which a subset in the same layout does not have.
    Raises RepriseError naming what is wrong.
    """
    facts = SPLITS[split]
    loaded = load_annotations(root / "annotations" / f"instances_{split}.json", facts.zero_boxes)
    if complete:
        found = (len(loaded.images), len(loaded.categories))
        if found != (facts.images, CATEGORIES):
            raise RepriseError(
                f"{loaded.path}: {found[0]:,} images and {found[1]} categories, but {split} has {facts.images:,} and "
                f"{CATEGORIES}; use the published file (AP on a subset is no COCO figure)"
            )
    check_pictures(loaded, root / split, sample)
    return loaded
