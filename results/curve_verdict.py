"""Does an early learning curve run where the published one runs? A verdict of direction, never of reproduction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.special import stdtrit

from results.published_curves import PublishedCurve
from results.verdict.words import Direction

WINDOW = 3
"""Neighbouring evaluations whose mean is judged: one alone is too noisy."""

FEWEST_SEEDS = 3
"""Below this there is no interval and no verdict."""

QUANTILE = 0.95
"""Of Student's t, on either side: a 90 % interval."""


@dataclass(frozen=True)
class Judgement:
    """A verdict with the numbers behind it, in points of the metric.

    `ours` is the mean over seeds at the end of the curve, `spread` its sample standard deviation, `half_interval` half of the
    90 % interval (both None where there are too few seeds); `near` of `windows` moving means lie within their tolerance;
    `reasons` say why nothing is decided.
    """

    direction: Direction
    reasons: tuple[str, ...]
    n: int
    first_step: int
    last_step: int
    ours: float
    spread: float | None
    half_interval: float | None
    published: float
    half_band: float
    tolerance: float
    near: int
    windows: int

    @property
    def difference(self) -> float:
        """Ours minus the published mean."""
        return self.ours - self.published

    @property
    def inside(self) -> bool:
        """Whether our mean, without its interval, lies within the tolerance."""
        return abs(self.difference) <= self.tolerance

    @property
    def words(self) -> str:
        """`agrees`, or `undecided, inside`: what is undecided still says where our mean lies."""
        if self.direction is not Direction.UNDECIDED:
            return self.direction.value
        return f"{self.direction.value}, {'inside' if self.inside else 'outside'}"


def judge(
    scores: np.ndarray,
    seeds: Sequence[int],
    diverged: Sequence[int],
    published: PublishedCurve,
    tolerance: float,
    learned: float,
) -> Judgement:
    """The verdict on our curves (S, T), a row per seed, at the T >= 3 steps of the published curve.

    The end of a curve is the mean of its last three evaluations: one number per seed, against the published mean of the same
    three steps. They may differ by `tolerance`, or by the half-width of the published band (mean over the three steps) where
    that is wider (methods specification, 1.9). With d the mean over seeds minus the published mean, s the sample standard
    deviation over seeds and h = t(0.95, S - 1) s / sqrt(S):

    - agrees: the 90 % interval d - h to d + h lies within the tolerance;
    - disagrees: it lies wholly outside, on one side;
    - undecided: it covers an edge of the tolerance; or there are fewer than three seeds; or a seed did not learn, that is, no
      three neighbouring evaluations of its curve have a mean of at least `learned`.

    A diverged seed keeps its seat with an end of 0 (protocol, section 5). The published curve counts as exact: its seeds are
    not at hand. `near` and `windows` say how the whole curve runs: every three neighbouring evaluations of our mean curve are
    compared with the published ones in the same way.
    """
    curve = sliding_window_view(scores, WINDOW, axis=1).mean(axis=-1)
    target = sliding_window_view(published.mean, WINDOW).mean(axis=-1)
    half_bands = sliding_window_view((published.high - published.low) / 2, WINDOW).mean(axis=-1)
    tolerances = np.maximum(tolerance, half_bands)
    ends = np.where(np.isin(seeds, diverged), 0.0, curve[:, -1])
    n = len(ends)
    spread = float(ends.std(ddof=1)) if n > 1 else None
    half = float(stdtrit(n - 1, QUANTILE)) * spread / n**0.5 if spread is not None and n >= FEWEST_SEEDS else None
    idle = [seed for seed, best in zip(seeds, curve.max(axis=1), strict=True) if best < learned]
    direction, reasons = _decide(float(ends.mean() - target[-1]), half, float(tolerances[-1]), idle)
    return Judgement(
        direction=direction,
        reasons=reasons,
        n=n,
        first_step=int(published.steps[-WINDOW]),
        last_step=int(published.steps[-1]),
        ours=float(ends.mean()),
        spread=spread,
        half_interval=half,
        published=float(target[-1]),
        half_band=float(half_bands[-1]),
        tolerance=float(tolerances[-1]),
        near=int((np.abs(curve.mean(axis=0) - target) <= tolerances).sum()),
        windows=len(target),
    )


def _decide(
    difference: float, half: float | None, tolerance: float, idle: Sequence[int]
) -> tuple[Direction, tuple[str, ...]]:
    """The verdict, and where there is none, why."""
    reasons = []
    if half is None:
        reasons.append(f"fewer than {FEWEST_SEEDS} seeds")
    if idle:
        reasons.append(f"seed{'s' if len(idle) > 1 else ''} {', '.join(map(str, idle))} did not learn")
    if half is None or reasons:
        return Direction.UNDECIDED, tuple(reasons)
    if abs(difference) + half <= tolerance:
        return Direction.AGREES, ()
    if abs(difference) - half > tolerance:
        return Direction.DISAGREES, ()
    return Direction.UNDECIDED, ("the 90 % interval covers an edge of the tolerance",)
