"""The tasks of face detection and their data: drawn faces or WIDER FACE, named, hashed, and opened with all checks."""

from __future__ import annotations

from typing import NamedTuple

from benchmarks.base import NO_DATA, DatasetRef, Metric, RepriseError, Task, content_key, unknown
from benchmarks.file_hash import file_hash
from benchmarks.wider_face.contract import FAMILY
from benchmarks.wider_face.editions import FILES
from benchmarks.wider_face.ground_truth import GroundTruth, load_ground_truth
from benchmarks.wider_face.real_wider import (
    SPLITS,
    FaceSplit,
    annotation_path,
    open_split,
    training_labels,
    truth_folder,
    wider_root,
)
from benchmarks.wider_face.settings import TrainingSettings
from benchmarks.wider_face.synth_faces import open_synth_faces, synth_faces_artifact, synth_faces_dataset

AP_HARD = Metric(
    name="AP_hard:orig", unit="points", higher_is_better=True, margin=lambda published: 1.0, bounds=(0.0, 100.0)
)
"""AP of the subset Hard at original size, in points (0 to 100). Margin: statistics, section 3."""

GMACS = Metric(name="gmacs_640", unit="GMAC", higher_is_better=False, margin=lambda published: 0.01 * published)
"""Multiply-accumulates of a picture of 640 x 640, in thousands of millions. Margin: statistics, section 3."""

SYNTH, WIDER, COST = "synthfaces", "wider-face", "model-cost"

TASKS = {
    SYNTH: Task(SYNTH, FAMILY, 1, AP_HARD),
    WIDER: Task(WIDER, FAMILY, 1, AP_HARD),
    COST: Task(COST, FAMILY, 1, GMACS),
}
"""Two trainings, and what a detector costs, which needs no data."""

KINDS = {SYNTH: "drawn", WIDER: "WIDER FACE", COST: NO_DATA}
"""What a table calls the data; drawn faces are never compared with published numbers."""


class FaceSet(NamedTuple):
    """What a detector is trained on, what it is tested on, and which faces count there."""

    train: FaceSplit
    val: FaceSplit
    truth: GroundTruth


def find_task(name: str) -> Task:
    """A task by name; raises RepriseError with the nearest one."""
    if name not in TASKS:
        raise unknown("task", name, TASKS)
    return TASKS[name]


def dataset_ref(task: Task, training: TrainingSettings) -> DatasetRef:
    """The data by name and hash. WIDER FACE's is that of its annotation files; it is None where WIDER FACE is not here."""
    if task.name == SYNTH:
        return synth_faces_dataset(training.synth)
    if task.name == COST:
        return DatasetRef(NO_DATA, content_key(NO_DATA))
    try:
        root = wider_root()
        train = training_labels() or annotation_path(root, "train")
        files = [annotation_path(root, "val"), *(truth_folder(root) / name for name in FILES)]
        missing = [path for path in files if not path.is_file()]
        if missing:
            raise RepriseError(f"{missing[0]}: not there; the folder of WIDER FACE needs it")
    except RepriseError as error:
        return DatasetRef(WIDER, None, remedy=str(error))
    parts = sorted(path for path in train.rglob("*") if path.is_file()) if train.is_dir() else [train]
    return DatasetRef(WIDER, content_key([file_hash(path) for path in [*parts, *files]]))


def open_set(task: Task, training: TrainingSettings) -> FaceSet:
    """Both splits and the ground truth of val, checked; drawn faces are built where they are not there."""
    if task.name == SYNTH:
        train, val = (synth_faces_artifact(training.synth, split).ensure() for split in SPLITS)
        return FaceSet(
            open_synth_faces(train, "train"), open_synth_faces(val, "val"), load_ground_truth(truth_folder(val))
        )
    root = wider_root()
    truth = load_ground_truth(truth_folder(root))
    return FaceSet(open_split(root, "train", labels=training_labels()), open_split(root, "val"), truth)
