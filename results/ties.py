"""Which of the numbers that compete cannot be told from the best one: Welch's 90 % interval of the difference of two means.

That is how the statistics specification (section 3) tells two methods apart on one task, so that a mark in a table never
contradicts what `reprise check` says of a direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from results.published import Claim
from results.statistics import FEWEST_RUNS
from results.verdict.samples import Published, Sample, Term
from results.verdict.welch import welch_test

TEST = (
    "marks the best and every other number that cannot be told from it: Welch's 90 % interval of their difference covers 0 "
    f"(two means over seeds, at least {FEWEST_RUNS} on both sides, each pair for itself). A number without a spread is never "
    "tested. Numbers that are not told apart are not shown to be equal."
)
"""What a table says of its marks."""


@dataclass(frozen=True)
class Contestant:
    """A mean and the variances it may have: one, or two where nobody says of which kind its spread is."""

    value: float
    readings: tuple[Term, ...]

    @classmethod
    def ours(cls, value: float, spread: float | None, n: int | None) -> Contestant | None:
        """From a mean over `n` seeds and its sample standard deviation; None where it cannot be tested."""
        if spread is None or n is None or n < FEWEST_RUNS:
            return None
        return cls(value, (Sample(value, spread, n).term,))

    @classmethod
    def claimed(cls, claim: Claim) -> Contestant | None:
        """From a printed number; None where it has no spread or does not say over how many seeds."""
        printed = Published(claim.value, claim.spread, claim.spread_kind, claim.n_seeds)
        if not printed.has_spread or printed.n is None or printed.n < FEWEST_RUNS:
            return None
        return cls(claim.value, tuple(map(printed.term, printed.readings)))

    def apart_from(self, other: Contestant) -> bool:
        """Whether the two means differ under every reading of their spreads."""
        difference = self.value - other.value
        intervals = [welch_test(difference, [a, b]).interval for a in self.readings for b in other.readings]
        return all(low > 0 or high < 0 for low, high in intervals)


def tied(
    values: Sequence[float | None], contestants: Sequence[Contestant | None], higher_is_better: bool
) -> list[bool]:
    """Whether each of the numbers that compete (None: it does not) is the best, or cannot be told from it.

    Nobody is tied where the best stands alone, or cannot be tested itself.
    """
    present = [index for index, value in enumerate(values) if value is not None]
    best = max(present, key=lambda index: _rank(values[index], higher_is_better), default=None)
    first = None if best is None else contestants[best]
    even = [
        first is not None and each is not None and index != best and not first.apart_from(each)
        for index, each in enumerate(contestants)
    ]
    return [each or (index == best and any(even)) for index, each in enumerate(even)]


def _rank(value: float | None, higher_is_better: bool) -> float:
    assert value is not None
    return value if higher_is_better else -value
