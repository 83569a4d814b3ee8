"""Whole-number arithmetic for drawing: the same bits on every machine, whatever its mathematical library.

Angles are in 4096ths of a turn, sines and unit coordinates are fixed-point numbers, lengths are in 64ths of a pixel.
"""

from __future__ import annotations

import math

import numpy as np

TURN = 4096
ONE = 1 << 14
"""The fixed-point one of sines."""

PIXEL = 64
"""Units of length in a pixel."""

SINE = np.array([round(ONE * math.sin(2 * math.pi * step / TURN)) for step in range(TURN)], np.int32)
"""Sines of all angles. No entry lies near enough to a rounding boundary for two libraries to differ (tested)."""


def sine(angle: int) -> int:
    """In units of 1 / ONE."""
    return int(SINE[angle % TURN])


def cosine(angle: int) -> int:
    """In units of 1 / ONE."""
    return int(SINE[(angle + TURN // 4) % TURN])


class Draws:
    """Random whole numbers from PCG64's raw words, a stream that NumPy promises not to change (its distributions may)."""

    def __init__(self, seed: int) -> None:
        self._words = np.random.PCG64(seed)

    def between(self, low: int, high: int) -> int:
        """Uniform in low..high, both included."""
        return low + ((self._word() >> 11) * (high - low + 1) >> 53)

    def chance(self, probability: float) -> bool:
        return (self._word() >> 11) < int(probability * 2**53)

    def bell(self, deviation: int) -> int:
        """Nearly normal around 0: the sum of four uniform 16-bit numbers, which ends at 3.5 deviations."""
        word = self._word()
        total = sum(word >> shift & 0xFFFF for shift in (0, 16, 32, 48))
        return (total - 2 * 0xFFFF) * deviation // _DEVIATION_OF_FOUR

    def octets(self, *shape: int) -> np.ndarray:
        """Uniform in 0..255, as float64 of that shape (float64 holds the whole numbers that come of them exactly)."""
        count = math.prod(shape)
        words = np.asarray(self._words.random_raw(count // 8 + 1), dtype="<u8")
        return words.view(np.uint8)[:count].reshape(shape).astype(np.float64)

    def _word(self) -> int:
        return int(self._words.random_raw())


_DEVIATION_OF_FOUR = 37837
"""Standard deviation of the sum of four uniform 16-bit numbers, rounded."""
