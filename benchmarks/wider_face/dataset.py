"""Faces as mmdet reads them: one category, every face that can be learned, pictures without faces kept (protocol, section 9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.base import RepriseError
from benchmarks.detection import install_ops
from benchmarks.wider_face.annotations import FaceImage
from benchmarks.wider_face.real_wider import FaceSplit

install_ops()

from mmdet.datasets import BaseDetDataset  # noqa: E402
from mmdet.utils import register_all_modules  # noqa: E402

CATEGORY = "face"
Pipeline = Sequence[Mapping[str, Any]]


class FaceDataset(BaseDetDataset):
    """A split for mmdet's loaders. `img_id` is `event/picture` without the ending, by which predictions are written.

    Boxes become corners x, y, x + w, y + h with nothing subtracted. Boxes without width or height are dropped. Small faces
    are neither dropped nor ignored (mmdet's own WIDERFaceDataset is configured to ignore those below 17 px, 53 % of train).
    `drop_invalid`: leave out the faces that WIDER marks invalid. `swap_negative`: turn a box of negative width or height
    round instead of dropping it (MogFace). `batch`: the number of the batch that a picture is read for, which the pipeline finds
    under that name.
    """

    batch = 0

    METAINFO = {"classes": (CATEGORY,), "palette": [(220, 20, 60)]}

    def __init__(
        self, split: FaceSplit, pipeline: Pipeline, drop_invalid: bool = False, swap_negative: bool = False
    ) -> None:
        register_all_modules(init_default_scope=True)
        self.split, self.drop_invalid, self.swap_negative = split, drop_invalid, swap_negative
        super().__init__(ann_file=str(split.truth.path), pipeline=[dict(step) for step in pipeline])

    def load_data_list(self) -> list[dict[str, Any]]:
        return [
            {
                "img_id": image.key,
                "img_path": str(self.split.folder / image.name),
                "width": width,
                "height": height,
                "instances": self._instances(image),
            }
            for image, (width, height) in zip(self.split.truth.images, self.split.sizes, strict=True)
        ]

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """mmdet's description of a picture."""
        return {**super().get_data_info(idx), "batch": self.batch}

    def prepare_data(self, idx: int) -> Any:
        """A picture through the pipeline; raises RepriseError where its file is damaged."""
        try:
            return super().prepare_data(idx)
        except AssertionError as error:  # what mmcv makes of a picture that OpenCV cannot decode
            if "failed to load image" not in str(error):
                raise
            path = self.get_data_info(idx)["img_path"]
            raise RepriseError(f"{path}: cannot be read as a picture; fetch it again") from error

    def _instances(self, image: FaceImage) -> list[dict[str, Any]]:
        boxes = _turned(image.boxes) if self.swap_negative else image.boxes
        kept = (boxes[:, 2:] > 0).all(axis=1)
        if self.drop_invalid:
            kept &= image.attribute("invalid") != 1
        corners = np.concatenate([boxes[kept, :2], boxes[kept, :2] + boxes[kept, 2:]], axis=1)
        return [{"bbox": corner, "bbox_label": 0, "ignore_flag": 0} for corner in corners.tolist()]


def _turned(boxes: np.ndarray) -> np.ndarray:
    """Boxes x y w h whose sides are not negative: the same rectangle named by its other corner."""
    return np.concatenate([boxes[:, :2] + np.minimum(boxes[:, 2:], 0), np.abs(boxes[:, 2:])], axis=1)
