"""One picture of SynthFaces: a scene with people, things that are no face, and what is annotated of each face."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from benchmarks.base import RepriseError
from benchmarks.drawing import textures
from benchmarks.drawing.fixed_point import ONE, PIXEL, TURN, Draws, cosine, sine
from benchmarks.drawing.textures import LEVEL
from benchmarks.wider_face import clutter, face_events
from benchmarks.wider_face.face_events import HEIGHTS, chosen_event, heights, yaw_and_pitch
from benchmarks.wider_face.head import DEGREES, Head, Looks, Pose, draw_head
from benchmarks.wider_face.layer import GAIN, Layer, placed

_TRIES = 12
_LARGEST_SIZE = 512


@dataclass(frozen=True)
class FaceSceneSettings:
    """What makes the pictures easy or hard; which faces occur is fixed by `face_events.EVENTS`.

    size: sides in pixels. Shares, 0 to 1: `blurred` of faces out of focus (some more move), `occluded` of faces with
    something in front (others are hidden by people nearer by), `soft` of pictures that are blurred whole, `dim` of pictures
    under- or overexposed, `empty` of pictures without people. grain: the standard deviation of the pixel noise in grey levels
    of the noisiest pictures.
    """

    size: int = 128
    blurred: float = 0.45
    occluded: float = 0.3
    soft: float = 0.4
    dim: float = 0.2
    empty: float = 0.01
    grain: int = 14

    def __post_init__(self) -> None:
        if not 64 <= self.size <= _LARGEST_SIZE:
            raise RepriseError(f"SynthFaces: size {self.size} must be 64 to {_LARGEST_SIZE} pixels")
        for name in ("blurred", "occluded", "soft", "dim", "empty"):
            if not 0 <= getattr(self, name) <= 1:
                raise RepriseError(f"SynthFaces: {name} {getattr(self, name)} must be a share, 0 to 1")
        if not 0 <= self.grain <= 64:
            raise RepriseError(f"SynthFaces: grain {self.grain} must be 0 to 64 grey levels")


@dataclass
class DrawnFace:
    """A face in a picture.

    box: x y w h in pixels, within the picture. attributes: in the order of `annotations.ATTRIBUTES`. seen: the share of the
    face that nothing hides, 0 to 1.
    """

    box: tuple[int, int, int, int]
    attributes: tuple[int, int, int, int, int, int]
    seen: float


@dataclass(frozen=True)
class FaceScene:
    """A finished picture, uint8 RGB (size, size, 3), the name of its event, and its faces from the farthest to the nearest."""

    picture: np.ndarray
    event: str
    faces: tuple[DrawnFace, ...]


def draw(settings: FaceSceneSettings, seed: int) -> FaceScene:
    """The picture of a seed: the same bits on every machine."""
    return _Painter(settings, Draws(seed)).scene()


@dataclass
class _Person:
    """Somebody in the scene; widths of the blur across and down, and what is still seen of the face."""

    pose: Pose
    looks: Looks
    blur: tuple[int, int]
    seen: np.ndarray
    whole: int


class _Painter:
    """A picture while it is painted, in 256ths of a grey level."""

    def __init__(self, settings: FaceSceneSettings, draws: Draws) -> None:
        self.settings, self.draws, self.size = settings, draws, settings.size
        self.event = chosen_event(draws)
        self.softness = draws.between(3, 16) if draws.chance(settings.soft) else 0
        self.exposure = self._exposure()
        self.picture = self._ground()
        self.people: list[_Person] = []

    def scene(self) -> FaceScene:
        self._clutter()
        if not self.draws.chance(self.settings.empty):
            for pose in sorted(self._poses(), key=lambda each: each.height):
                self._person(pose)
        faces = [found for person in self.people if (found := self._annotated(person)) is not None]
        return FaceScene(self._finished(), self.event.name, tuple(faces))

    def _exposure(self) -> int:
        """In 1024ths."""
        if not self.draws.chance(self.settings.dim):
            return GAIN + self.draws.between(-140, 140)
        return self.draws.between(300, 560) if self.draws.chance(0.7) else self.draws.between(1400, 1750)

    def _ground(self) -> np.ndarray:
        """Muted colours from top to bottom, under light and dark patches and fainter coloured ones."""
        draws, size = self.draws, self.size
        wide, middle, fine = (textures.noise(draws, size, size, cell, 1) for cell in (size // 3, size // 9, 4))
        light = 128 * wide + 77 * middle + 51 * fine >> 8
        hue = textures.noise(draws, size, size, size // 4, 3)
        top, bottom = (_muted(draws) for _ in range(2))
        down = np.arange(size, dtype=np.int32)[:, None, None]
        colour = (top * (size - down) + bottom * down) * LEVEL // size
        share, tint = draws.between(30, 180), draws.between(10, 70)
        mixed = colour * (256 - share - tint) + light * share + hue * tint >> 8
        return np.clip(mixed, 0, 255 * LEVEL)

    def _clutter(self) -> None:
        draws = self.draws
        for _ in range(draws.between(*self.event.clutter)):
            kind = draws.between(0, 99)
            if kind < 100 * self.event.animals:
                self._head(face_events.animal(draws))
            elif kind >= 88:
                self._head(face_events.faceless(draws))
            else:
                for layer in clutter.thing(draws, self.size):
                    layer.over(self.picture)

    def _head(self, looks: Looks) -> None:
        """The head of an animal, a dummy or somebody who looks away, of any size that faces have here."""
        height = heights(self.event, self.size)[self.draws.between(0, HEIGHTS - 1)]
        edge = self.size * PIXEL
        ratio = self.draws.between(700, 1000)
        pose = Pose(
            *(self.draws.between(0, edge), self.draws.between(0, edge)), height, ratio, self.draws.bell(12 * DEGREES)
        )
        blur = self._blur(height)
        for layer in [*self._shoulders(pose), draw_head(pose, looks).layer]:
            layer.blurred(*blur).over(self.picture)

    def _poses(self) -> list[Pose]:
        """Where people's faces are; fewer than drawn for where there is no room."""
        draws, found = self.draws, list[Pose]()
        table = heights(self.event, self.size)
        for _ in range(draws.between(*self.event.faces)):
            step = draws.between(0, HEIGHTS - 1)
            height = table[step]
            for _ in range(_TRIES):
                x, y = self._place(height, step)
                if all(_apart(x, y, height, other, self.event.near) for other in found):
                    found.append(self._turned(x, y, height))
                    break
        return found

    def _place(self, height: int, step: int) -> tuple[int, int]:
        draws, edge = self.draws, self.size * PIXEL
        margin = min(height * 3 // 8, edge // 2)
        x = draws.between(margin, edge - margin)
        if not self.event.rows:
            return x, draws.between(margin, edge - margin)
        y = edge * 3 // 16 + edge * 9 * step // (16 * HEIGHTS) + draws.bell(edge // 9)
        return x, min(max(y, margin), edge - margin)

    def _turned(self, x: int, y: int, height: int) -> Pose:
        draws = self.draws
        ratio = draws.between(660, 880) if draws.chance(0.85) else draws.between(470, 1000)
        turned, around = draws.chance(self.event.turned), draws.chance(0.6)
        yaw, pitch = yaw_and_pitch(draws, turned and around)
        roll = draws.bell(8 * DEGREES)
        if turned and not around:
            roll = draws.between(35, 100) * DEGREES * (1 if draws.chance(0.5) else -1)
        return Pose(x, y, height, ratio, roll, yaw, pitch)

    def _person(self, pose: Pose) -> None:
        draws = self.draws
        looks = face_events.person(draws, self.event)
        blur = self._blur(pose.height)
        for layer in self._shoulders(pose):
            self._lay(layer.blurred(*blur))
        head = draw_head(pose, looks)
        self._lay(head.layer.blurred(*blur))
        self.people.append(self._seen(head, pose, looks, blur))
        if draws.chance(self.settings.occluded):
            self._occlude(pose)

    def _shoulders(self, pose: Pose) -> list[Layer]:
        """Not below every head, so that shoulders alone do not tell a face."""
        if not self.draws.chance(0.7):
            return []
        return clutter.torso(self.draws, pose.x, pose.y, pose.height // 2, pose.roll // 2, self.size)

    def _seen(self, head: Head, pose: Pose, looks: Looks, blur: tuple[int, int]) -> _Person:
        seen = placed(head.face, head.layer.top, head.layer.left, self.size)
        return _Person(pose, looks, blur, seen, max(1, int(head.face.sum())))

    def _blur(self, height: int) -> tuple[int, int]:
        """Odd widths across and down: none, out of focus, or moving one way; in proportion to the face, 3 pixels at least."""
        draws = self.draws
        if draws.chance(self.event.motion):
            width = max(3, _odd(height // draws.between(5, 10)))
            return (width, 1) if draws.chance(0.7) else (1, width)
        if not draws.chance(self.settings.blurred):
            return 1, 1
        width = max(3, _odd(height // draws.between(4, 18)))
        return width, width

    def _occlude(self, pose: Pose) -> None:
        draws, half = self.draws, pose.height // 2
        angle = draws.between(0, TURN - 1)
        distance = half * draws.between(3, 9) // 8
        x = pose.x + distance * cosine(angle) // ONE
        y = pose.y + distance * sine(angle) // ONE
        for layer in clutter.occluder(draws, x, y, half * draws.between(3, 7) // 8, self.size):
            self._lay(layer)

    def _lay(self, layer: Layer) -> None:
        layer.over(self.picture)
        hidden = layer.mask(self.size)
        for person in self.people:
            person.seen &= ~hidden

    def _annotated(self, person: _Person) -> DrawnFace | None:
        """What WIDER's annotators would write; None for a face of which next to nothing is seen."""
        seen = int(person.seen.sum()) / person.whole
        if seen < 0.1:
            return None
        looks, pose = person.looks, person.pose
        hidden = 1 - seen + 0.35 * looks.face_mask + 0.12 * looks.sunglasses
        across, _, overall = looks.light
        overall = overall * self.exposure >> 10
        extreme = abs(across) >= 400 or not 520 <= overall <= 1400
        aside = abs(pose.roll) > 30 * DEGREES or abs(pose.yaw) > 34 * DEGREES or abs(pose.pitch) > 22 * DEGREES
        occlusion = 0 if hidden < 0.08 else 1 if hidden < 0.35 else 2
        attributes = (
            *(self._blur_label(person), int(looks.open_mouth), int(extreme)),
            *(int(hidden > 0.75), occlusion, int(aside)),
        )
        return DrawnFace(self._box(pose), attributes, seen)

    def _blur_label(self, person: _Person) -> int:
        """By the deviation of all blur, focus and picture, as a share of the face's height: above 1/32 some, above 1/13 heavy."""
        width = max(person.blur)
        variance = 16 * (width**2 - 1) + 6 * self.softness  # in 96ths of a square pixel
        height = person.pose.height
        return sum(variance * PIXEL**2 * share**2 > 96 * height**2 for share in (32, 13))

    def _box(self, pose: Pose) -> tuple[int, int, int, int]:
        across, down = pose.half_extents()
        left, right = (_pixel(pose.x + side * across, self.size) for side in (-1, 1))
        top, bottom = (_pixel(pose.y + side * down, self.size) for side in (-1, 1))
        return left, top, max(1, right - left), max(1, bottom - top)

    def _finished(self) -> np.ndarray:
        draws = self.draws
        picture = textures.lit(self.picture, draws.between(-260, 260), draws.between(-260, 260))
        cast = np.array([self.exposure + draws.bell(50) for _ in range(3)], np.int32)
        picture = np.minimum(picture * cast >> 10, 255 * LEVEL)
        if self.softness:
            picture = textures.blurred(picture, self.softness)
        return textures.grained(draws, picture, draws.between(min(2, self.settings.grain), self.settings.grain))


def _muted(draws: Draws) -> np.ndarray:
    """A colour nearer to grey than most."""
    colour = np.array(textures.any_colour(draws), np.int32)
    grey = np.int32(colour.sum() // 3)
    return grey + ((colour - grey) * draws.between(40, 170) >> 8)


def _apart(x: int, y: int, height: int, other: Pose, near: int) -> bool:
    """Whether two faces are at least `near` 8ths of their mean height from one another."""
    return math.isqrt((x - other.x) ** 2 + (y - other.y) ** 2) * 16 >= near * (height + other.height)


def _odd(width: int) -> int:
    """The odd number of pixels next to a width in 64ths of a pixel."""
    return 2 * ((width + PIXEL // 2) // (2 * PIXEL)) + 1


def _pixel(place: int, size: int) -> int:
    """The pixel edge next to a place, within the picture."""
    return min(max((place + PIXEL // 2) // PIXEL, 0), size)
