"""The kinds of scene that SynthFaces draws, as WIDER FACE sorts its pictures by event, and how a person in one may look."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from benchmarks.drawing.fixed_point import PIXEL, Draws
from benchmarks.drawing.textures import Colour, any_colour
from benchmarks.wider_face.head import DEGREES, HAIRS, Looks
from benchmarks.wider_face.layer import GAIN


@dataclass(frozen=True)
class Event:
    """faces: least and most drawn for; height: of a face as a share of the picture, log-uniform; weight: how often it occurs.

    rows: people stand in rows, the nearer the larger and lower. near: how close two faces may come, in 8ths of their mean
    height. turned, motion, strong_light: shares of faces. clutter: least and most things that are no face. animals: the
    share of animals among these.
    """

    name: str
    weight: int
    faces: tuple[int, int]
    height: tuple[float, float]
    rows: bool = False
    near: int = 9
    turned: float = 0.2
    motion: float = 0.1
    strong_light: float = 0.15
    clutter: tuple[int, int] = (1, 4)
    animals: float = 0.1


EVENTS = (
    Event("0--Portrait", 5, (1, 3), (0.28, 0.7)),
    Event("1--Family_Group", 5, (3, 7), (0.16, 0.4), rows=True, turned=0.15),
    Event("2--Crowd", 3, (10, 30), (0.044, 0.14), rows=True, near=6, clutter=(0, 3)),
    Event("3--Street", 5, (3, 9), (0.044, 0.45), clutter=(3, 7)),
    Event("4--Stage", 3, (1, 6), (0.1, 0.5), turned=0.5, motion=0.35, strong_light=0.5),
    Event("5--Animal_Show", 2, (1, 5), (0.07, 0.45), clutter=(3, 6), animals=0.75),
)
"""The smallest face at 128 px is about 5.6 px high."""

HEIGHTS = 256
"""Equally likely heights in an event's range."""


@lru_cache(maxsize=64)
def heights(event: Event, size: int) -> tuple[int, ...]:
    """Equally likely heights of faces in an event, rising, in 64ths of a pixel."""
    low, high = (share * size for share in event.height)
    return tuple(round(PIXEL * low * (high / low) ** (step / (HEIGHTS - 1))) for step in range(HEIGHTS))


def chosen_event(draws: Draws) -> Event:
    """One of the events by weight."""
    place = draws.between(1, sum(event.weight for event in EVENTS))
    for event in EVENTS:
        place -= event.weight
        if place <= 0:
            return event
    raise AssertionError("a place beyond the sum of all weights")


_DARK_SKIN, _LIGHT_SKIN = (72, 46, 34), (246, 212, 188)
_HAIR_COLOURS = ((22, 18, 18), (46, 30, 22), (90, 60, 36), (168, 128, 72), (120, 52, 26), (170, 168, 164))
_FURS = ((120, 84, 50), (60, 52, 48), (200, 180, 150), (180, 110, 50), (90, 90, 96))
_IRISES = ((44, 30, 22), (60, 84, 110), (64, 88, 60))


def person(draws: Draws, event: Event) -> Looks:
    """A person of any skin, hair and wear."""
    style = HAIRS[draws.between(0, len(HAIRS) - 1)]
    worn = draws.between(0, 99)
    return Looks(
        skin=skin(draws),
        hair=_near(draws, _HAIR_COLOURS[draws.between(0, len(_HAIR_COLOURS) - 1)], 10),
        cloth=any_colour(draws),
        iris=_IRISES[draws.between(0, len(_IRISES) - 1)],
        style=style,
        fringe=draws.between(200, 1100),
        beard=style != "long" and draws.chance(0.22),
        glasses=worn < 14,
        sunglasses=14 <= worn < 22,
        face_mask=22 <= worn < 28,
        open_mouth=draws.chance(0.18),
        light=light(draws, event.strong_light),
    )


def light(draws: Draws, strong: float) -> tuple[int, int, int]:
    """Change of brightness to the right and down, and overall, in 1024ths; strong light comes from a side or is far off."""
    if not draws.chance(strong):
        return draws.between(-180, 180), draws.between(-120, 80), GAIN + draws.between(-120, 120)
    side = draws.between(500, 900) * (1 if draws.chance(0.5) else -1)
    if draws.chance(0.5):
        return side, draws.between(-200, 200), GAIN + draws.between(-400, 0)
    overall = draws.between(260, 480) if draws.chance(0.6) else draws.between(1450, 1900)
    return draws.between(-200, 200), draws.between(-100, 100), overall


def animal(draws: Draws) -> Looks:
    """A head with fur."""
    fur = _near(draws, _FURS[draws.between(0, len(_FURS) - 1)], 18)
    snout = _near(draws, _FURS[draws.between(0, len(_FURS) - 1)], 25)
    bright = (0, 0, GAIN + draws.between(-150, 150))
    return Looks(skin=snout, hair=fur, cloth=fur, iris=(150, 120, 40), animal=True, light=bright)


def faceless(draws: Draws) -> Looks:
    """A head from behind, or one without features, as of a dummy."""
    tone, hair = skin(draws), _near(draws, _HAIR_COLOURS[draws.between(0, len(_HAIR_COLOURS) - 1)], 10)
    behind = draws.chance(0.7)
    bright = light(draws, 0.15)
    return Looks(tone, hair, any_colour(draws), (0, 0, 0), "bald", back=behind, blank=not behind, light=bright)


def skin(draws: Draws) -> Colour:
    """From dark to light, with some redness of its own."""
    share, red = draws.between(0, 256), draws.bell(6)
    parts = [dark + ((bright - dark) * share >> 8) for dark, bright in zip(_DARK_SKIN, _LIGHT_SKIN, strict=True)]
    return _clipped(parts[0] + red, parts[1], parts[2] - red)


def yaw_and_pitch(draws: Draws, turned: bool) -> tuple[int, int]:
    """Angles of a head: near the front, or turned away as far as profile."""
    if not turned:
        return draws.bell(14 * DEGREES), draws.bell(6 * DEGREES)
    side = 1 if draws.chance(0.5) else -1
    return side * draws.between(35, 80) * DEGREES, draws.bell(12 * DEGREES)


def _near(draws: Draws, colour: Colour, deviation: int) -> Colour:
    red, green, blue = (level + draws.bell(deviation) for level in colour)
    return _clipped(red, green, blue)


def _clipped(red: int, green: int, blue: int) -> Colour:
    return min(255, max(0, red)), min(255, max(0, green)), min(255, max(0, blue))
