"""A painted piece of a picture with its own transparency: blurred and lit alone, then laid over what is there. Whole numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

OPAQUE = 256
"""The alpha of a pixel that is wholly covered."""

GAIN = 1024
"""The gain that changes nothing."""


@dataclass
class Layer:
    """Pixels from row `top` and column `left` on, which may lie outside the picture.

    colour: (h, w, 3) int32 in 256ths of a grey level, multiplied by alpha / 256 already; alpha: (h, w) int32, 0 to 256.
    """

    top: int
    left: int
    colour: np.ndarray
    alpha: np.ndarray

    def lit(self, gain: np.ndarray) -> Layer:
        """Brighter or darker pixel by pixel: `gain` (h, w) in 1024ths."""
        colour = np.minimum(self.colour * gain[..., None] >> 10, 255 * self.alpha[..., None])
        return Layer(self.top, self.left, colour, self.alpha)

    def blurred(self, across: int, down: int) -> Layer:
        """A box of odd width `across` twice along rows, one of `down` twice along columns; 1 leaves an axis as it is.

        The variance along an axis is (width^2 - 1) / 6 square pixels.
        """
        whole = np.concatenate([self.colour, self.alpha[..., None]], axis=2)
        whole = _boxed(_boxed(whole, across, 1), down, 0)
        return Layer(self.top - down + 1, self.left - across + 1, whole[..., :3], whole[..., 3])

    def over(self, picture: np.ndarray) -> None:
        """Lay this over a picture (size, size, 3) in 256ths of a grey level, in place."""
        rows, columns = (
            _common(self.top, len(self.alpha), len(picture)),
            _common(self.left, self.alpha.shape[1], picture.shape[1]),
        )
        own = (
            slice(rows.start - self.top, rows.stop - self.top),
            slice(columns.start - self.left, columns.stop - self.left),
        )
        below = picture[rows, columns]
        picture[rows, columns] = (below * (OPAQUE - self.alpha[own])[..., None] >> 8) + self.colour[own]

    def mask(self, size: int) -> np.ndarray:
        """(size, size) bool: the pixels of a picture that this hides by half or more."""
        return placed(2 * self.alpha >= OPAQUE, self.top, self.left, size)


def placed(inside: np.ndarray, top: int, left: int, size: int) -> np.ndarray:
    """A mask (h, w) from row `top` and column `left` on, as a mask of a (size, size) picture."""
    full = np.zeros((size, size), bool)
    rows, columns = _common(top, len(inside), size), _common(left, inside.shape[1], size)
    full[rows, columns] = inside[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    return full


def _common(start: int, length: int, size: int) -> slice:
    low = min(max(start, 0), size)
    return slice(low, max(low, min(start + length, size)))


def _boxed(values: np.ndarray, width: int, axis: int) -> np.ndarray:
    """The mean over `width` twice along an axis, with nothing around; the axis grows by 2 (width - 1)."""
    if width == 1:
        return values
    for _ in range(2):
        around = [(0, 0)] * values.ndim
        around[axis] = (width, width - 1)
        sums = np.cumsum(np.pad(values, around), axis=axis, dtype=np.int32)
        size = sums.shape[axis]
        values = (sums.take(range(width, size), axis) - sums.take(range(size - width), axis)) // width
    return values
