"""The histogram of a data set's episode returns: as lines for a terminal, and as a figure file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from benchmarks.base import RepriseError

Array = np.ndarray

FIGURE_FORMATS = (".png", ".svg", ".pdf")
TERMINAL_BINS, FIGURE_BINS = 20, 60
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_BASIC = " ########"  # for a terminal that has no block characters


def bins(returns: Array, most: int) -> tuple[Array, Array]:
    """Counts (K,) and edges (K + 1,) of K equal bins: the square root of the number of episodes, at most `most`.

    Returns that are equal, to one part in a million, make one bin of width 1 around them.
    """
    low, high = float(returns.min()), float(returns.max())
    if high - low <= 1e-6 * max(1.0, abs(low), abs(high)):
        return np.array([len(returns)]), np.array([low - 0.5, low + 0.5])
    return np.histogram(returns, min(most, int(np.ceil(np.sqrt(len(returns))))), (low, high))


def lines(returns: Sequence[float], width: int = 80, basic: bool = False) -> list[str]:
    """The histogram as text, one line per bin of `low to high  bar count`, none longer than `width` columns.

    Any bin with an episode in it shows at least a sliver. `basic` draws with `#`. No episodes give no lines.
    """
    if not len(returns):
        return []
    counts, edges = bins(np.asarray(returns, dtype=np.float64), TERMINAL_BINS)
    labels = _labels(edges) if len(counts) > 1 else [f"{returns[0]:.6g}"]
    room = max(1, width - len(labels[0]) - len(str(counts.max())) - len("   "))
    marks = _BASIC if basic else _EIGHTHS
    drawn = []
    for label, count in zip(labels, counts.tolist(), strict=True):
        full, part = divmod(max(min(count, 1), round(count / counts.max() * room * 8)), 8)
        drawn.append(f"{label}  {marks[8] * full}{marks[part] if part else ''} {count}")
    return drawn


def _labels(edges: Array) -> list[str]:
    """`low to high` of every bin, as wide as each other, with just enough decimals to differ."""
    decimals = int(np.clip(np.ceil(1.0 - np.log10(edges[1] - edges[0])), 0, 6))
    numbers = [f"{edge:.{decimals}f}" for edge in edges.tolist()]
    digits = max(map(len, numbers))
    return [f"{low:>{digits}} to {high:>{digits}}" for low, high in pairwise(numbers)]


def check_figure(path: Path) -> None:
    """Raise RepriseError for a figure file whose ending says no format that can be drawn."""
    if path.suffix.lower() not in FIGURE_FORMATS:
        raise RepriseError(
            f"--figure {path}: the name must end in {', '.join(FIGURE_FORMATS[:-1])} or {FIGURE_FORMATS[-1]}"
        )


def figure(name: str, returns: Sequence[float], references: tuple[float, float]) -> Figure:
    """The histogram of the set `name`: returns along the lower axis, normalised scores along the upper one.

    `references` are the returns that score 0 and 100. Raises RepriseError for a set without a complete episode.
    """
    if not len(returns):
        raise RepriseError(f"{name} has no complete episode, so there is no return to draw")
    counts, edges = bins(np.asarray(returns, dtype=np.float64), FIGURE_BINS)
    low, high = references
    drawn = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = drawn.add_subplot()
    axes.stairs(counts, edges, fill=True, color="#4477aa")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("return of an episode")
    axes.set_ylabel(f"episodes (of {len(returns):,})")
    scores = axes.twiny()
    left, right = axes.get_xlim()
    scores.set_xlim(100.0 * (left - low) / (high - low), 100.0 * (right - low) / (high - low))
    scores.set_xlabel("normalised score (D4RL references)")
    axes.set_title(name)
    return drawn


def save(drawn: Figure, path: Path) -> None:
    """Write a figure to a `.png`, `.svg` or `.pdf` file, whole or not at all; raises RepriseError for other names."""
    check_figure(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        drawn.savefig(scratch, dpi=150)
        scratch.rename(path)
    finally:
        scratch.unlink(missing_ok=True)
