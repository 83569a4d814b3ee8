"""One head, drawn from its pose and its looks: a face with features on an egg, hair, hat, glasses; or an animal's head.

Own coordinates: u down, v to the right, 4096 from the middle of the face to its chin or side. Features sit on the egg by azimuth
and elevation, so that a turned head shows them nearer its side, narrower, or not at all. Angles in 4096ths of a turn, lengths
in 64ths of a pixel: whole numbers throughout, so the same bits on every machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from benchmarks.drawing.fixed_point import ONE, PIXEL, TURN, cosine, sine
from benchmarks.drawing.outlines import UNIT
from benchmarks.drawing.textures import LEVEL, Colour
from benchmarks.wider_face.layer import GAIN, OPAQUE, Layer

Hair = Literal["short", "long", "bald", "hat", "veil"]
HAIRS: tuple[Hair, ...] = ("short", "short", "long", "long", "bald", "hat", "veil")

DEGREES = TURN // 360
"""About one degree; 360 of them are a little less than a turn."""

_REACH = 7
"""Quarters of half the height that hair and neck reach from the middle of the face."""

_FINE_BELOW = 32 * PIXEL
"""Faces lower than this are sampled at 4 x 4 points a pixel, the others at 2 x 2."""


@dataclass(frozen=True)
class Pose:
    """Where a face is and how it is turned.

    x, y: its middle. height: forehead to chin, along the face. ratio: width / height in 1024ths. roll: in the picture's plane;
    yaw: to the side; pitch: up or down.
    """

    x: int
    y: int
    height: int
    ratio: int
    roll: int = 0
    yaw: int = 0
    pitch: int = 0

    def half_extents(self) -> tuple[int, int]:
        """Half the width and half the height of the upright box around the face, in 64ths of a pixel."""
        down, right = self.height // 2, self.height * self.ratio >> 11
        sin, cos = sine(self.roll), cosine(self.roll)
        across = math.isqrt((down * sin) ** 2 + (right * cos) ** 2) // ONE
        along = math.isqrt((down * cos) ** 2 + (right * sin) ** 2) // ONE
        return across, along


@dataclass(frozen=True)
class Looks:
    """Colours and what the head wears. `light`: change of brightness towards v and u, and overall, in 1024ths.

    animal: fur, ears on top and a snout instead of a human face. back: seen from behind; blank: without features.
    """

    skin: Colour
    hair: Colour
    cloth: Colour
    iris: Colour
    style: Hair = "short"
    fringe: int = 700
    beard: bool = False
    glasses: bool = False
    sunglasses: bool = False
    face_mask: bool = False
    open_mouth: bool = False
    animal: bool = False
    back: bool = False
    blank: bool = False
    light: tuple[int, int, int] = (0, 0, GAIN)


@dataclass(frozen=True)
class Head:
    """A drawn head: its layer, and the part of it that is the face (h, w) bool, before anything is laid over it."""

    layer: Layer
    face: np.ndarray


def draw_head(pose: Pose, looks: Looks) -> Head:
    """A head; it may reach beyond the picture."""
    canvas = _Canvas(pose)
    if looks.animal:
        _animal(canvas)
    else:
        _person(canvas, looks, pose)
    layer, face = canvas.finished(_palette(looks))
    return Head(layer.lit(_gain(canvas, looks.light)), face)


_NOTHING, _HAIR, _SKIN, _SHADE, _LIPS, _DARK, _WHITE, _IRIS, _CLOTH = range(9)


def _palette(looks: Looks) -> np.ndarray:
    """Red, green, blue and alpha of every part."""
    red, green, blue = looks.skin
    shade = (red * 190 >> 8, green * 175 >> 8, blue * 170 >> 8)
    lips = ((red * 220 >> 8), green * 130 >> 8, blue * 135 >> 8)
    colours = [looks.hair, looks.skin, shade, lips, (32, 20, 22), (232, 230, 226), looks.iris, looks.cloth]
    return np.array([(0, 0, 0, 0), *((*colour, 1) for colour in colours)], np.int32)


class _Canvas:
    """Sample points around a head, and the part that each belongs to."""

    def __init__(self, pose: Pose) -> None:
        self.samples = 4 if pose.height < _FINE_BELOW else 2
        half, step = pose.height // 2, PIXEL // self.samples
        reach = half * _REACH // 4
        self.left, right = (pose.x - reach) // PIXEL, -(-(pose.x + reach) // PIXEL)
        self.top, bottom = (pose.y - reach) // PIXEL, -(-(pose.y + reach) // PIXEL)
        dx = np.arange(self.left * self.samples, right * self.samples, dtype=np.int32) * step + (step // 2 - pose.x)
        dy = np.arange(self.top * self.samples, bottom * self.samples, dtype=np.int32)[:, None] * step
        dy = dy + np.int32(step // 2 - pose.y)
        cos, sin = np.int32(cosine(pose.roll)), np.int32(sine(pose.roll))
        per_unit = ONE // UNIT * half
        self.u = (dy * cos - dx * sin) // np.int32(per_unit)
        side = (dx * cos + dy * sin) // np.int32(max(1, per_unit * pose.ratio >> 10))
        self.v = np.clip(side, -4 * UNIT, 4 * UNIT)  # else squares overflow far beside a narrow face
        self.part: np.ndarray = np.zeros(self.u.shape, np.uint8)
        self.face = self.egg()

    def egg(self) -> np.ndarray:
        """The face: an ellipse whose lower half is a little narrower."""
        narrow = UNIT + np.maximum(self.u, 0) * 5 // 32
        side = self.v * narrow >> 12
        return self.u**2 + side**2 <= UNIT**2

    def ellipse(self, u: int, v: int, down: int, right: int) -> np.ndarray:
        """Around (u, v) with these half axes."""
        first = (self.u - np.int32(u)) * np.int32((1 << 20) // max(down, 160)) >> 12
        second = (self.v - np.int32(v)) * np.int32((1 << 20) // max(right, 160)) >> 12
        return first**2 + second**2 <= 1 << 16

    def paint(self, inside: np.ndarray, part: int) -> None:
        self.part[inside] = part

    def on_egg(self, pose: Pose, azimuth: int, elevation: int, down: int, right: int) -> np.ndarray:
        """An ellipse on the face; its half axes as seen from the front. Empty where it is turned away."""
        azimuth, elevation = azimuth + pose.yaw, elevation + pose.pitch
        if cosine(azimuth) < ONE // 8:
            return np.zeros_like(self.face)
        u, v = sine(elevation) * UNIT // ONE, sine(azimuth) * UNIT // ONE
        v = v * max(cosine(elevation), ONE // 4) // ONE
        return self.ellipse(u, v, down, right * cosine(azimuth) // ONE) & self.face

    def feature(self, pose: Pose, azimuth: int, elevation: int, down: int, right: int, part: int) -> None:
        """Paint an ellipse on the face."""
        self.paint(self.on_egg(pose, azimuth, elevation, down, right), part)

    def finished(self, palette: np.ndarray) -> tuple[Layer, np.ndarray]:
        """The mean over the samples of each pixel; and the pixels of which the face has half or more."""
        n = self.samples
        rows, columns = self.part.shape[0] // n, self.part.shape[1] // n
        whole = palette[self.part].reshape(rows, n, columns, n, 4).sum(axis=(1, 3), dtype=np.int32)
        face = 2 * self.face.reshape(rows, n, columns, n).sum(axis=(1, 3)) >= n * n
        layer = Layer(self.top, self.left, whole[..., :3] * LEVEL // n**2, whole[..., 3] * OPAQUE // n**2)
        return layer, face


def _gain(canvas: _Canvas, light: tuple[int, int, int]) -> np.ndarray:
    """Light from one side, and less of it towards the rim; (h, w) in 1024ths."""
    n = canvas.samples
    u, v = canvas.u[n // 2 :: n, n // 2 :: n], canvas.v[n // 2 :: n, n // 2 :: n]
    across, down, overall = light
    rim = np.minimum(u**2 + v**2 >> 12, 2 * UNIT) * 180 >> 12
    gain = overall + (v * across + u * down >> 12) - rim
    return np.clip(gain, 60, 3 * GAIN)


def _person(canvas: _Canvas, looks: Looks, pose: Pose) -> None:
    _behind(canvas, looks)
    if looks.back:
        canvas.paint(canvas.ellipse(-UNIT // 8, 0, UNIT * 9 // 8, UNIT * 17 // 16), _HAIR)
        return
    _outline(canvas, looks, pose)
    canvas.paint(canvas.face, _SKIN)
    if looks.blank:
        return
    _hairline(canvas, looks, pose)
    _features(canvas, looks, pose)
    _worn(canvas, looks, pose)


def _behind(canvas: _Canvas, looks: Looks) -> None:
    """Hair behind the face, and the neck."""
    neck = (np.abs(canvas.v) < UNIT * 7 // 16) & (canvas.u > UNIT // 2)
    if looks.style == "long":
        canvas.paint(canvas.ellipse(UNIT // 4, 0, UNIT * 23 // 16, UNIT * 21 // 16), _HAIR)
    canvas.paint(neck, _SHADE)
    if looks.style == "veil":
        canvas.paint(canvas.ellipse(UNIT // 8, 0, UNIT * 11 // 8, UNIT * 11 // 8), _CLOTH)
    elif looks.style != "bald":
        canvas.paint(canvas.ellipse(-UNIT * 3 // 16, 0, UNIT * 17 // 16, UNIT * 18 // 16), _HAIR)


def _outline(canvas: _Canvas, looks: Looks, pose: Pose) -> None:
    """Ears beside the egg and, turned to the side, the nose beyond it."""
    if looks.style in ("short", "bald", "hat"):
        for side in (-1, 1):
            if side * pose.yaw <= 0 or abs(pose.yaw) < 12 * DEGREES:
                canvas.paint(canvas.ellipse(0, side * UNIT, UNIT // 4, UNIT // 7), _SHADE)
    if abs(pose.yaw) > 30 * DEGREES:
        v = sine(pose.yaw) * UNIT // ONE
        canvas.paint(canvas.ellipse(sine(pose.pitch + 8 * DEGREES) * UNIT // ONE, v, UNIT // 6, UNIT // 6), _SKIN)


def _hairline(canvas: _Canvas, looks: Looks, pose: Pose) -> None:
    """Hair over the forehead, and over the side that a turned head shows."""
    if looks.style == "bald":
        return
    part = _CLOTH if looks.style == "veil" else _HAIR
    forehead = sine(-52 * DEGREES + pose.pitch) * UNIT // ONE + looks.fringe - 700
    canvas.paint(canvas.face & (canvas.u < forehead + (canvas.v**2 >> 14)), part)
    if abs(pose.yaw) > 20 * DEGREES:
        side = 1 if pose.yaw > 0 else -1
        line = sine(abs(pose.yaw) - 78 * DEGREES) * UNIT // ONE
        canvas.paint(canvas.face & (side * canvas.v < line) & (canvas.u < UNIT // 3), part)


def _features(canvas: _Canvas, looks: Looks, pose: Pose) -> None:
    if looks.beard:
        below = sine(pose.pitch + 17 * DEGREES) * UNIT // ONE
        canvas.paint(canvas.face & (canvas.u > below + (UNIT // 4) - (canvas.v**2 >> 13)), _HAIR)
        canvas.feature(pose, 0, 22 * DEGREES, UNIT // 12, UNIT * 3 // 8, _HAIR)
    for side in (-1, 1):
        azimuth = side * 24 * DEGREES
        canvas.feature(pose, azimuth, -9 * DEGREES, UNIT // 6, UNIT // 4, _SHADE)
        canvas.feature(
            pose, azimuth, -22 * DEGREES, UNIT // 17, UNIT * 4 // 16, _HAIR if looks.style != "bald" else _DARK
        )
        canvas.feature(pose, azimuth, -10 * DEGREES, UNIT // 10, UNIT * 3 // 16, _WHITE)
        canvas.feature(pose, azimuth, -10 * DEGREES, UNIT // 10, UNIT // 10, _IRIS)
    canvas.feature(pose, -2 * DEGREES, 3 * DEGREES, UNIT // 4, UNIT // 12, _SHADE)
    canvas.feature(pose, 0, 15 * DEGREES, UNIT // 14, UNIT * 3 // 16, _SHADE)
    for side in (-1, 1):
        canvas.feature(pose, side * 5 * DEGREES, 16 * DEGREES, UNIT // 22, UNIT // 20, _DARK)
    if looks.open_mouth:
        canvas.feature(pose, 0, 34 * DEGREES, UNIT * 4 // 16, UNIT * 5 // 16, _LIPS)
        canvas.feature(pose, 0, 34 * DEGREES, UNIT * 3 // 16, UNIT * 4 // 16, _DARK)
        canvas.feature(pose, 0, 28 * DEGREES, UNIT // 18, UNIT * 3 // 16, _WHITE)
    else:
        canvas.feature(pose, 0, 32 * DEGREES, UNIT // 10, UNIT * 5 // 16, _LIPS)
        canvas.feature(pose, 0, 32 * DEGREES, UNIT // 30, UNIT * 5 // 16, _DARK)


def _worn(canvas: _Canvas, looks: Looks, pose: Pose) -> None:
    """Glasses, a mask over mouth and nose, a hat."""
    if looks.glasses or looks.sunglasses:
        canvas.feature(pose, 0, -11 * DEGREES, UNIT // 26, UNIT // 3, _DARK)
        for side in (-1, 1):
            azimuth = side * 24 * DEGREES
            if looks.sunglasses:
                canvas.feature(pose, azimuth, -9 * DEGREES, UNIT * 7 // 32, UNIT * 11 // 32, _DARK)
            else:
                _rim(canvas, pose, azimuth)
    if looks.face_mask:
        line = sine(pose.pitch + 4 * DEGREES) * UNIT // ONE
        canvas.paint(canvas.face & (canvas.u > line + (canvas.v**2 >> 15)), _CLOTH)
    if looks.style == "hat":
        brim = sine(-36 * DEGREES + pose.pitch) * UNIT // ONE
        canvas.paint(canvas.ellipse(-UNIT * 3 // 4, 0, UNIT * 3 // 4, UNIT * 19 // 16) & (canvas.u < brim), _CLOTH)
        canvas.paint(canvas.ellipse(brim, 0, UNIT // 9, UNIT * 22 // 16), _DARK)


def _rim(canvas: _Canvas, pose: Pose, azimuth: int) -> None:
    """The frame of one lens; the eye stays seen."""
    outer = canvas.on_egg(pose, azimuth, -9 * DEGREES, UNIT * 8 // 32, UNIT * 11 // 32)
    inner = canvas.on_egg(pose, azimuth, -9 * DEGREES, UNIT * 6 // 32, UNIT * 9 // 32)
    canvas.paint(outer & ~inner, _DARK)


def _animal(canvas: _Canvas) -> None:
    """Fur, upright ears, eyes apart and a snout: near enough to a face to be mistaken."""
    for side in (-1, 1):
        ear = (canvas.u < -UNIT // 3) & (np.abs(canvas.v - side * UNIT * 3 // 4) * 2 < canvas.u + UNIT * 3 // 2)
        canvas.paint(ear, _HAIR)
    canvas.paint(canvas.face, _HAIR)
    for side in (-1, 1):
        canvas.paint(canvas.ellipse(-UNIT // 4, side * UNIT // 2, UNIT // 9, UNIT // 8), _IRIS)
        canvas.paint(canvas.ellipse(-UNIT // 4, side * UNIT // 2, UNIT // 12, UNIT // 24), _DARK)
    canvas.paint(canvas.ellipse(UNIT // 2, 0, UNIT * 7 // 16, UNIT // 2), _SKIN)
    canvas.paint(canvas.ellipse(UNIT * 5 // 16, 0, UNIT // 7, UNIT // 5), _DARK)
    canvas.paint(canvas.ellipse(UNIT * 11 // 16, 0, UNIT // 26, UNIT * 5 // 16), _DARK)
