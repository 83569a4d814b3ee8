"""Where runs were read: `sqlite:///... run ID` in MLflow, `FILE:LINE` in records."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from results.render.wording import counted

STORED = re.compile(r" run ([0-9a-f]+)$")
"""How the place of a run in MLflow ends."""


def mlflow_id(place: str) -> str:
    """The id of a run in MLflow, from its place; empty where it was read from a file."""
    found = STORED.search(place)
    return found[1] if found else ""


def file_place(place: str) -> str:
    """`ilq.jsonl:12` for a run read from a file, without its folder; empty for one of MLflow."""
    return "" if mlflow_id(place) else Path(place).name


def sources(places: Iterable[str]) -> list[str]:
    """`MLflow (15 runs)`, `ilq-table-1-mini.jsonl (252 runs)`."""
    counts = Counter("MLflow" if mlflow_id(place) else file_place(place).rpartition(":")[0] for place in places)
    return [f"{name} ({counted(count, 'run')})" for name, count in counts.items()]
