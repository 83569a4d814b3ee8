"""One picture of SynthCOCO: background, clutter, a crowd, objects that hide one another; and the mask of what is seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.base import RepriseError
from benchmarks.coco.shapes import RING_HOLES, SHAPES
from benchmarks.drawing import textures
from benchmarks.drawing.fixed_point import PIXEL, TURN, Draws, cosine, sine
from benchmarks.drawing.outlines import (
    FULL,
    UNIT,
    Inside,
    Patch,
    Placement,
    bar,
    cover,
    disc,
    polygon,
    without,
)
from benchmarks.drawing.textures import COARSE, FINE, PATTERNS

CATEGORIES = tuple(SHAPES)
_TRIES = 8
_LEAST_PIXELS = 20
_CLUTTER_RADIUS = (5.0, 20.0)
_RADII = 256
_LARGEST_SIZE = 512


@dataclass(frozen=True)
class SceneSettings:
    """What makes the pictures easy or hard. The defaults are a recipe whose learning was measured on small detectors.

    It was measured with radii 6 to 20 on shapes drawn by OpenCV, which reach half a pixel beyond their outline; hence 6.5.

    `size` and `radius` are in pixels (radii are log-uniform), `hue` is the standard deviation around the category's hue in
    turns, `grain` that of the pixel noise in grey levels; `objects` and `clutter` give the least and largest number drawn
    for. Probabilities: `pattern` that an object has its category's usual pattern, `low_contrast` that it takes on much of
    the colour below, `crowd` and `empty` that a picture has a crowd region, or nothing to find. `background` is the share
    of texture in the ground, `visible` the least share of an object that others may leave.
    """

    size: int = 96
    objects: tuple[int, int] = (3, 8)
    radius: tuple[float, float] = (6.5, 20.5)
    visible: float = 0.6
    hue: float = 0.06
    pattern: float = 0.9
    low_contrast: float = 0.1
    background: float = 0.3
    clutter: tuple[int, int] = (0, 2)
    crowd: float = 0.05
    empty: float = 0.02
    grain: int = 8

    def __post_init__(self) -> None:
        shares = (self.visible, self.pattern, self.low_contrast, self.background, self.crowd, self.empty)
        if not 32 <= self.size <= _LARGEST_SIZE:
            raise RepriseError(f"SynthCOCO: size {self.size} must be 32 to {_LARGEST_SIZE} pixels")
        if not self.visible > 0 or not all(0 <= share <= 1 for share in shares):
            raise RepriseError(
                "SynthCOCO: visible, pattern, low_contrast, background, crowd and empty are shares, 0 to 1; visible is above 0"
            )
        if not 1 <= self.radius[0] < self.radius[1] <= self.size / 2:
            raise RepriseError(f"SynthCOCO: radius {self.radius} must rise within 1 and half the size")
        for name, (least, most) in (("objects", self.objects), ("clutter", self.clutter)):
            if not 0 <= least <= most:
                raise RepriseError(f"SynthCOCO: {name} {(least, most)} must be two rising numbers")


@dataclass
class Drawn:
    """An object or a crowd region: category 0 to 9, what is seen of it (size, size), and its pixels before others hid it."""

    category: int
    seen: np.ndarray
    whole: int
    crowd: bool = False


@dataclass(frozen=True)
class Scene:
    """A finished picture, uint8 RGB (size, size, 3), and what is in it."""

    picture: np.ndarray
    drawn: tuple[Drawn, ...]


def draw(settings: SceneSettings, seed: int) -> Scene:
    """The picture of a seed: the same bits on every machine."""
    return _Painter(settings, Draws(seed)).scene()


class _Painter:
    """A picture while it is painted, in 256ths of a grey level."""

    def __init__(self, settings: SceneSettings, draws: Draws) -> None:
        self.settings = settings
        self.draws = draws
        self.size = settings.size
        self.picture = self._ground()
        self.drawn: list[Drawn] = []
        self.radii = _log_uniform(settings.radius)

    def scene(self) -> Scene:
        self._clutter()
        if not self.draws.chance(self.settings.empty):
            if self.draws.chance(self.settings.crowd):
                self._crowd()
            for _ in range(self.draws.between(*self.settings.objects)):
                self._object()
        return Scene(self._finished(), tuple(self.drawn))

    def _ground(self) -> np.ndarray:
        size, share = self.size, round(256 * self.settings.background)
        wide, middle, fine = (textures.noise(self.draws, size, size, cell, 3) for cell in (size // 3, 12, 3))
        texture = 128 * wide + 77 * middle + 51 * fine >> 8
        colour = np.array(textures.any_colour(self.draws), np.int32)
        return colour * (256 - share) + (texture * share >> 8)

    def _clutter(self) -> None:
        """Lines and irregular patches that are no object."""
        for _ in range(self.draws.between(*self.settings.clutter)):
            if self.draws.chance(0.5):
                self._line()
            else:
                self._irregular_patch()

    def _line(self) -> None:
        draws, edge = self.draws, self.size * PIXEL
        half = draws.between(edge // 8, edge // 2)
        at = Placement(draws.between(0, edge), draws.between(0, edge), half, draws.between(0, TURN - 1))
        width = draws.between(PIXEL // 2, 3 * PIXEL // 2)
        patch = cover(bar(UNIT, UNIT * width // half), at, self.size)
        colour = np.array(textures.any_colour(draws), np.int32) * textures.LEVEL
        if patch is not None:
            self._lay(patch, colour)

    def _irregular_patch(self) -> None:
        draws, edge = self.draws, self.size * PIXEL
        number = draws.between(5, 8)
        corners = []
        for corner in range(number):
            angle, reach = TURN * corner // number, draws.between(UNIT * 3 // 10, UNIT)
            corners.append((reach * cosine(angle) >> 14, reach * sine(angle) >> 14))
        radius = _log_uniform(_CLUTTER_RADIUS)[draws.between(0, _RADII - 1)]
        patch = cover(polygon(corners), Placement(draws.between(0, edge), draws.between(0, edge), radius), self.size)
        if patch is not None:
            self._lay(patch, self._foreign_surface(patch))

    def _foreign_surface(self, patch: Patch) -> np.ndarray:
        draws = self.draws
        first = textures.any_colour(draws)
        pattern = PATTERNS[draws.between(0, len(PATTERNS) - 1)]
        cycles = textures.frequency(draws, (COARSE[0], FINE[1]))
        return textures.surface(draws, patch.window, pattern, cycles, (first, textures.second_colour(draws, first, 60)))

    def _crowd(self) -> None:
        """Many small shapes of one category, too close to tell apart, under one region."""
        draws, edge = self.draws, self.size * PIXEL
        category = draws.between(0, len(CATEGORIES) - 1)
        x, y = draws.between(edge // 4, 3 * edge // 4), draws.between(edge // 4, 3 * edge // 4)
        smallest = self.radii[0]
        region = np.zeros((self.size, self.size), bool)
        for _ in range(draws.between(12, 20)):
            at = Placement(
                x + draws.bell(edge // 11),
                y + draws.bell(edge // 11),
                draws.between(smallest * 5 // 10, smallest * 7 // 10),
                draws.between(0, TURN - 1),
            )
            patch = cover(self._inside(category), at, self.size)
            if patch is not None:
                self._lay(patch, self._own_surface(category, patch))
                region |= patch.mask(self.size)
        if region.any():
            self.drawn.append(Drawn(category, region, int(region.sum()), crowd=True))

    def _object(self) -> None:
        """One object where it leaves enough of those before it; none where no place is found."""
        draws, edge = self.draws, self.size * PIXEL
        radius = self.radii[draws.between(0, _RADII - 1)]
        category = draws.between(0, len(CATEGORIES) - 1)
        margin = 3 * radius // 10
        for _ in range(_TRIES):
            at = Placement(
                draws.between(margin, edge - margin),
                draws.between(margin, edge - margin),
                radius,
                draws.between(0, TURN - 1),
                draws.between(819, 1024),
            )
            patch = cover(self._inside(category), at, self.size)
            if patch is not None and self._fits(new := patch.mask(self.size), radius):
                break
        else:
            return
        for other in self.drawn:
            other.seen &= ~new
        self.drawn.append(Drawn(category, new, int(new.sum())))
        texture = self._own_surface(category, patch)
        if draws.chance(self.settings.low_contrast):
            below = self.picture[new]
            texture = 141 * texture + 115 * (below.sum(axis=0) // len(below)) >> 8
        self._lay(patch, texture)

    def _fits(self, new: np.ndarray, radius: int) -> bool:
        """Large enough within the picture, and the others stay visible."""
        inner = int(np.count_nonzero(new[1:-1, 1:-1]))
        if np.count_nonzero(new) < _LEAST_PIXELS or 4 * PIXEL**2 * inner < radius**2:
            return False
        return all(np.count_nonzero(other.seen & ~new) >= self.settings.visible * other.whole for other in self.drawn)

    def _inside(self, category: int) -> Inside:
        if CATEGORIES[category] == "ring":
            return without(disc(), disc(self.draws.between(*RING_HOLES)))
        return SHAPES[CATEGORIES[category]]

    def _own_surface(self, category: int, patch: Patch) -> np.ndarray:
        """Hue and pattern lean towards the category's own; neither decides it."""
        draws = self.draws
        first = textures.colour_near(draws, 3 * category % 10 * TURN // 10, round(self.settings.hue * TURN))
        if draws.chance(self.settings.pattern):
            pattern = PATTERNS[category % len(PATTERNS)]
            cycles = textures.frequency(draws, COARSE if category < len(PATTERNS) else FINE)
        else:
            pattern = PATTERNS[draws.between(0, len(PATTERNS) - 1)]
            cycles = textures.frequency(draws, (COARSE[0], FINE[1]))
        return textures.surface(draws, patch.window, pattern, cycles, (first, textures.second_colour(draws, first, 70)))

    def _lay(self, patch: Patch, texture: np.ndarray) -> None:
        below = self.picture[patch.window]
        self.picture[patch.window] = below + ((texture - below) * patch.coverage[..., None]) // FULL

    def _finished(self) -> np.ndarray:
        draws = self.draws
        picture = textures.lit(self.picture, draws.between(-410, 410), draws.between(-410, 410))
        if draws.chance(0.4):
            picture = textures.blurred(picture, draws.between(3, 16))
        return textures.grained(draws, picture, self.settings.grain)


def _log_uniform(span: tuple[float, float]) -> list[int]:
    """Equally likely radii between two in pixels, in 64ths of a pixel."""
    low, high = span
    return [round(PIXEL * low * (high / low) ** (step / (_RADII - 1))) for step in range(_RADII)]
