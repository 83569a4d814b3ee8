"""DAS and SSE: how large a face is made, and where the training picture is cut (face methods, section 3.5). Geometry, no pixels.

Boxes (F, 4) have exclusive corners, x2 - x1 pixels wide. Every function draws from the generator it is given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float64]
Draw = Literal["batch", "run"]

ANCHOR_SIDES = (16.0, 32.0, 64.0, 128.0, 256.0, 512.0)

SCALE_RANGES = {
    "P2": (8.4, 26.7),
    "P3": (26.7, 54.0),
    "P4": (54.0, 106.2),
    "P5": (106.2, 212.4),
    "P6": (212.4, 420.8),
    "P7": (420.8, 640.0),
}
"""Sizes in pixels of the faces that each level learns, by which SSE chooses."""

MAIN_SHARE = 0.2
AUXILIARY_SHARE = 0.8 * MAIN_SHARE

CROPS = 50
"""Draws of a cut; one of those that hold a face is taken."""

KEPT_OVERLAP = 0.7

SIDES = tuple(range(640, 1185, 32))
"""Sides of the training picture where they vary."""


def face_sizes(faces: Boxes) -> NDArray[np.float64]:
    """sqrt(w h) of each face, in pixels."""
    return np.sqrt((faces[:, 2] - faces[:, 0]) * (faces[:, 3] - faces[:, 1]))


def das_target(size: float, rng: np.random.Generator, sides: Sequence[float] = ANCHOR_SIDES) -> float:
    """The size that data-anchor sampling gives a face: one of the anchors' sides up to the next larger, times 2^U(-1, 1)."""
    nearest = int(np.argmin(np.abs(np.asarray(sides) - size)))
    chosen = int(rng.integers(min(nearest + 1, len(sides) - 1) + 1))
    return float(sides[chosen] * 2.0 ** rng.uniform(-1.0, 1.0))


def sse_target(rng: np.random.Generator, main: Literal["P3", "P4", "P5"] = "P5", low: float = 16.0) -> float:
    """The size that SSE gives a face: 20 % in the main level's range, 16 % in the next one's, else below, from `low`."""
    ranges = list(SCALE_RANGES)
    start, end = SCALE_RANGES[main]
    r = rng.uniform()
    if r < MAIN_SHARE:
        return float(rng.uniform(start, end))
    if r < MAIN_SHARE + AUXILIARY_SHARE:
        return float(rng.uniform(*SCALE_RANGES[ranges[ranges.index(main) + 1]]))
    return float(rng.uniform(low, start))


def resize_factor(target: float, size: float, height: int, width: int, area_side: int) -> float:
    """What brings a face of `size` to `target` pixels, at most so that the picture's area is area_side^2."""
    return min(target / size, area_side / math.sqrt(height * width))


def crop_corners(face: NDArray[np.float64], height: int, width: int, side: int, rng: np.random.Generator) -> Boxes:
    """Left and top edges (CROPS, 2) of cuts in a resized picture around the drawn face (4,); they may lie outside of it."""
    if side < max(height, width):
        low = np.array([face[0], face[1]])
        high = np.array([face[2], face[3]]) - side
    else:
        low, high = np.zeros(2), np.array([width - side, height - side], float)
    return np.floor(low + (high - low) * rng.uniform(size=(CROPS, 2)))


def holds_a_face(corners: Boxes, faces: Boxes, side: int) -> NDArray[np.bool_]:
    """Which cuts (K, 2) have a face wholly inside, or one that overlaps them by more than 0.7 (IoU)."""
    low = np.maximum(corners[:, None], faces[None, :, :2])
    high = np.minimum(corners[:, None] + side, faces[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(-1)
    area = (faces[:, 2:] - faces[:, :2]).prod(-1)[None]
    inside = ((faces[None, :, :2] >= corners[:, None]) & (faces[None, :, 2:] <= corners[:, None] + side)).all(-1)
    return (inside | (shared / (area + side**2 - shared) > KEPT_OVERLAP)).any(1)


def choose_crop(
    face: NDArray[np.float64], faces: Boxes, height: int, width: int, side: int, rng: np.random.Generator
) -> tuple[int, int] | None:
    """Left and top edge of the cut that is taken, or None where no draw holds a face."""
    corners = crop_corners(face, height, width, side, rng)
    corners = corners[holds_a_face(corners, faces, side)]
    if not len(corners):
        return None
    left, top = corners[rng.integers(len(corners))]
    return int(left), int(top)


def cut_faces(faces: Boxes, left: int, top: int, side: int) -> tuple[NDArray[np.bool_], Boxes]:
    """Which faces stay, those whose centre the cut holds, and these clipped to it in its own pixels."""
    moved = faces - np.array([left, top, left, top])
    centre = (moved[:, :2] + moved[:, 2:]) / 2
    kept = ((centre >= 0) & (centre < side)).all(1)
    return kept, np.clip(moved[kept], 0, side)


def large_enough(faces: Boxes, least: float) -> NDArray[np.bool_]:
    """Which faces are trained on: those of `least` pixels, sqrt(w h), or all where none is."""
    enough = face_sizes(faces) >= least
    return enough if enough.any() else np.ones(len(faces), bool)


def picture_side(seed: int, batch: int, draw: Draw) -> int:
    """The side of the pictures of a batch where it varies: drawn for each `batch`, or once for the `run` (3.6, D3)."""
    if draw == "run":
        return int(np.random.RandomState(seed % 2**32).choice(SIDES))
    return int(np.random.default_rng([seed, batch]).choice(SIDES))
