"""Renderers: a `results.table.Table` in, a document out. Each knows one format and nothing of runs, claims or methods."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.base import unknown
from results.render.csv import render_csv
from results.render.html import render_html
from results.render.json import render_json
from results.render.latex import render_latex
from results.render.markdown import render_markdown
from results.render.terminal import render_text
from results.table import Table

RENDERERS: dict[str, tuple[str, Callable[[Table], str]]] = {
    "markdown": ("md", render_markdown),
    "latex": ("tex", render_latex),
    "html": ("html", render_html),
    "csv": ("csv", render_csv),
    "json": ("json", render_json),
    "terminal": ("txt", render_text),
}
"""Format -> (file suffix, renderer)."""


def render(table: Table, form: str) -> str:
    """The table in one format; raises RepriseError for a format that does not exist."""
    if form not in RENDERERS:
        raise unknown("format", form, RENDERERS)
    return RENDERERS[form][1](table)
