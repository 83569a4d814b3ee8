"""JSON: the whole table model, for programs and pages."""

from __future__ import annotations

import json
from dataclasses import asdict

from results.table import Table


def render_json(table: Table) -> str:
    """Every field of the model under its own name; numbers with every digit, marks as `best` and `second`."""
    return json.dumps(asdict(table), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
