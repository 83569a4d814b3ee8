"""Test protocols by name: how a picture is brought to a detector, and what becomes of what it finds (face methods, section 1).

The same weights differ by up to 40 points between them, so a figure always carries the name of its protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.wider_face.multi_scale import CONSTANTS, Kind, Pass, original_scale, passes

Protocol = Literal["orig", "vga640", "short1600", "r1100x1650", "ms", "ms_hard"]

VGA = 640
SHORT, LONG = 1600, 2150
FIT = (1100, 1650)


@dataclass(frozen=True)
class TestProtocol:
    """One way to test. `title`: how published figures name it. `passes(height, width)`: the looks at a picture.

    divisor: sides are padded to multiples of it. voting: the setting whose boxes vote where there are several passes. nms_iou:
    that of each pass; None: the detector's own.
    """

    title: str
    passes: Callable[[int, int], Sequence[Pass]]
    divisor: int = 1
    voting: Kind | None = None

    @property
    def nms_iou(self) -> float | None:
        return None if self.voting is None else CONSTANTS[self.voting].nms_iou


def _fitting(short: float, long: float) -> Callable[[int, int], list[Pass]]:
    """One pass, as large as fits a short and a long side."""
    return lambda height, width: [Pass(min(short / min(height, width), long / max(height, width)))]


def _several(kind: Kind) -> TestProtocol:
    title = "multi-scale" if kind == "ms" else "multi-scale hard settings"
    return TestProtocol(title, lambda height, width: passes(height, width, kind), voting=kind)


PROTOCOLS: dict[Protocol, TestProtocol] = {
    "orig": TestProtocol("original size", lambda height, width: [Pass(original_scale(height, width))]),
    "vga640": TestProtocol("single scale VGA", _fitting(VGA, VGA), divisor=32),
    "short1600": TestProtocol("short side 1600 long side 2150", _fitting(SHORT, LONG)),
    "r1100x1650": TestProtocol("single scale 1100x1650", _fitting(*FIT)),
    "ms": _several("ms"),
    "ms_hard": _several("ms_hard"),
}
"""By id. Titles are those of the column `task` in the published figures."""
