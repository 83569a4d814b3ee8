"""By which metrics the runs of a family are compared where nobody says otherwise."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.base import Metric, RepriseError, unknown
from benchmarks.d4rl.scores import NORMALIZED_SCORE
from benchmarks.metrics import METRICS

HEADLINE = {
    "offline_rl": ("normalized_score",),
    "online_rl": ("normalized_score",),
    "distillation": ("AP",),
    "face_detection": ("AP_easy", "AP_medium", "AP_hard"),
}

KNOWN = {**METRICS, "online_rl": {NORMALIZED_SCORE.name: NORMALIZED_SCORE}}
"""Family -> name -> metric."""


def headline(family: str, names: Sequence[str] | None = None) -> list[Metric]:
    """The metrics named, else the family's own. Raises RepriseError for one whose direction and margin nobody declared."""
    known = KNOWN.get(family, {})
    wanted = names or HEADLINE.get(family, ())
    for name in wanted:
        if name not in known:
            raise unknown("metric", name, known, f"family {family}")
    if not wanted:
        raise RepriseError(
            f"family '{family}' has no metric whose direction and margin the suite knows; leave its runs out"
        )
    return [known[name] for name in wanted]
