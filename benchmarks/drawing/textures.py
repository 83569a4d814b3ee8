"""Surfaces of SynthCOCO in whole numbers: smooth noise, patterns in two colours, and what happens to a finished picture.

A surface is an int32 array (h, w, 3) of levels in 256ths: 0 to 255 * 256.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache

import numpy as np

from benchmarks.drawing.fixed_point import ONE, SINE, TURN, Draws, cosine, sine

LEVEL = 256
"""One grey level of the finished picture."""

PATTERNS = ("plain", "stripes", "checks", "dots", "mottle")
COARSE, FINE = (0.5, 0.9), (1.1, 1.6)
"""Spatial frequencies in radians per pixel."""

Colour = tuple[int, int, int]
_WEIGHT = 1024


@lru_cache(maxsize=256)
def _cubic(length: int, nodes: int) -> np.ndarray:
    """Weights (length, nodes) of cubic interpolation (a = -3/4) between evenly spaced nodes, in 1024ths, by exact fractions."""
    weights = np.zeros((length, nodes))
    for pixel in range(length):
        place = Fraction((2 * pixel + 1) * nodes, 2 * length) - Fraction(1, 2)
        first = math.floor(place)
        for node in range(first - 1, first + 3):
            weights[pixel, min(max(node, 0), nodes - 1)] += round(_WEIGHT * _kernel(abs(place - node)))
    return weights


def _kernel(distance: Fraction) -> Fraction:
    """Keys' cubic convolution kernel."""
    a = Fraction(-3, 4)
    if distance <= 1:
        return (a + 2) * distance**3 - (a + 3) * distance**2 + 1
    return a * (distance**3 - 5 * distance**2 + 8 * distance - 4) if distance < 2 else Fraction(0)


def noise(draws: Draws, height: int, width: int, cell: int, channels: int) -> np.ndarray:
    """Smooth noise (height, width, channels) in 256ths of a level, about one bump per `cell` pixels; may overshoot a little.

    The products are whole numbers below 2^53 in float64, so every order of summation gives the same bits.
    """
    rows, columns = max(2, height // cell + 2), max(2, width // cell + 2)
    nodes = draws.octets(channels, rows, columns)
    field = _cubic(height, rows) @ nodes @ _cubic(width, columns).T
    return np.floor(field * (LEVEL / _WEIGHT**2)).astype(np.int32).transpose(1, 2, 0)


def any_colour(draws: Draws) -> Colour:
    """Red, green and blue, each uniform in 0..255."""
    return draws.between(0, 255), draws.between(0, 255), draws.between(0, 255)


def colour_near(draws: Draws, hue: int, deviation: int) -> Colour:
    """A colour whose hue is spread around `hue`; both in 4096ths of a turn."""
    saturation, value = draws.between(115, 256), draws.between(102, 255)
    sextant, part = divmod((hue + draws.bell(deviation)) % TURN * 6, TURN)
    part //= TURN // LEVEL
    low = value * (256 - saturation) >> 8
    falling = value * (65536 - saturation * part) >> 16
    rising = value * (65536 - saturation * (256 - part)) >> 16
    around: tuple[Colour, ...] = (
        *((value, rising, low), (falling, value, low), (low, value, rising)),
        *((low, falling, value), (rising, low, value), (value, low, falling)),
    )
    return around[sextant]


def second_colour(draws: Draws, first: Colour, deviation: int) -> Colour:
    """A colour around another, `deviation` grey levels in each part."""
    red, green, blue = (min(255, max(0, level + draws.bell(deviation))) for level in first)
    return red, green, blue


def frequency(draws: Draws, span: tuple[float, float]) -> int:
    """A spatial frequency from a span in radians per pixel, in 4096ths of a turn per pixel."""
    low, high = (round(edge * TURN / (2 * math.pi)) for edge in span)
    return draws.between(low, high)


def surface(
    draws: Draws, window: tuple[slice, slice], pattern: str, cycles: int, colours: tuple[Colour, Colour]
) -> np.ndarray:
    """Two colours mixed by a pattern over a window of the picture, turned by any angle; `cycles` as from `frequency`."""
    rows, columns = (np.arange(each.start, each.stop, dtype=np.int32) for each in window)
    share = _share(draws, pattern, rows[:, None], columns[None], cycles)
    first, second = (np.array(each, np.int32) for each in colours)
    return first * LEVEL + share[..., None] * (second - first)


def _share(draws: Draws, pattern: str, y: np.ndarray, x: np.ndarray, cycles: int) -> np.ndarray:
    """How much of the second colour, 0 to 256 (h, w)."""
    angle = draws.between(0, TURN // 2 - 1)
    if pattern == "plain":
        return np.zeros((len(y), x.shape[1]), np.int32)
    if pattern == "mottle":
        return noise(draws, len(y), x.shape[1], 3, 1)[..., 0] >> 8
    cos, sin = cosine(angle), sine(angle)
    along = SINE[((x * cos + y * sin >> 6) * cycles >> 8) % TURN]
    if pattern == "stripes":
        return (along > 0) * np.int32(256)
    across = SINE[((y * cos - x * sin >> 6) * cycles >> 8) % TURN]
    chosen = (along > 0) ^ (across > 0) if pattern == "checks" else along * across > ONE * (ONE * 2 // 5)
    return chosen * np.int32(256)


def lit(picture: np.ndarray, across: int, down: int) -> np.ndarray:
    """Light that falls off evenly: `across` and `down` are the change from edge to edge in 1024ths."""
    size = picture.shape[0]
    ramp = 2 * np.arange(size, dtype=np.int32) - size
    gain = 1024 + (ramp * across + ramp[:, None] * down) // (2 * size)
    return picture * gain[..., None] >> 10


def blurred(picture: np.ndarray, side: int) -> np.ndarray:
    """Twice the kernel (side, 64 - 2 side, side) / 64 along each axis: a deviation of sqrt(side) / 4 pixels."""
    for axis in (0, 0, 1, 1):
        padded = np.pad(picture, [(1, 1) if each == axis else (0, 0) for each in range(3)], mode="edge")
        size = picture.shape[axis]
        before, after = padded.take(range(size), axis), padded.take(range(2, size + 2), axis)
        picture = picture + (side * (before + after - 2 * picture) >> 6)
    return picture


def grained(draws: Draws, picture: np.ndarray, deviation: int) -> np.ndarray:
    """Noise of `deviation` grey levels (a triangular distribution) on every value, then the finished uint8 picture."""
    grain = draws.octets(2, *picture.shape).sum(axis=0) - 255
    levels = picture + np.floor(grain * (deviation * LEVEL) / 104.5).astype(np.int32)
    return np.clip(levels >> 8, 0, 255).astype(np.uint8)
