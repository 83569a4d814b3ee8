r"""LaTeX with booktabs: a float to `\input`, at most as wide as the text, its notes below it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from results.render.wording import TIED, aside, head, legend, number
from results.table import DASH, Cell, HeaderCell, Mark, Row, Table

SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    "[": "{[}",
    "]": "{]}",
    "\N{MINUS SIGN}": r"\ensuremath{-}",
    "±": r"\ensuremath{\pm}",
    "\N{MULTIPLICATION SIGN}": r"\ensuremath{\times}",
    "→": r"\ensuremath{\rightarrow}",
    "√": r"\ensuremath{\surd}",
    "≤": r"\ensuremath{\le}",
    "≥": r"\ensuremath{\ge}",
    "δ": r"\ensuremath{\delta}",
    "η": r"\ensuremath{\eta}",
    "↑": r"\ensuremath{\uparrow}",
    "↓": r"\ensuremath{\downarrow}",
    TIED: r"\ensuremath{\approx}",
    "\N{EN DASH}": "--",
    "\N{EM DASH}": "---",
    "…": r"\ldots{}",
    "\N{NO-BREAK SPACE}": "~",
}
"""Characters that LaTeX reads otherwise than they look, or does not know in every font."""

PREAMBLE = "% needs \\usepackage[T1]{fontenc} \\usepackage{textcomp,booktabs,graphicx}"


def render_latex(table: Table) -> str:
    """A `table*` no wider than the text; needs the packages that its first line names."""
    width = len(table.leaves)
    body = [line for group in table.groups for line in [r"\midrule", *_group(table, group.header, group.rows, width)]]
    if table.total is not None:
        body += [r"\midrule", _row(table, table.total)]
    lines = [
        PREAMBLE,
        r"\begin{table*}[t]",
        r"\centering",
        rf"\caption{{{escape(table.title)}. {escape(table.caption)}}}",
        rf"\label{{tab:{re.sub('[^A-Za-z0-9:-]', '-', table.name)}}}",
        r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{l{'r' * width}}}",
        r"\toprule",
        *_heads(table),
        *body,
        r"\bottomrule",
        r"\end{tabular}}",
        *_notes(table),
        r"\end{table*}",
    ]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Text that LaTeX prints as it reads."""
    printed = "".join(SPECIAL.get(character, character) for character in re.sub("-(?=-)", "-\0", text))
    return printed.replace("\0", "{}")


def _heads(table: Table) -> list[str]:
    """The groups over their rules, and the columns below them."""
    if not any(leaf.text for _, leaf in table.leaves):
        return [
            _line(
                [_head(table.stub), *(rf"\multicolumn{{1}}{{c}}{{{_head(group.header)}}}" for group in table.columns)]
            )
        ]
    tops, rules, place = [""], [], 2
    for group in table.columns:
        span = len(group.columns)
        tops.append(rf"\multicolumn{{{span}}}{{c}}{{{_head(group.header)}}}")
        rules.append(rf"\cmidrule(lr){{{place}-{place + span - 1}}}")
        place += span
    leaves = [_head(table.stub), *(rf"\multicolumn{{1}}{{c}}{{{_head(column)}}}" for _, column in table.leaves)]
    return [_line(tops), "".join(rules), _line(leaves)]


def _group(table: Table, header: HeaderCell, rows: Sequence[Row], width: int) -> list[str]:
    top = [rf"\multicolumn{{{width + 1}}}{{l}}{{\textit{{{_head(header)}}}}} \\"] if header.text else []
    return top + [line for row in rows for line in _lines(table, row, width)]


def _lines(table: Table, row: Row, width: int) -> list[str]:
    return [rf"\cmidrule{{1-{width + 1}}}", _row(table, row)] if row.total else [_row(table, row)]


def _row(table: Table, row: Row) -> str:
    cells = zip(table.leaves, row.cells, strict=True)
    return _line([_head(row.header), *(_cell(cell, table.decimals_of(group)) for (group, _), cell in cells)])


def _cell(cell: Cell, decimals: int) -> str:
    if cell.value is None:
        return escape(cell.words or DASH) + _marks(cell.footnotes)
    mean, _, spread = number(cell, decimals, minus=r"\ensuremath{-}", plus_minus="±").partition("±")
    text = mean + (rf"\,{{\scriptsize\ensuremath{{\pm}}\,{spread}}}" if spread else "")
    text = {Mark.BEST: rf"\textbf{{{text}}}", Mark.SECOND: rf"\underline{{{text}}}", None: text}[cell.mark]
    beside = aside(cell, decimals, minus="\N{MINUS SIGN}")
    remark = rf" {{\scriptsize({escape(beside)})}}" if beside else ""
    if cell.tied:  # hangs over the column's edge where nothing follows it, so that the numbers stand below each other
        text += escape(TIED) if cell.footnotes or remark else rf"\rlap{{{escape(TIED)}}}"
    return text + _marks(cell.footnotes) + remark


def _head(header: HeaderCell) -> str:
    return escape(head(header)) + _marks(header.footnotes)


def _marks(marks: Sequence[str]) -> str:
    return rf"\textsuperscript{{{','.join(map(escape, marks))}}}" if marks else ""


def _notes(table: Table) -> list[str]:
    marks = legend(table, "in bold", "underlined")
    notes = [rf"\textsuperscript{{{escape(note.mark)}}}\,{escape(note.text)}" for note in table.footnotes]
    notes += [rf"\textbf{{{escape(note.subject)}.}} {escape(note.text)}" for note in table.notes]
    notes += [rf"\textbf{{Marks.}} {escape(marks)}"] if marks else []
    if not notes:
        return []
    separated = [note + r"\par" for note in notes]
    return [r"\par\smallskip", r"\begin{minipage}{\textwidth}\footnotesize\raggedright", *separated, r"\end{minipage}"]


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"
