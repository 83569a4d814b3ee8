"""The judged claims of a table as data: for a summary, a page or a program."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from results.published import Claim
from results.verdict.direction import Comparison
from results.verdict.outcome import Outcome
from results.verdict.ranking import Ranking
from results.verdict.samples import Sample
from results.verdict.words import Direction, Verdict

ALL_TASKS = ""
"""The task of a comparison over all tasks at hand."""


@dataclass(frozen=True)
class Place:
    """Where a number stands: our task, the label of its method, and the metric (`AP over plain` for a gain).

    `group` tells several groups of one task apart (a test protocol: `wider-face:orig`); empty: the task.
    """

    task: str
    method: str
    metric: str
    group: str = ""


@dataclass(frozen=True)
class Judged:
    """A published number and what is said of it.

    `claims` are what it is made of: one, or for a gain the method's and the reference's. `ours` is None where nothing was run.
    """

    place: Place
    claims: tuple[Claim, ...]
    published: float
    ours: Sample | None
    outcome: Outcome

    @property
    def quoted(self) -> bool:
        """Whether a claim is known from another text than its own: to be marked."""
        return any(claim.certainty == "quoted" for claim in self.claims)


@dataclass(frozen=True)
class Compared:
    """Method A above method B, on a task or on all. One of the two is there.

    `comparison` is of the class of directions; `ranking` is of runs that may confirm, and begins with the method that the
    published numbers put first.
    """

    task: str
    a: str
    b: str
    metric: str
    claims: tuple[Claim, ...]
    published: float
    comparison: Comparison | None = None
    ranking: Ranking | None = None


@dataclass(frozen=True)
class Judgements:
    """Everything said of one table. `data`, `tier` and `seeds` are printed beside every direction; `warnings` likewise."""

    table: str
    statistic: str
    tier: str
    data: str
    seeds: int
    margin: float | None
    numbers: tuple[Judged, ...]
    compared: tuple[Compared, ...]
    warnings: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[Verdict, int]:
        """How many published numbers and rankings have each verdict, with zeros."""
        found = Counter([each.outcome.verdict for each in self.numbers])
        found += Counter(each.ranking.verdict for each in self.compared if each.ranking is not None)
        return {verdict: found[verdict] for verdict in Verdict}

    @property
    def without_p(self) -> int:
        """How many numbers were judged by rule B, outside Holm's adjustment."""
        return sum(each.outcome.rule == "B" for each in self.numbers)

    @property
    def directions(self) -> dict[Direction, int]:
        """How many comparisons of the separate class have each word, with zeros."""
        found = Counter(each.comparison.direction for each in self.compared if each.comparison is not None)
        return {direction: found[direction] for direction in Direction}

    @property
    def silent(self) -> int:
        """How many comparisons have nothing to agree with: the published difference is below the margin."""
        return sum(each.comparison is not None and each.comparison.direction is None for each in self.compared)

    @property
    def contradicts(self) -> bool:
        """Whether anything is not reproduced or disagrees."""
        return bool(self.counts[Verdict.NOT_REPRODUCED] or self.directions[Direction.DISAGREES])
