"""The detectors of teacher/student pairs: those of mmdet's model zoo by the names that published tables use, and small ones.

Specification, section 6. Nothing here imports mmdet; its packaged metafiles are read where a checkpoint's name is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

from benchmarks.base import RepriseError, unknown
from benchmarks.coco.small_detectors import parse
from benchmarks.weights_folder import VARIABLE, checkpoints_folder


@dataclass(frozen=True)
class Detector:
    """A detector by name.

    config: the packaged configuration as `folder/file`, None for a small detector (`benchmarks.coco.small_detectors`).
    zoo_ap: box AP on COCO val2017 in points, as mmdet's model zoo states it; None where it states none.
    """

    name: str
    config: str | None = None
    zoo_ap: float | None = None

    @property
    def small(self) -> bool:
        """Whether the suite builds and trains it itself, on drawn pictures."""
        return self.config is None


_DETECTORS = (
    Detector("RetinaNet-R18-1x", "retinanet/retinanet_r18_fpn_1x_coco", 31.7),
    Detector("RetinaNet-R50-1x", "retinanet/retinanet_r50_fpn_1x_coco", 36.5),
    Detector("RetinaNet-R50-2x", "retinanet/retinanet_r50_fpn_2x_coco", 37.4),
    Detector("RetinaNet-R101-2x", "retinanet/retinanet_r101_fpn_2x_coco", 38.9),
    Detector("RetinaNet-X101-64x4d-1x", "retinanet/retinanet_x101-64x4d_fpn_1x_coco", 41.0),
    Detector("RetinaNet-X101-64x4d-2x", "retinanet/retinanet_x101-64x4d_fpn_2x_coco", 40.8),
    Detector("RetinaNet-X101-64x4d-ms3x", "retinanet/retinanet_x101-64x4d_fpn_ms-640-800-3x_coco", 41.6),
    Detector("RetinaNet-SwinT-1x", "swin/retinanet_swin-t-p4-w7_fpn_1x_coco", None),
    Detector("FasterRCNN-R50-1x", "faster_rcnn/faster-rcnn_r50_fpn_1x_coco", 37.4),
    Detector("FasterRCNN-R50-2x", "faster_rcnn/faster-rcnn_r50_fpn_2x_coco", 38.4),
    Detector("FasterRCNN-R101-1x", "faster_rcnn/faster-rcnn_r101_fpn_1x_coco", 39.4),
    Detector("FasterRCNN-R101-2x", "faster_rcnn/faster-rcnn_r101_fpn_2x_coco", 39.8),
    Detector("MaskRCNN-R50-2x", "mask_rcnn/mask-rcnn_r50_fpn_2x_coco", 39.2),
    Detector("MaskRCNN-R101-2x", "mask_rcnn/mask-rcnn_r101_fpn_2x_coco", 40.8),
    Detector("MaskRCNN-SwinS-ms3x", "swin/mask-rcnn_swin-s-p4-w7_fpn_amp-ms-crop-3x_coco", 48.2),
    Detector("CascadeMaskRCNN-X101-32x4d-DCN-1x", "dcn/cascade-mask-rcnn_x101-32x4d-dconv-c3-c5_fpn_1x_coco", 47.3),
    Detector("CascadeMaskRCNN-X101-64x4d-20e", "cascade_rcnn/cascade-mask-rcnn_x101-64x4d_fpn_20e_coco", 45.6),
    Detector("RepPoints-R50-2x", "reppoints/reppoints-moment_r50_fpn-gn_head-gn_2x_coco", 38.6),
    Detector("RepPoints-R101-2x", "reppoints/reppoints-moment_r101_fpn-gn_head-gn_2x_coco", 40.5),
    Detector("RepPoints-X101-32x4d-DCN-2x", "reppoints/reppoints-moment_x101-dconv-c3-c5_fpn-gn_head-gn_2x_coco", 44.2),
    Detector("FCOS-R50-ms2x", "fcos/fcos_r50-caffe_fpn_gn-head_ms-640-800-2x_coco", 38.5),
    Detector("FCOS-R101-ms2x", "fcos/fcos_r101-caffe_fpn_gn-head_ms-640-800-2x_coco", 40.8),
    Detector("FCOS-X101-64x4d-ms2x", "fcos/fcos_x101-64x4d_fpn_gn-head_ms-640-800-2x_coco", 42.6),
    Detector("GFL-R50-1x", "gfl/gfl_r50_fpn_1x_coco", 40.2),
    Detector("GFL-R101-ms2x", "gfl/gfl_r101_fpn_ms-2x_coco", 44.7),
    Detector("ATSS-R50-1x", "atss/atss_r50_fpn_1x_coco", 39.4),
    Detector("ATSS-R101-1x", "atss/atss_r101_fpn_1x_coco", 41.5),
)

ZOO = {found.name: found for found in _DETECTORS}
"""Every detector of mmdet's zoo that a pair may name, by its name in published tables."""


def detector(name: str) -> Detector:
    """A detector by name: of the zoo (`RetinaNet-R50-2x`), or a small one (`GFL-R18w16`).

    Raises RepriseError, with the nearest name of the zoo, for any other name.
    """
    if name in ZOO:
        return ZOO[name]
    if parse(name) is not None:
        return Detector(name)
    raise unknown("detector", name, ZOO)


def checkpoint_file(found: Detector) -> str:
    """The file name of a detector's weights: as mmdet's model zoo publishes it, `<name>.pth` where the zoo has none.

    Raises RepriseError where mmdet is not installed.
    """
    url = _metafile(found).get("Weights")
    return unquote(PurePosixPath(urlsplit(url).path).name) if url else f"{found.name}.pth"


def zoo_entry_ap(found: Detector) -> float | None:
    """Box AP in points as the installed mmdet's metafile states it; None where the zoo has no such model."""
    for result in _metafile(found).get("Results", ()):
        if result["Task"] == "Object Detection":
            return float(result["Metrics"]["box AP"])
    return None


def checkpoint_path(found: Detector) -> Path:
    """The weights of a detector of the zoo on this machine; raises RepriseError naming the file expected, and where."""
    if found.small:
        raise RepriseError(f"{found.name} is a small detector, which the model zoo does not have: the suite trains it")
    return present(checkpoint_file(found), f"the weights of {found.name}", _metafile(found).get("Weights"))


def present(file: str, what: str, source: str | None) -> Path:
    """A file of the checkpoints' folder, under its name or as a URL spells it; RepriseError says what is expected, and where."""
    folder = checkpoints_folder()
    spelt = [file, PurePosixPath(urlsplit(source).path).name] if source else [file]
    for name in spelt:
        if (folder / name).is_file():
            return folder / name
    origin = f"download it from {source}" if source else "mmdet's model zoo does not publish it: train it yourself"
    raise RepriseError(
        f"{folder / file}: {what} are not there; {origin}, put it in this folder, or set {VARIABLE} to the folder that has it"
    )


def _metafile(found: Detector) -> Mapping[str, Any]:
    """The model's entry in mmdet's packaged metafiles; empty where there is none."""
    return {} if found.config is None else _entries(found.config.split("/")[0]).get(f"configs/{found.config}.py", {})


@cache
def _entries(folder: str) -> dict[str, Mapping[str, Any]]:
    """The models of one folder of configurations, by the path of their configuration."""
    from benchmarks.detection.configs import packaged_folder

    path = packaged_folder() / folder / "metafile.yml"
    models = yaml.safe_load(path.read_text())["Models"] if path.is_file() else []
    return {model["Config"]: model for model in models}
