"""What can be said of a claim: two classes of words that are counted apart and never added up."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """Of a published number or ranking. The first three judge it; the others say why nothing does."""

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    INCONCLUSIVE = "inconclusive"
    NOT_COMPARABLE = "not comparable"
    NOT_RUN = "not run"
    NOT_JUDGED = "never judged"


class Direction(StrEnum):
    """Of a comparison or an event on rebuilt data or at a small tier, which can never confirm a printed number."""

    AGREES = "agrees"
    DISAGREES = "disagrees"
    UNDECIDED = "undecided"


AS_DIRECTION = {
    Verdict.REPRODUCED: Direction.AGREES,
    Verdict.NOT_REPRODUCED: Direction.DISAGREES,
    Verdict.INCONCLUSIVE: Direction.UNDECIDED,
}
"""An event judged on rebuilt data or at a small tier says this of its direction."""
