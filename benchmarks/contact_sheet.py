"""A contact sheet: pictures of one width in rows on white."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image

PAPER, INK = (255, 255, 255), (20, 20, 20)
"""Colours of the sheet and of what is written on it."""

_GAP = 6


def fitted(picture: Image.Image, side: int) -> Image.Image:
    """The picture magnified, its pixels kept, or reduced to `side` pixels across."""
    scale = side / picture.width
    sharp = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    return picture.resize((side, max(1, round(picture.height * scale))), sharp)


def sheet_of(cells: Sequence[Image.Image], columns: int) -> bytes:
    """A PNG of the cells, `columns` in a row; a row is as high as its highest cell."""
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    heights = [max(cell.height for cell in row) for row in rows]
    widest = max((sum(cell.width + _GAP for cell in row) for row in rows), default=0)
    whole = Image.new("RGB", (widest + _GAP, sum(heights) + _GAP * (len(rows) + 1)), PAPER)
    top = _GAP
    for row, height in zip(rows, heights, strict=True):
        left = _GAP
        for cell in row:
            whole.paste(cell, (left, top))
            left += cell.width + _GAP
        top += height + _GAP
    buffer = io.BytesIO()
    whole.save(buffer, format="PNG")
    return buffer.getvalue()
