"""SynthFaces: a drawn set of faces in WIDER FACE's layout that needs no download, built once per content key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

from PIL import Image

from benchmarks.base import Artifact, DatasetRef, Json, Progress, Report, RepriseError, content_key, stream_seed
from benchmarks.drawing.picture_hash import check_picture, picture_hash
from benchmarks.json_file import read_json
from benchmarks.wider_face.annotations import FaceAnnotations, FaceImage, face_image, read_bbx_gt, write_bbx_gt
from benchmarks.wider_face.face_scene import FaceScene, FaceSceneSettings, draw
from benchmarks.wider_face.real_wider import SPLITS, FaceSplit, Split, annotation_path, picture_folder, truth_folder
from benchmarks.wider_face.subsets import LEAST_HEIGHT, SURROGATE
from benchmarks.wider_face.truth_files import write_truth

DRAWING = 1
"""Raised whenever the same settings draw other pictures or annotate otherwise; a stored hash in the tests says when."""

MANIFEST = "manifest.json"
NAME = "synthfaces"
_FIRST_NUMBER = {"train": 1, "val": 500_001}
"""Pictures are numbered from here, so that results for one split are never taken for results of the other."""


@dataclass(frozen=True)
class SynthFacesSettings:
    """A SynthFaces: how many pictures, from which seed, how hard."""

    train_images: int = 1200
    val_images: int = 300
    seed: int = 0
    scene: FaceSceneSettings = field(default_factory=FaceSceneSettings)

    def __post_init__(self) -> None:
        if self.train_images < 1 or self.val_images < 1:
            raise RepriseError("SynthFaces: train_images and val_images must be at least 1")

    def images(self, split: Split) -> int:
        return self.train_images if split == "train" else self.val_images


def picture(settings: SynthFacesSettings, split: Split, index: int) -> FaceScene:
    """Picture `index` (from 0) of a split, drawn alone; no picture depends on how many there are.

    As in WIDER FACE, pictures without people occur in train only.
    """
    scene = settings.scene if split == "train" else replace(settings.scene, empty=0.0)
    return draw(scene, stream_seed("data", f"{NAME}/{split}", settings.seed, index))


def synth_faces_artifact(settings: SynthFacesSettings, split: Split) -> Artifact:
    """One split as an artifact in WIDER's layout, PNG instead of JPEG: `WIDER_<split>/images/<event>/`, the text file.

    For val also `ground_truth/` with the four `.mat` files. A manifest holds the hash of every picture.
    """
    identity = {
        "drawing": DRAWING,
        "split": split,
        "images": settings.images(split),
        "seed": settings.seed,
        "scene": asdict(settings.scene),
        "subsets": {"rule": SURROGATE, "least_height": LEAST_HEIGHT},
    }
    return Artifact(NAME, identity, partial(_build, settings, split), label=f"SynthFaces {split}")


def synth_faces_dataset(settings: SynthFacesSettings) -> DatasetRef:
    """Both splits under one name; its artifact builds both. The hash needs no build: the settings fix every bit."""
    train, val = (synth_faces_artifact(settings, split) for split in SPLITS)
    return DatasetRef(NAME, content_key([train.key, val.key]), replace(train, needs=(val,)))


def open_synth_faces(folder: Path, split: Split) -> FaceSplit:
    """A built split; raises RepriseError where its annotations are not the ones that were built."""
    truth = read_bbx_gt(annotation_path(folder, split))
    manifest = _manifest(folder)
    if _annotation_key(truth.images) != manifest["annotations"]:
        raise RepriseError(f"{truth.path}: differs from what was built; remove {folder}, it is built again")
    side = manifest["size"]
    return FaceSplit(truth, picture_folder(folder, split), [(side, side)] * len(truth.images))


def verify(folder: Path, split: Split) -> None:
    """Read a built split in full and compare every picture with the manifest; raises RepriseError naming the first damaged."""
    truth, pictures, _ = open_synth_faces(folder, split)
    recorded = _manifest(folder)["pictures"]
    for image in truth.images:
        check_picture(pictures / image.name, recorded[image.name], folder)


def annotated(scene: FaceScene, number: int) -> FaceImage:
    """The faces of a scene under the picture's name: `2--Crowd/2_Crowd_000017.png`."""
    name = f"{scene.event}/{scene.event.replace('--', '_')}_{number:06d}.png"
    return face_image(name, [face.box for face in scene.faces], [face.attributes for face in scene.faces])


def _build(settings: SynthFacesSettings, split: Split, folder: Path, report: Report) -> None:
    pictures = picture_folder(folder, split)
    images: list[FaceImage] = []
    hashes: dict[str, str] = {}
    for index in range(settings.images(split)):
        scene = picture(settings, split, index)
        image = annotated(scene, _FIRST_NUMBER[split] + index)
        path = pictures / image.name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene.picture).save(path, compress_level=0)  # a third larger, read in a third of the time
        images.append(image)
        hashes[image.name] = picture_hash(scene.picture)
        report(Progress(index + 1, settings.images(split)))
    images.sort(key=lambda image: image.name)
    text = annotation_path(folder, split)
    text.parent.mkdir()
    write_bbx_gt(images, text)
    if split == "val":
        write_truth(FaceAnnotations(text, tuple(images)), truth_folder(folder), f"{NAME}-val")
    _write_manifest(folder, settings.scene.size, images, hashes)


def _annotation_key(images: tuple[FaceImage, ...] | list[FaceImage]) -> str:
    return content_key([[image.name, image.boxes.tolist(), image.attributes.tolist()] for image in images])


def _write_manifest(folder: Path, size: int, images: list[FaceImage], hashes: Mapping[str, str]) -> None:
    key = _annotation_key(images)
    manifest = {
        "drawing": DRAWING,
        "size": size,
        "images": len(images),
        "faces": sum(len(image.boxes) for image in images),
        "annotations": key,
        "hash": content_key({"annotations": key, "pictures": dict(hashes)}),
        "pictures": dict(hashes),
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1))


def _manifest(folder: Path) -> dict[str, Json]:
    return dict(read_json(folder / MANIFEST, "remove the folder, it is built again"))
