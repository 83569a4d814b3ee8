"""A small set of faces and detections of our own, drawn by seed, in WIDER FACE's files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.io import savemat

from benchmarks.wider_face.editions import SUBSETS
from benchmarks.wider_face.ground_truth import GroundTruth
from benchmarks.wider_face.predictions import Predictions

EVENTS = ("0--Parade", "59--people--driving--car", "9--Press_Conference")
IMAGES_PER_EVENT = 8
SIDE = 300


def own_truth(seed: int) -> GroundTruth:
    """Faces of 1 to 90 pixels, some in crowds, one copied, some degenerate; images without faces; faces kept by size."""
    rng = np.random.default_rng(seed)
    images, parts = [], []
    for event in EVENTS:
        for number in range(IMAGES_PER_EVENT):
            images.append(f"{event}/{event.replace('--', '_')}_{number}")
            count = int(rng.integers(0, 14))
            sides = np.exp(rng.uniform(0, np.log(90), (count, 1))) * rng.uniform(0.8, 1.25, (count, 2))
            corner = rng.uniform(0, SIDE * rng.choice([0.2, 1.0]), (count, 2))
            rows = np.column_stack([corner, sides]).round().astype(np.int32)
            if count > 3:
                rows[0] = rows[1]
                rows[2, 2:] = rng.choice([0, -2, 5], 2)
            parts.append(rows)
    boxes = np.concatenate(parts)
    height = boxes[:, 3]
    kept = {"easy": height >= 34, "medium": height >= 16, "hard": (height >= 5) & (rng.random(len(boxes)) < 0.9)}
    starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    return GroundTruth("own", Path("own"), tuple(images), starts, boxes, kept)


def own_detections(truth: GroundTruth, seed: int, whole: bool = False) -> dict[str, np.ndarray]:
    """Up to three detections near each face, elsewhere false ones of lower score; scores repeat.

    `whole`: coordinates in whole pixels, otherwise in tenths. One image has no entry.
    """
    rng = np.random.default_rng([seed, 1])
    found = {}
    for index, image in enumerate(truth.images):
        faces = truth.boxes[truth.starts[index] : truth.starts[index + 1]].astype(np.float64)
        near = np.repeat(faces, rng.integers(0, 4, len(faces)), axis=0)
        near += rng.normal(0, 0.08, near.shape) * np.maximum(near[:, 2:].mean(axis=1, keepdims=True), 4)
        far = np.column_stack([rng.uniform(-20, SIDE, (9, 2)), rng.uniform(-2, 60, (9, 2))])
        rows = np.concatenate([near, far])
        rows = rows.round() if whole else rows.round(1)
        scores = rng.integers(0, 400, len(rows)) / 200 - 1 + (np.arange(len(rows)) < len(near))
        found[image] = rng.permutation(np.column_stack([rows, scores]))
    found.pop(truth.images[5])
    return found


def own_predictions(truth: GroundTruth, seed: int, whole: bool = False) -> Predictions:
    return Predictions.of(own_detections(truth, seed, whole), truth)


def cells(values: list[np.ndarray | str]) -> np.ndarray:
    """A column of MATLAB cells."""
    held = np.empty((len(values), 1), object)
    for index, value in enumerate(values):
        held[index, 0] = value
    return held


def write_truth(folder: Path, truth: GroundTruth) -> None:
    """The four `.mat` files, as WIDER's: a cell per event, in it a cell per image."""
    folder.mkdir(parents=True, exist_ok=True)
    events = list(dict.fromkeys(image.split("/")[0] for image in truth.images))
    members = [[index for index, image in enumerate(truth.images) if image.split("/")[0] == event] for event in events]

    def column(value: np.ndarray, index: int) -> np.ndarray:
        return value[truth.starts[index] : truth.starts[index + 1]]

    shared = {
        "event_list": cells(list(events)),
        "file_list": cells([cells([truth.images[index].split("/")[1] for index in event]) for event in members]),
        "face_bbx_list": cells([cells([column(truth.boxes, index) for index in event]) for event in members]),
    }
    savemat(folder / "wider_face_val.mat", shared)
    for subset in SUBSETS:
        rows = [
            cells(
                [(np.flatnonzero(column(truth.kept[subset], index)) + 1).astype(np.uint8)[:, None] for index in event]
            )
            for event in members
        ]
        savemat(folder / f"wider_{subset}_val.mat", {**shared, "gt_list": cells(list(rows))})


def write_text(root: Path, detections: dict[str, np.ndarray]) -> None:
    for image, rows in detections.items():
        path = root / f"{image}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [" ".join(map(repr, row)) for row in rows.tolist()]
        path.write_text("\n".join([path.stem, str(len(rows)), *lines]) + "\n")
