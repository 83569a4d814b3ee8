"""HTML: one page that stands alone, light or dark as the reader's system is, with the semantics screen readers need."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from results.render.wording import ARROWS, TIED, aside, legend, number
from results.table import DASH, Cell, HeaderCell, Mark, Row, RowGroup, Table

STYLE = """
:root { color-scheme: light dark; --ink: #1c1e21; --soft: #5c636b; --rule: #c9ced4; --page: #ffffff; --band: #f4f6f8; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --soft: #a0a8b1; --rule: #434a52; --page: #16181b; --band: #1e2125; }
}
body { margin: 2rem auto; padding: 0 1rem; max-width: 90rem; background: var(--page); color: var(--ink);
  font: 14px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.35rem; line-height: 1.3; margin: 0 0 1rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; border-block: 2px solid var(--ink); font-variant-numeric: tabular-nums; }
caption { caption-side: top; text-align: left; padding-bottom: .75rem; color: var(--soft); }
th, td { padding: .35rem .4rem; text-align: right; white-space: nowrap; font-weight: normal; }
thead th { text-align: center; }
thead tr:first-child th { font-weight: 600; }
thead th[scope=col] { color: var(--soft); font-size: .85em; }
th[scope=row], th[scope=rowgroup], thead th.stub { text-align: left; position: sticky; left: 0; background: var(--page); }
thead th.stub { vertical-align: bottom; color: var(--ink); font-size: 1em; }
th[scope=rowgroup] { font-style: italic; }
tbody, tfoot { border-top: 1px solid var(--rule); }
tfoot th, tfoot td { border-top: 1px solid var(--ink); }
tr.total th, tr.total td { border-top: 1px solid var(--rule); font-weight: 600; }
tbody tr:hover > * { background: var(--band); }
th[scope=colgroup], .first { border-left: 1px solid var(--rule); }
.published { color: var(--soft); }
.spread, .remark { font-size: .85em; color: var(--soft); }
.spread { display: inline-block; min-width: 5ch; text-align: left; }
.remark { display: block; }
td u { text-underline-offset: .2em; }
sup { line-height: 0; }
td sup { display: inline-block; width: 0; }
sup a { color: inherit; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin-top: 1.25rem; max-width: 70rem;
  font-size: .9em; }
dt { color: var(--soft); }
dd { margin: 0; }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } }
""".strip()


def render_html(table: Table) -> str:
    """A complete document; it loads nothing."""
    total = f"<tfoot>\n{_row(table, table.total)}\n</tfoot>\n" if table.total is not None else ""
    groups = "\n".join(_group(table, group) for group in table.groups)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(table.title)}</title>
<style>
{STYLE}
</style>
</head>
<body>
<main>
<h1>{escape(table.title)}</h1>
<div class="scroll" role="region" aria-label="{escape(table.title)}" tabindex="0">
<table id="{escape(table.name)}">
<caption>{escape(table.caption)}</caption>
{_head(table)}
{groups}
{total}</table>
</div>
{_notes(table)}
</main>
</body>
</html>
"""


def _head(table: Table) -> str:
    spans = "\n".join(f'<colgroup span="{len(group.columns)}"></colgroup>' for group in table.columns)
    if not any(leaf.text for _, leaf in table.leaves):
        single = "".join(f'<th scope="col" class="first">{_text(group.header)}</th>' for group in table.columns)
        stub = f'<th scope="col" class="stub">{_text(table.stub)}</th>'
        return f"<colgroup></colgroup>\n{spans}\n<thead>\n<tr>{stub}{single}</tr>\n</thead>"
    groups = "".join(
        f'<th scope="colgroup" colspan="{len(group.columns)}">{_text(group.header)}</th>' for group in table.columns
    )
    stub = f'<th scope="col" class="stub" rowspan="2">{_text(table.stub)}</th>'
    leaves = "".join(
        f'<th scope="col"{_classes(column, index == 0)}>{_text(column)}</th>'
        for group in table.columns
        for index, column in enumerate(group.columns)
    )
    return f"<colgroup></colgroup>\n{spans}\n<thead>\n<tr>{stub}{groups}</tr>\n<tr>{leaves}</tr>\n</thead>"


def _group(table: Table, group: RowGroup) -> str:
    width = 1 + len(table.leaves)
    head = f'<tr><th scope="rowgroup" colspan="{width}">{_text(group.header)}</th></tr>\n' if group.header.text else ""
    return f"<tbody>\n{head}" + "\n".join(_row(table, row) for row in group.rows) + "\n</tbody>"


def _row(table: Table, row: Row) -> str:
    firsts = [index == 0 for group in table.columns for index in range(len(group.columns))]
    cells = "".join(
        f"<td{_classes(column, first)}>{_cell(cell, table.decimals_of(group))}</td>"
        for (group, column), first, cell in zip(table.leaves, firsts, row.cells, strict=True)
    )
    kind = ' class="total"' if row.total else ""
    return f'<tr{kind}><th scope="row">{_text(row.header)}</th>{cells}</tr>'


def _classes(column: HeaderCell, first: bool) -> str:
    names = [name for name, wanted in ((column.key, bool(column.key)), ("first", first)) if wanted]
    return f' class="{escape(" ".join(names))}"' if names else ""


def _cell(cell: Cell, decimals: int) -> str:
    if cell.words:
        return escape(cell.words) + _marks(cell.footnotes)
    if cell.value is None:
        return f'<span aria-label="none">{DASH}</span>' + _marks(cell.footnotes)
    mean, _, spread = number(cell, decimals, minus="\N{MINUS SIGN}", plus_minus="±").partition("±")
    if cell.mark is not None:
        tag = {Mark.BEST: "strong", Mark.SECOND: "u"}[cell.mark]
        mean = f'<{tag} title="{cell.mark.value}">{mean}</{tag}>'
    if cell.tied:
        mean += f'<span class="tied" title="not told from the best">{TIED}</span>'
    about = f' <span class="spread">± {spread}</span>' if spread else ""
    beside = aside(cell, decimals, minus="\N{MINUS SIGN}")
    remark = f'<span class="remark">{escape(beside)}</span>' if beside else ""
    return mean + about + _marks(cell.footnotes) + remark


def _text(header: HeaderCell) -> str:
    arrow = ARROWS[header.better].strip()
    better = f' <span title="{header.better} is better">{arrow}</span>' if arrow else ""
    return escape(header.text) + better + _marks(header.footnotes)


def _marks(marks: Sequence[str]) -> str:
    links = ", ".join(f'<a href="#note-{escape(mark)}">{escape(mark)}</a>' for mark in marks)
    return f"<sup>{links}</sup>" if links else ""


def _notes(table: Table) -> str:
    marks = legend(table, "in bold", "underlined")
    notes = [(note.mark, f' id="note-{escape(note.mark)}"', note.text) for note in table.footnotes]
    notes += [(note.subject, "", note.text) for note in table.notes] + ([("Marks", "", marks)] if marks else [])
    body = "\n".join(f"<dt{place}>{escape(subject)}</dt><dd>{escape(text)}</dd>" for subject, place, text in notes)
    return f"<dl>\n{body}\n</dl>" if notes else ""
