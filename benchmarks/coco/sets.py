"""The data of a task: drawn pictures or COCO 2017, named, hashed, and opened with all checks."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from benchmarks.base import Artifact, DatasetRef, RepriseError, content_key
from benchmarks.coco.annotations import Annotations
from benchmarks.coco.pairs import PairTask
from benchmarks.coco.real_coco import coco_root, load_split
from benchmarks.coco.settings import TrainingSettings
from benchmarks.coco.synth import Split, image_folder, load_synth, synth_artifact, synth_dataset
from benchmarks.file_hash import file_hash

KINDS = {"synthcoco": "drawn", "coco": "COCO 2017"}
"""What a table calls the data; only `COCO 2017` is compared with published numbers."""


class Part(NamedTuple):
    """A split: its checked annotations and the folder of its pictures."""

    truth: Annotations
    folder: Path


class PictureSet(NamedTuple):
    """What a student is trained on, and what it is scored on."""

    train: Part
    val: Part


def dataset_ref(task: PairTask, training: TrainingSettings) -> DatasetRef:
    """The data by name and hash. COCO's hash is that of its two annotation files; it is None where COCO is not here."""
    if task.data == "synthcoco":
        return synth_dataset(training.synth)
    try:
        root = coco_root()
    except RepriseError as error:
        return DatasetRef("coco2017", None, remedy=str(error))
    files = [root / "annotations" / f"instances_{split}.json" for split in ("train2017", "val2017")]
    return DatasetRef("coco2017", content_key([file_hash(path) for path in files]))


def drawn_parts(training: TrainingSettings) -> list[Artifact]:
    """The artifacts of both splits of the drawn pictures."""
    return [synth_artifact(training.synth, "train"), synth_artifact(training.synth, "val")]


def open_set(task: PairTask, training: TrainingSettings) -> PictureSet:
    """Both splits, checked; drawn pictures are built where they are not there. RepriseError names what is wrong."""
    if task.data == "synthcoco":
        return PictureSet(_drawn(training, "train"), _drawn(training, "val"))
    root = coco_root()
    return PictureSet(*(Part(load_split(root, split), root / split) for split in ("train2017", "val2017")))


def _drawn(training: TrainingSettings, split: Split) -> Part:
    folder = synth_artifact(training.synth, split).ensure()
    return Part(load_synth(folder, split), image_folder(folder, split))
