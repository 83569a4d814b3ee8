"""The two sides of a comparison as numbers: what is published, and a sample of ours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from results.statistics import Spread, convert_spread, sample_std

UNKNOWN = "unknown"
"""The kind of a spread that its source does not explain."""


@dataclass(frozen=True)
class Sample:
    """Ours: the mean over `n` seeds and its sample standard deviation (ddof 1), NaN for one seed."""

    mean: float
    spread: float
    n: int

    @classmethod
    def of(cls, scores: Sequence[float] | np.ndarray) -> Sample:
        """From scores (N,) of one seed each, N >= 1."""
        return cls(float(np.mean(scores)), sample_std(scores), len(scores))

    @property
    def term(self) -> Term:
        """What it adds to the variance of a difference. Needs two seeds."""
        return Term(self.spread**2 / self.n, self.n - 1)


@dataclass(frozen=True)
class Published:
    """A printed value, with its spread, what that is (`std0`, `std1`, `sem`, `unknown`) and its seeds where they are known."""

    value: float
    spread: float | None = None
    kind: str | None = None
    n: int | None = None

    @property
    def has_spread(self) -> bool:
        """Whether there is enough for a test between two means (rule A); else rule B holds."""
        return self.spread is not None and self.n is not None and self.n >= 2

    @property
    def readings(self) -> tuple[Spread, ...]:
        """What the spread may be: one kind, or both standard deviations where nobody says."""
        if not self.has_spread:
            return ()
        return (Spread.std1, Spread.std0) if self.kind in (None, UNKNOWN) else (Spread(self.kind),)

    def term(self, reading: Spread) -> Term:
        """What it adds to the variance of a difference where the spread is of this kind."""
        if self.spread is None or self.n is None:
            raise ValueError("a published value without spread and seeds has no variance")
        return Term(convert_spread(self.spread, reading, Spread.std1, self.n) ** 2 / self.n, self.n - 1)


@dataclass(frozen=True)
class Term:
    """The variance of a mean, and the degrees of freedom behind it."""

    variance: float
    freedom: int


def freedom_of(terms: Sequence[Term]) -> float:
    """Welch and Satterthwaite: the degrees of freedom of a sum of variances; infinite where all are zero."""
    total = sum(term.variance for term in terms)
    if total == 0.0:
        return math.inf
    return 1.0 / sum((term.variance / total) ** 2 / term.freedom for term in terms)
