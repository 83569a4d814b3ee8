"""What all figures have in common: the look of axes and of methods, title and subtitle, and the way to a file."""

from __future__ import annotations

import hashlib
import io
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter

FORMATS: dict[str, dict[str, Any]] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
"""The formats, and the metadata of each that would make two drawings of the same runs differ."""

INK, SOFT, GRID, PUBLISHED = "#1c1e21", "#5c636b", "#e9ecef", "#2b2b2b"

DOTS = 200
"""Per inch, of a png; texts are measured at that size."""

WIDTH = 7.4
"""Of a figure, in inches: two columns of a paper, so that it is printed at its own size."""

STYLE: dict[Any, Any] = {
    "font.size": 8,
    "figure.facecolor": "white",
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "svg.hashsalt": "reprise",
}


# -- methods


@dataclass(frozen=True)
class Look:
    """A method's colour, the marker of its points and the dashes of its line (matplotlib's on-off pattern; None: solid)."""

    colour: str
    marker: str
    dashes: tuple[float, ...] | None = None

    @property
    def line(self) -> Any:
        """The line style."""
        return "-" if self.dashes is None else (0, self.dashes)

    def size(self, points: float) -> float:
        """The marker's size where a disc's is `points`: a star or cross of that size would look smaller, a square larger."""
        return points * OPTICAL.get(self.marker, 1.0)


OPTICAL = {"*": 1.6, "X": 1.15, "P": 1.15, "s": 0.92, "D": 0.85, "^": 1.08, "v": 1.08}

BLUE, VERMILLION, GREEN, ORANGE = "#0072b2", "#d55e00", "#009e73", "#e69f00"
PURPLE, SKY, GREY, BLACK = "#cc79a7", "#56b4e9", "#7d7d7d", "#1c1e21"
"""Okabe and Ito's colours without yellow, which a white page swallows, and two greys: apart for every kind of colour vision."""

LOOKS: dict[str, Look] = {
    "ilq": Look(BLUE, "o"),
    "cql": Look(VERMILLION, "s", (5, 1.5)),
    "iql": Look(GREEN, "^", (3, 1, 1, 1)),
    "td3_bc": Look(ORANGE, "D", (7, 2)),
    "mcq": Look(PURPLE, "v", (4, 1, 1, 1, 1, 1)),
    "bc": Look(GREY, "X", (1, 1)),
    "warm-start": Look(BLACK, "*", (2, 1.5)),
    "sac": Look(SKY, "P", (6, 1, 2, 1)),
    "dmkd": Look(BLUE, "o"),
    "dfmsd": Look(SKY, "P", (6, 1, 2, 1)),
    "fgd": Look(VERMILLION, "s", (5, 1.5)),
    "mgd": Look(GREEN, "^", (3, 1, 1, 1)),
    "pkd": Look(ORANGE, "D", (7, 2)),
    "cwd": Look(PURPLE, "v", (4, 1, 1, 1, 1, 1)),
    "plain": Look(GREY, "X", (1, 1)),
    "inherit-only": Look(BLACK, "*", (2, 1.5)),
    "efficientface": Look(BLUE, "o"),
    "mogface": Look(VERMILLION, "s", (5, 1.5)),
}
"""By variant: the method under test of a family is blue. Another variant of a method (`ilq-limit-off`) keeps its colour."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "p", "<", ">", "h")
DASHES: tuple[tuple[float, ...] | None, ...] = tuple(dict.fromkeys(look.dashes for look in LOOKS.values()))


def looks(variants: Sequence[str]) -> dict[str, Look]:
    """The look of every variant of a figure, no two alike; a variant of the suite has the same one in every figure.

    One that LOOKS does not name has what its name's hash says, or the next marker where that is taken.
    """
    found: dict[str, Look] = {variant: LOOKS[variant] for variant in variants if variant in LOOKS}
    for variant in variants:
        if variant in found:
            continue
        taken = {(look.colour, look.marker) for look in found.values()}
        look = _hashed(variant)
        first = MARKERS.index(look.marker)
        markers = [*MARKERS[first:], *MARKERS[:first]]
        free = next((marker for marker in markers if (look.colour, marker) not in taken), look.marker)
        found[variant] = replace(look, marker=free)
    return {variant: found[variant] for variant in variants}


def _hashed(variant: str) -> Look:
    number = int.from_bytes(hashlib.sha256(variant.encode()).digest()[:8], "big")
    kin = [name for name in LOOKS if variant.startswith((f"{name}-", f"{name}["))]
    palette = list(dict.fromkeys(look.colour for look in LOOKS.values()))
    colour = LOOKS[max(kin, key=len)].colour if kin else palette[number % len(palette)]
    return Look(colour, MARKERS[number // 97 % len(MARKERS)], DASHES[number // 9973 % len(DASHES)])


# -- the sheet


@contextmanager
def sheet(height: float, title: str, subtitle: str, width: float = WIDTH) -> Iterator[Figure]:
    """An empty figure under its title, within the common style; `height` in inches is that of what is drawn below the title."""
    heads, about = textwrap.wrap(title, int(10.5 * width)), textwrap.wrap(subtitle, int(16.5 * width))
    above = 0.12 + 0.2 * len(heads) + 0.155 * len(about)
    total = height + above
    with rc_context(STYLE):
        layout = ConstrainedLayoutEngine(w_pad=0.05, h_pad=0.05, rect=(0, 0, 1, height / total))
        figure = Figure((width, total), dpi=DOTS, layout=layout)
        left = 0.08 / width
        figure.text(
            left, 1 - 0.07 / total, "\n".join(heads), ha="left", va="top", fontsize=10.5, fontweight="bold", color=INK
        )
        below = 1 - (0.1 + 0.2 * len(heads)) / total
        figure.text(left, below, "\n".join(about), ha="left", va="top", fontsize=8, color=SOFT)
        yield figure


def encode(figure: Figure, form: str) -> bytes:
    """The figure as a file of one of FORMATS; equal figures give equal bytes."""
    file = io.BytesIO()
    with rc_context(STYLE):
        figure.savefig(file, format=form, dpi=DOTS, metadata=FORMATS[form])
    return file.getvalue()


# -- axes


def columns_of(panels: int) -> int:
    """How many equal panels stand in a row: three at most, and two by two for four."""
    return 2 if panels == 4 else min(3, panels)


def number(value: float) -> str:
    """A tick as people write it: `0.5`, `10`, `100`."""
    return f"{value:g}"


def log_axis(axes: Axes, low: float, high: float) -> None:
    """A logarithmic x axis with room at both ends and plain numbers at 1, 2 and 5 where there is place, else at tens."""
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    decades = range(-6, 9)
    steps = (1, 2, 5) if high / low < 2_000 else (1,)
    ticks = [step * 10.0**decade for decade in decades for step in steps if low <= step * 10.0**decade <= high]
    axes.set_xticks(ticks)
    axes.set_xticks([], minor=True)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
