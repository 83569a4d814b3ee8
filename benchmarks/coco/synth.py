"""SynthCOCO: a drawn set in COCO's format that needs no download, built once per content key and checked by hashes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from benchmarks.base import Artifact, DatasetRef, Json, Progress, Report, RepriseError, content_key, stream_seed
from benchmarks.coco.annotations import Annotations, load_annotations
from benchmarks.coco.scene import CATEGORIES, Drawn, Scene, SceneSettings, draw
from benchmarks.drawing.picture_hash import check_picture, picture_hash
from benchmarks.json_file import read_json

Split = Literal["train", "val"]
SPLITS: tuple[Split, ...] = ("train", "val")

DRAWING = 1
"""Raised whenever the same settings draw other pictures or write other annotations; a stored hash in the tests says when."""

MANIFEST = "manifest.json"
_FIRST_ID = {"train": 1, "val": 1_000_001}
"""Image ids start here, so that results for one split are never taken for results of the other."""


@dataclass(frozen=True)
class SynthSettings:
    """A SynthCOCO: how many pictures, from which seed, how hard."""

    train_images: int = 3000
    val_images: int = 400
    seed: int = 0
    scene: SceneSettings = field(default_factory=SceneSettings)

    def __post_init__(self) -> None:
        if self.train_images < 1 or self.val_images < 1:
            raise RepriseError("SynthCOCO: train_images and val_images must be at least 1")

    @property
    def area_limits(self) -> tuple[float, float]:
        """COCO's size bands scaled to these pictures, in square pixels: sides of an eighth and a quarter of the picture."""
        return (self.scene.size / 8) ** 2, (self.scene.size / 4) ** 2

    def images(self, split: Split) -> int:
        return self.train_images if split == "train" else self.val_images


def picture(settings: SynthSettings, split: Split, index: int) -> Scene:
    """Picture `index` (from 0) of a split, drawn alone; no picture depends on how many there are."""
    return draw(settings.scene, stream_seed("data", f"synthcoco/{split}", settings.seed, index))


def synth_artifact(settings: SynthSettings, split: Split) -> Artifact:
    """One split as an artifact: `<split>/000001.png`, `annotations/instances_<split>.json` and a manifest of hashes."""
    identity = {
        "drawing": DRAWING,
        "split": split,
        "images": settings.images(split),
        "seed": settings.seed,
        "scene": asdict(settings.scene),
    }
    return Artifact("synthcoco", identity, partial(_build, settings, split), label=f"SynthCOCO {split}")


def synth_dataset(settings: SynthSettings) -> DatasetRef:
    """Both splits under one name; its artifact builds both. The hash needs no build: the settings fix every bit."""
    train, val = (synth_artifact(settings, split) for split in SPLITS)
    return DatasetRef("synthcoco", content_key([train.key, val.key]), replace(train, needs=(val,)))


def annotation_path(folder: Path, split: Split) -> Path:
    """The annotation file in the folder of a built artifact."""
    return folder / "annotations" / f"instances_{split}.json"


def image_folder(folder: Path, split: Split) -> Path:
    """The pictures in the folder of a built artifact."""
    return folder / split


def load_synth(folder: Path, split: Split) -> Annotations:
    """The annotations of a built split; raises RepriseError where the file is not the one that was built."""
    loaded = load_annotations(annotation_path(folder, split))
    if content_key(loaded.dataset) != _manifest(folder)["annotations"]:
        raise RepriseError(f"{loaded.path}: differs from what was built; remove {folder}, it is built again")
    return loaded


def verify(folder: Path, split: Split) -> None:
    """Read a built split in full and compare every picture with the manifest; raises RepriseError naming the first damaged."""
    recorded = _manifest(folder)["pictures"]
    for image, expected in zip(load_synth(folder, split).images, recorded, strict=True):
        check_picture(image_folder(folder, split) / image["file_name"], expected, folder)


def run_lengths(mask: np.ndarray) -> dict[str, Json]:
    """A mask (h, w) as COCO's uncompressed run lengths: column by column, the first run is of pixels outside."""
    flat = mask.T.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = [0, *([0] if flat[0] else []), *changes.tolist(), flat.size]
    return {"size": list(mask.shape), "counts": np.diff(edges).tolist()}


def _build(settings: SynthSettings, split: Split, folder: Path, report: Report) -> None:
    pictures = image_folder(folder, split)
    pictures.mkdir()
    images: list[dict[str, Json]] = []
    entries: list[dict[str, Json]] = []
    hashes: list[str] = []
    for index in range(settings.images(split)):
        scene = picture(settings, split, index)
        name = f"{index + 1:06d}.png"
        Image.fromarray(scene.picture).save(pictures / name, compress_level=1)
        hashes.append(picture_hash(scene.picture))
        size = settings.scene.size
        images.append({"id": _FIRST_ID[split] + index, "file_name": name, "width": size, "height": size})
        entries.extend(_entries(scene, images[-1]["id"], len(entries) + 1))
        report(Progress(index + 1, settings.images(split)))
    dataset = {
        "info": {"description": f"SynthCOCO {split}", "area_limits": list(settings.area_limits)},
        "images": images,
        "annotations": entries,
        "categories": [{"id": number, "name": name} for number, name in enumerate(CATEGORIES, 1)],
    }
    path = annotation_path(folder, split)
    path.parent.mkdir()
    path.write_text(json.dumps(dataset, separators=(",", ":")))
    _write_manifest(folder, dataset, hashes)


def _entries(scene: Scene, image: int, first: int) -> Iterator[dict[str, Json]]:
    """The annotations of a picture. `area` counts the pixels that are seen, as COCO's is the area of the mask."""
    for identity, drawn in enumerate(scene.drawn, first):
        yield {
            "id": identity,
            "image_id": image,
            "category_id": drawn.category + 1,
            "iscrowd": int(drawn.crowd),
            "area": int(drawn.seen.sum()),
            "bbox": _box(drawn),
            "segmentation": run_lengths(drawn.seen),
            "visible": round(int(drawn.seen.sum()) / drawn.whole, 4),
        }


def _box(drawn: Drawn) -> list[int]:
    """x, y, width, height around the pixels that are seen."""
    rows, columns = np.flatnonzero(drawn.seen.any(axis=1)), np.flatnonzero(drawn.seen.any(axis=0))
    left, top = int(columns[0]), int(rows[0])
    return [left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top]


def _write_manifest(folder: Path, dataset: Mapping[str, Json], hashes: list[str]) -> None:
    manifest = {
        "drawing": DRAWING,
        "images": len(hashes),
        "objects": len(dataset["annotations"]),
        "annotations": content_key(dataset),
        "hash": content_key({"annotations": content_key(dataset), "pictures": hashes}),
        "pictures": hashes,
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1))


def _manifest(folder: Path) -> dict[str, Json]:
    manifest = read_json(folder / MANIFEST, "remove the folder, it is built again")
    return dict(manifest)
