"""What SynthFaces shows that is no face: blobs, patterns, boxes with windows, wheels and lamps that look back."""

from __future__ import annotations

import numpy as np

from benchmarks.drawing import textures
from benchmarks.drawing.fixed_point import ONE, PIXEL, TURN, Draws, cosine, sine
from benchmarks.drawing.outlines import FULL, UNIT, Inside, Patch, Placement, bar, cover, disc, polygon, regular
from benchmarks.drawing.textures import COARSE, FINE, PATTERNS, Colour
from benchmarks.wider_face.face_events import skin
from benchmarks.wider_face.layer import OPAQUE, Layer

Layers = list[Layer]


def thing(draws: Draws, size: int) -> Layers:
    """One thing somewhere in a (size, size) picture, from the back to the front."""
    kind = draws.between(0, 6)
    edge = size * PIXEL
    x, y = draws.between(0, edge), draws.between(0, edge)
    reach = draws.between(edge // 32, edge // 5)
    if kind == 0:
        return _laid(draws, _blob(draws), Placement(x, y, reach), size)
    if kind == 1:
        return _laid(draws, disc(), Placement(x, y, reach, draws.between(0, TURN - 1), draws.between(700, 1024)), size)
    if kind == 2:
        return _laid(
            draws, bar(UNIT, draws.between(UNIT // 40, UNIT // 3)), Placement(x, y, 2 * reach, _any(draws)), size
        )
    if kind == 3:
        return _limb(draws, x, y, reach, size)
    if kind == 4:
        return _building(draws, x, y, 2 * reach, size)
    if kind == 5:
        return _front(draws, x, y, reach, size)
    return _wheel(draws, x, y, reach, size)


def occluder(draws: Draws, x: int, y: int, reach: int, size: int) -> Layers:
    """Something over a place: a hand, a bar, a blob or a board."""
    kind = draws.between(0, 3)
    if kind == 0:
        at = Placement(x, y, reach, _any(draws), draws.between(500, 900))
        return _plain(disc(), at, size, skin(draws))
    if kind == 1:
        width = draws.between(UNIT // 5, UNIT // 2)
        return _laid(draws, bar(UNIT, width), Placement(x, y, 2 * reach, _any(draws)), size)
    inside = _blob(draws) if kind == 2 else polygon(regular(4, turned=TURN // 8))
    return _laid(draws, inside, Placement(x, y, reach * 5 // 4, _any(draws)), size)


def torso(draws: Draws, x: int, y: int, half: int, roll: int, size: int) -> Layers:
    """Shoulders below a face whose middle is (x, y) and half of whose height is `half`."""
    down = half * 5 // 2
    at = Placement(x - down * sine(roll) // ONE, y + down * cosine(roll) // ONE, half * 7 // 4, roll, 820)
    return _laid(draws, disc(), at, size)


def layer_of(patch: Patch, surface: np.ndarray) -> Layer:
    """A patch with a surface (h, w, 3) in 256ths of a grey level."""
    return Layer(
        patch.top, patch.left, surface * patch.coverage[..., None] // FULL, patch.coverage * np.int32(OPAQUE // FULL)
    )


def _any(draws: Draws) -> int:
    return draws.between(0, TURN - 1)


def _laid(draws: Draws, inside: Inside, at: Placement, size: int) -> Layers:
    """A shape with any surface; nothing where it lies outside the picture."""
    patch = cover(inside, at, size)
    if patch is None:
        return []
    first = textures.any_colour(draws)
    pattern = PATTERNS[draws.between(0, len(PATTERNS) - 1)]
    cycles = textures.frequency(draws, (COARSE[0], FINE[1]))
    colours = (first, textures.second_colour(draws, first, 50))
    return [layer_of(patch, textures.surface(draws, patch.window, pattern, cycles, colours))]


def _plain(inside: Inside, at: Placement, size: int, colour: Colour) -> Layers:
    patch = cover(inside, at, size)
    if patch is None:
        return []
    surface = np.empty((*patch.coverage.shape, 3), np.int32)
    surface[:] = np.array(colour, np.int32) * textures.LEVEL
    return [layer_of(patch, surface)]


def _blob(draws: Draws) -> Inside:
    number = draws.between(5, 8)
    corners = []
    for corner in range(number):
        angle, reach = TURN * corner // number, draws.between(UNIT * 4 // 10, UNIT)
        corners.append((reach * cosine(angle) >> 14, reach * sine(angle) >> 14))
    return polygon(corners)


def _limb(draws: Draws, x: int, y: int, reach: int, size: int) -> Layers:
    """An arm with its hand: skin where there is no face."""
    colour, angle = skin(draws), _any(draws)
    arm = _plain(bar(UNIT, UNIT // 5), Placement(x, y, reach, angle), size, colour)
    end = Placement(x + reach * cosine(angle) // ONE, y + reach * sine(angle) // ONE, reach * 3 // 8, angle, 800)
    return arm + _plain(disc(), end, size, colour)


def _building(draws: Draws, x: int, y: int, reach: int, size: int) -> Layers:
    """A wall with rows of windows."""
    wall = _laid(draws, polygon(regular(4, turned=TURN // 8)), Placement(x, y, reach), size)
    glass, columns = textures.any_colour(draws), draws.between(2, 4)
    step = reach * 5 // (4 * columns)
    for row in range(columns):
        for column in range(columns):
            place = Placement(
                x + (2 * column - columns + 1) * step // 2, y + (2 * row - columns + 1) * step // 2, step // 3
            )
            wall += _plain(bar(UNIT, UNIT * 3 // 4), place, size, glass)
    return wall


def _front(draws: Draws, x: int, y: int, reach: int, size: int) -> Layers:
    """Two round lamps and a grille on a rounded front, as of a car or a socket: eyes and a mouth that are none."""
    front = _laid(draws, disc(), Placement(x, y, reach, 0, draws.between(600, 1024)), size)
    lamp, dark = textures.any_colour(draws), (draws.between(10, 60),) * 3
    for side in (-1, 1):
        front += _plain(disc(), Placement(x + side * reach * 2 // 5, y - reach // 6, reach // 5), size, lamp)
    return front + _plain(
        bar(UNIT, UNIT // 4), Placement(x, y + reach // 3, reach // 2), size, (dark[0], dark[1], dark[2])
    )


def _wheel(draws: Draws, x: int, y: int, reach: int, size: int) -> Layers:
    """Discs within one another: a wheel, a clock, a target."""
    rings: Layers = []
    for share in range(4, 0, -1):
        rings += _plain(disc(), Placement(x, y, reach * share // 4), size, textures.any_colour(draws))
    return rings
