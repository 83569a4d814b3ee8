"""Data-anchor sampling as a step of mmdet's pipeline, with SSE's target sizes on demand (face methods, section 3.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.detection import install_ops
from benchmarks.wider_face.anchor_sampling import (
    ANCHOR_SIDES,
    Draw,
    choose_crop,
    cut_faces,
    das_target,
    face_sizes,
    large_enough,
    picture_side,
    resize_factor,
    sse_target,
)
from benchmarks.wider_face.contract import MIRROR

install_ops()

from mmcv.transforms import BaseTransform  # noqa: E402
from mmdet.registry import TRANSFORMS  # noqa: E402
from mmdet.structures.bbox import HorizontalBoxes, get_box_tensor  # noqa: E402

INTERPOLATIONS = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_AREA, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)
PER_FACE = ("gt_bboxes_labels", "gt_ignore_flags")

MEAN = (103.53, 116.28, 123.675)
"""ImageNet's mean colour, BGR, with which a cut is filled up."""

Picture = NDArray[Any]
Sampling = Literal["das", "sse"]


@TRANSFORMS.register_module()
class DataAnchorSampling(BaseTransform):
    """Resizes a picture so that one face gets a drawn size, and cuts a square around it.

    Reads and writes img (H, W, 3; BGR) and gt_bboxes with what belongs to each face; randomness comes from numpy's global
    generator, one number per picture. side: of the square, in pixels; with `varying` it is drawn instead, from 640, 672, ...,
    1184 by the seed and the number of the `batch`, or once for the `run`. sampling: whose target sizes. area_side: no resized
    picture is larger than its square. sse_main: the level that SSE favours; sse_low: its least target in pixels. min_face:
    smaller faces, sqrt(w h) in pixels, are not trained on.
    """

    def __init__(
        self,
        side: int = 640,
        sampling: Sampling = "das",
        area_side: int = 12000,
        sse_main: Literal["P3", "P4", "P5"] = "P5",
        sse_low: float = 16.0,
        min_face: float = 8.0,
        varying: Draw | None = None,
        seed: int = 0,
    ) -> None:
        self.side, self.sampling, self.area_side = side, sampling, area_side
        self.sse_main, self.sse_low, self.min_face = sse_main, sse_low, min_face
        self.varying, self.seed = varying, seed

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        rng = np.random.default_rng(np.random.randint(2**31))
        image = results["img"]
        side = self.side if self.varying is None else picture_side(self.seed, results["batch"], self.varying)
        faces = get_box_tensor(results["gt_bboxes"]).numpy().astype(np.float64)
        sized = np.flatnonzero((faces[:, 2:] > faces[:, :2]).all(1))
        image, faces, kept = self._square(image, faces[sized], side, rng)
        enough = large_enough(faces, self.min_face)
        places = sized[kept][enough]
        results["img"] = image
        results["img_shape"] = image.shape[:2]
        results["gt_bboxes"] = HorizontalBoxes(faces[enough].astype(np.float32))
        for key in PER_FACE:
            if key in results:
                results[key] = results[key][places]
        return results

    def _square(
        self, image: Picture, faces: NDArray[np.float64], side: int, rng: np.random.Generator
    ) -> tuple[Picture, NDArray[np.float64], NDArray[Any]]:
        """The square, its faces, and their places among those given; the whole picture squeezed where no cut holds a face."""
        height, width = image.shape[:2]
        kind = INTERPOLATIONS[rng.integers(len(INTERPOLATIONS))]
        if len(faces):
            drawn = int(rng.integers(len(faces)))
            factor = self._factor(float(face_sizes(faces)[drawn]), height, width, side, rng)
            high, wide = max(1, round(height * factor)), max(1, round(width * factor))
            grown = faces * np.array([wide / width, high / height] * 2)
            corner = choose_crop(grown[drawn], grown, high, wide, side, rng)
            if corner is not None:
                kept, cut = cut_faces(grown, *corner, side)
                return self._cut(image, (high, wide), corner, side, kind), cut, np.flatnonzero(kept)
        squeezed = cv2.resize(image, (side, side), interpolation=kind)
        return squeezed, faces * (side / np.array([width, height, width, height])), np.arange(len(faces))

    def _factor(self, size: float, height: int, width: int, side: int, rng: np.random.Generator) -> float:
        if self.sampling == "sse":
            target = sse_target(rng, self.sse_main, self.sse_low)
        else:
            target = das_target(size, rng, [each for each in ANCHOR_SIDES if each <= max(side, ANCHOR_SIDES[0])])
        return resize_factor(target, size, height, width, self.area_side)

    def _cut(self, image: Picture, size: tuple[int, int], corner: tuple[int, int], side: int, kind: int) -> Picture:
        """The square of the picture resized to (rows, columns), padded with the mean colour.

        A picture that grows is never resized as a whole: at most 12000^2 pixels would be made for 640^2.
        """
        (high, wide), (left, top) = size, corner
        canvas = np.empty((side, side, 3), image.dtype)
        canvas[:] = np.round(MEAN).astype(image.dtype)
        x, y, right, bottom = max(0, left), max(0, top), min(wide, left + side), min(high, top + side)
        if x >= right or y >= bottom:
            return canvas
        scale_x, scale_y = wide / image.shape[1], high / image.shape[0]
        if scale_x <= 1.0:
            part = cv2.resize(image, (wide, high), interpolation=kind)[y:bottom, x:right]
        else:
            # Pixel centres: output j shows the picture at (j + x + 0.5) / scale - 0.5.
            back = np.array([[1 / scale_x, 0, (x + 0.5) / scale_x - 0.5], [0, 1 / scale_y, (y + 0.5) / scale_y - 0.5]])
            flags = (cv2.INTER_LINEAR if kind == cv2.INTER_AREA else kind) | cv2.WARP_INVERSE_MAP
            part = cv2.warpAffine(image, back, (right - x, bottom - y), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        canvas[y - top : bottom - top, x - left : right - left] = part
        return canvas


def das_steps(arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Photometric distortion, data-anchor sampling with these arguments, and the mirror."""
    return [{"type": "PhotoMetricDistortion"}, {"type": "DataAnchorSampling", **arguments}, dict(MIRROR)]
