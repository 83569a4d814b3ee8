"""What a rule says of one published number, with the numbers behind it."""

from __future__ import annotations

from dataclasses import dataclass

from results.statistics import Spread
from results.verdict.welch import WelchTest
from results.verdict.words import Verdict


@dataclass(frozen=True)
class Reading:
    """Rule A where the published spread is taken to be of one kind: `p_adjusted` after Holm, `q` after Benjamini and Hochberg."""

    kind: Spread
    test: WelchTest
    p_adjusted: float
    q: float
    verdict: Verdict


@dataclass(frozen=True)
class Outcome:
    """A verdict and how it came about.

    `rule` is `A`, `B`, `exact` or empty where none was applied, and then `reason` says why. `difference` is ours minus published
    and `interval` its 90 % interval; under rule A with an unknown kind of spread the interval is that of the wider reading.
    """

    verdict: Verdict
    margin: float
    rule: str = ""
    difference: float | None = None
    interval: tuple[float, float] | None = None
    readings: tuple[Reading, ...] = ()
    reason: str = ""


def of_readings(readings: tuple[Reading, ...], margin: float) -> Outcome:
    """One outcome of all readings: where they differ nothing is decided."""
    verdicts = {reading.verdict for reading in readings}
    widest = max(readings, key=lambda reading: reading.test.error)
    agreed = len(verdicts) == 1
    return Outcome(
        verdict=verdicts.pop() if agreed else Verdict.INCONCLUSIVE,
        margin=margin,
        rule="A",
        difference=widest.test.difference,
        interval=widest.test.interval,
        readings=readings,
        reason="" if agreed else "what the published spread is, is not stated, and the verdict hangs on it",
    )
