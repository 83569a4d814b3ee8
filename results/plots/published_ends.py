"""Where a published curve ends: the number that stands beside the score of our runs."""

from __future__ import annotations

from dataclasses import dataclass

from results.published_curves import PublishedCurve

FINAL = 10
"""Evaluations in the mean of the statistic `final10`."""


@dataclass(frozen=True)
class Printed:
    """A published number with its interval as printed (a band, a ±; None where there is none), and where it stands."""

    value: float
    interval: tuple[float, float] | None
    where: str


def end_of(curve: PublishedCurve, statistic: str, where: str) -> Printed:
    """The curve's last point, or the mean of its final ten; `best` is its highest. The interval is that of its band."""
    if statistic == "best":
        kept = slice(int(curve.mean.argmax()), int(curve.mean.argmax()) + 1)
    else:
        kept = slice(-(FINAL if statistic == "final10" else 1), None)
    band = float(curve.low[kept].mean()), float(curve.high[kept].mean())
    return Printed(float(curve.mean[kept].mean()), band, where)
