"""Whether runs may be held against a printed number at all (statistics specification, section 3; D4RL protocol, section 2)."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pandas as pd

from benchmarks.base import Metric
from results.caption import label_of
from results.published import Claim
from results.table_spec import ClaimsSpec

PAPER = "paper"
"""The only tier that can confirm a number."""

UNKNOWN_PROTOCOL = "unknown"
"""The task of a published figure whose test protocol nobody states (face methods specification, section 1)."""

VERSION = re.compile(r"-(v\d+)$")


@dataclass(frozen=True)
class Standard:
    """What runs must share with the published numbers of a table; `any_environment` lets other versions pass, with a warning."""

    claims: ClaimsSpec
    tier: str
    any_environment: bool = False

    def hindrances(self, runs: pd.DataFrame, claim: Claim, metric: Metric | None = None) -> list[str]:
        """Why these runs are not comparable with a claim; empty where they are, as for a figure without chance: it needs neither
        data nor training.
        """
        if metric is not None and metric.test == "exact":
            return []
        found = [] if self.tier == PAPER else [f"tier {self.tier or 'not recorded'}"]
        if claim.task == UNKNOWN_PROTOCOL:
            found.append("protocol not stated")
        found += [f"{kind} data" for kind in sorted(set(label_of(runs, "data_kind")) - {self.claims.data_kind})]
        if claim.dataset not in self.claims.data:
            found.append(f"published on {claim.dataset or 'unnamed data'}")
        if not self.any_environment:
            found += [f"environment {version}, not {self.claims.environment}" for version in self.odd_versions(runs)]
        return found

    def odd_versions(self, runs: pd.DataFrame) -> list[str]:
        """The versions of environments other than the published ones."""
        if self.claims.environment is None:
            return []
        names = {text.partition(",")[0] for text in label_of(runs, "environment")}
        versions = {match[1] if (match := VERSION.search(name)) else name for name in names}
        return sorted(versions - {self.claims.environment})
