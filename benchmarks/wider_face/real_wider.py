"""WIDER FACE on this machine: `REPRISE_WIDER` names its folder, which is checked before anything trains.

`REPRISE_WIDER_LABELS`, where set, names other annotations of the training pictures: RetinaFace's, SCRFD's, or VOC XML.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from benchmarks.base import RepriseError
from benchmarks.wider_face.annotations import FaceAnnotations, read_bbx_gt
from benchmarks.wider_face.face_files import read_faces
from benchmarks.wider_face.face_pictures import Size, check_decoding, picture_sizes

Split = Literal["train", "val"]
SPLITS: tuple[Split, ...] = ("train", "val")
VARIABLE = "REPRISE_WIDER"
LABELS = "REPRISE_WIDER_LABELS"
EVENTS = 61


@dataclass(frozen=True)
class SplitFacts:
    """What a split of WIDER FACE is known to hold; `faces` None where no published file says so."""

    images: int
    faces: int | None = None


FACTS = {"train": SplitFacts(12_880), "val": SplitFacts(3_226, 39_708)}


class FaceSplit(NamedTuple):
    """A split: its checked annotations, the folder of its pictures (event by event), and the size of each picture."""

    truth: FaceAnnotations
    folder: Path
    sizes: list[Size]


def annotation_path(root: Path, split: Split) -> Path:
    """WIDER's text file of a split."""
    return root / "wider_face_split" / f"wider_face_{split}_bbx_gt.txt"


def picture_folder(root: Path, split: Split) -> Path:
    """The folder of a split's events."""
    return root / f"WIDER_{split}" / "images"


def truth_folder(root: Path) -> Path:
    """The four `.mat` files that the metric reads."""
    return root / "ground_truth"


def layout(split: Split) -> list[str]:
    """What the folder of WIDER FACE holds for a split, relative to it."""
    return [str(part(Path(), split)) for part in (picture_folder, annotation_path)]


def training_labels() -> Path | None:
    """The file (VOC XML: folder or tar) that `REPRISE_WIDER_LABELS` names; raises RepriseError where it is not there."""
    value = os.environ.get(LABELS)
    if not value:
        return None
    path = Path(value).expanduser().absolute()
    if not path.exists():
        raise RepriseError(f"{LABELS}={value}: no such file or folder; name annotations of the training pictures")
    return path


def wider_root(splits: Sequence[Split] = SPLITS) -> Path:
    """The folder that `REPRISE_WIDER` names, with these splits in it; train needs no text file where labels are given.

    Raises RepriseError, saying what is expected in it, where it is not there.
    """
    spared = [] if training_labels() is None else [str(annotation_path(Path(), "train"))]
    value = os.environ.get(VARIABLE)
    expected = ", ".join([*layout("train"), *layout("val"), f"{truth_folder(Path())}/wider_*_val.mat"])
    if not value:
        raise RepriseError(f"{VARIABLE} is not set: set it to the folder of WIDER FACE, which holds {expected}")
    root = Path(value).expanduser().absolute()
    missing = [part for split in splits for part in layout(split) if not (root / part).exists() and part not in spared]
    if missing:
        raise RepriseError(
            f"{VARIABLE}={value}: without {', '.join(missing)}; the folder of WIDER FACE holds {expected}"
        )
    return root


def open_split(
    root: Path, split: Split, complete: bool = True, sample: int = 64, labels: Path | None = None
) -> FaceSplit:
    """A split in WIDER's layout with all its checks: the text file, every picture there and of a fitting size, a sample decoded.

    `complete`: also the published numbers of pictures, events and faces, which another set in the same layout does not have.
    `labels`: boxes from this file instead (RetinaFace's, SCRFD's or VOC XML), which carry no attributes. Raises RepriseError
    naming what is wrong.
    """
    truth = read_bbx_gt(annotation_path(root, split)) if labels is None else read_faces(labels)
    if complete:
        require_whole(truth, split, count_faces=labels is None)
    folder = picture_folder(root, split)
    sizes = picture_sizes(truth, folder)
    check_decoding(truth, folder, sample)
    return FaceSplit(truth, folder, sizes)


def require_whole(truth: FaceAnnotations, split: Split, count_faces: bool = True) -> None:
    """Raise RepriseError unless the annotations are those of all of a published split; a file of the other one is recognised.

    `count_faces`: also the number of faces, of which converted files lack the degenerate ones.
    """
    facts, images = FACTS[split], len(truth.images)
    for other in SPLITS:
        if other != split and images == FACTS[other].images:
            raise RepriseError(f"{truth.path}: has the {images:,} pictures of {other}; give the file of {split}")
    if (images, len(truth.events)) != (facts.images, EVENTS):
        raise RepriseError(
            f"{truth.path}: {images:,} pictures of {len(truth.events)} events, but {split} has {facts.images:,} of {EVENTS}; "
            f"use the published file (AP on a part of it is no WIDER FACE figure)"
        )
    if count_faces and facts.faces is not None and truth.faces != facts.faces:
        raise RepriseError(
            f"{truth.path}: {truth.faces:,} faces, but {split} has {facts.faces:,}; use the published file"
        )
