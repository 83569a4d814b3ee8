"""Every format: the same numbers, its own escaping, structure that its readers understand."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.base import RepriseError
from results.render import RENDERERS, render
from results.render.latex import SPECIAL, escape
from results.render.terminal import print_table, render_text
from results.table import Cell, ColumnGroup, Footnote, HeaderCell, Mark, Note, Row, RowGroup, Table

NASTY = r"50% of A&B_1 #2 {x} ~ ^ \ <b> | `q` $3 [z] --a 'b' " + '"c" ± \N{MULTIPLICATION SIGN}'


def heads(label: str, key: str, both: bool = True) -> ColumnGroup:
    columns = (HeaderCell("ours, n = 3", "ours"), HeaderCell("published", "published"))
    return ColumnGroup(HeaderCell(label, key), columns if both else columns[:1])


def table() -> Table:
    """Two groups of rows, three column groups of which one has nothing published, every kind of cell."""
    first = Row(
        HeaderCell("hopper-medium", "hopper-medium"),
        (
            Cell(36.04, 2.5, 3),
            Cell(58.5),
            Cell(44.7, 28.61, 3, Mark.BEST),
            Cell(92.1, 5.8, 5, Mark.BEST),
            Cell(-0.04, 0.3, 3),
        ),
    )
    second = Row(
        HeaderCell("hopper-medium-expert", "hopper-medium-expert", ("b",)),
        (
            Cell(27.0, 16.0, 2, Mark.SECOND, "2 of 3 seeds", ("a",)),
            Cell(105.4, mark=Mark.SECOND),
            Cell(),
            Cell(111.6, 0.6, 5, Mark.BEST),
            Cell(-12.5, 0.4, 3),
        ),
    )
    return Table(
        name="a-table",
        title="A table & more",
        caption="Tier demo, 2 of 12 tasks.",
        stub=HeaderCell("task", "task"),
        columns=(heads("CQL", "cql"), heads("ILQ_x", "ilq"), heads("warm start only", "warm-start", both=False)),
        groups=(RowGroup(HeaderCell("medium", "medium"), (first,)), RowGroup(HeaderCell("", ""), (second,))),
        total=Row(HeaderCell("Total", "total"), (Cell(63.0, n=3), Cell(163.9), Cell(), Cell(203.7), Cell())),
        notes=(Note("Data", "rebuilt"), Note("Nasty", NASTY)),
        footnotes=(Footnote("a", "Seed 1 diverged."), Footnote("b", "Another.")),
    )


@pytest.mark.parametrize("form", RENDERERS)
def test_every_format_shows_every_number_and_ends_with_a_line(form: str) -> None:
    text = render(table(), form)
    assert text.endswith("\n")
    for number in ("44.7", "92.1", "105.4", "111.6", "203.7"):
        assert number in text
    if form not in ("csv", "json"):
        for number in ("28.6", "36.0", "Seed 1 diverged", "2 of 3 seeds", "Tier demo"):
            assert number in text
        assert "-0.0" not in text


def test_an_unknown_format_names_the_nearest() -> None:
    with pytest.raises(RepriseError, match="did you mean 'markdown'"):
        render(table(), "markdwn")


def test_a_table_refuses_rows_that_do_not_fit_and_marks_without_a_footnote() -> None:
    good = table()
    short = RowGroup(HeaderCell(""), (Row(HeaderCell("x"), (Cell(1.0),)),))
    with pytest.raises(ValueError, match="row 'x' has 1 cells for 5 columns"):
        replace(good, groups=(short,))
    with pytest.raises(ValueError, match="no footnote for the mark 'b'"):
        replace(good, footnotes=good.footnotes[:1])


# -- Markdown


def test_markdown_rows_have_equal_widths_and_marks() -> None:
    lines = [line for line in render(table(), "markdown").splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    assert len(lines) == 2 + 1 + 3 * 2
    assert lines[2].startswith("| *medium* |")
    assert "**44.7 ± 28.6**" in lines[3]
    assert "<u>27.0 ± 16.0</u><sup>a</sup> (2 of 3 seeds)" in lines[5]
    assert lines[4].split("|")[3].strip() == "58.5"
    assert "| \N{EN DASH} |" in lines[5]


def test_markdown_text_cannot_be_taken_for_markup() -> None:
    text = render(table(), "markdown")
    assert r"\<b\> \| \`q\`" in text
    assert r"ILQ\_x" in text


# -- LaTeX


def body(text: str) -> list[str]:
    inside = text.split(r"\toprule", 1)[1].split(r"\bottomrule")[0]
    return [line for line in inside.splitlines() if line.endswith(r"\\")]


def width(line: str) -> int:
    spans = [int(span) for span in re.findall(r"\\multicolumn\{(\d+)\}", line)]
    return len(re.findall(r"(?<!\\)&", line)) + 1 + sum(span - 1 for span in spans)


def test_latex_lines_have_as_many_cells_as_the_tabular_has_columns() -> None:
    text = render(table(), "latex")
    columns = re.search(r"\\begin\{tabular\}\{(l+r+)\}", text)
    assert columns is not None
    assert {width(line) for line in body(text)} == {len(columns[1])} == {6}
    assert re.findall(r"\\cmidrule\(lr\)\{(\d-\d)\}", text) == ["2-3", "4-5", "6-6"]


def test_latex_environments_and_braces_are_balanced() -> None:
    text = render(table(), "latex")
    opened: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+\*?)\}", text):
        if kind == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert opened == []
    plain = re.sub(r"\\[{}]", "", text)
    depth = 0
    for character in plain:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0


def test_latex_marks_are_bold_and_underlined() -> None:
    text = render(table(), "latex")
    assert r"\textbf{44.7\,{\scriptsize\ensuremath{\pm}\,28.6}}" in text
    assert r"\underline{105.4}" in text
    assert r"\ensuremath{-}12.5" in text


def test_latex_escapes_every_special_character() -> None:
    for character in "&%$#_{}~^\\":
        assert escape(f"a{character}b") == f"a{SPECIAL[character]}b" != f"a{character}b"
    assert escape("a_b & 50%") == r"a\_b \& 50\%"
    assert escape("--tier [x]") == r"-{}-tier {[}x{]}"
    unescaped = re.sub(r"\\[&%$#_{}]|\\[a-z]+\{[^}]*\}", "", escape(NASTY))
    assert not set("&%$#_~^\\<>|`\"'") & set(unescaped)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_compiles(tmp_path: Path) -> None:
    packages = r"\usepackage[T1]{fontenc}\usepackage[utf8]{inputenc}\usepackage{textcomp,booktabs,graphicx}"
    document = rf"\documentclass{{article}}{packages}\begin{{document}}{render(table(), 'latex')}\end{{document}}"
    (tmp_path / "t.tex").write_text(document)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


# -- HTML


class Page(HTMLParser):
    """The page as nested elements: (tag, attributes, text), with an error for anything left open or crossed."""

    VOID = ("meta", "col", "br", "link")

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[dict] = []
        self.all: list[dict] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        element = {
            "tag": tag,
            "attributes": dict(attributes),
            "text": "",
            "parents": [each["tag"] for each in self.open],
        }
        element["row"] = next((each for each in reversed(self.open) if each["tag"] == "tr"), None)
        self.all.append(element)
        if tag not in self.VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()["tag"] == tag

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element["text"] += data

    def find(self, tag: str, **attributes: str) -> list[dict]:
        return [e for e in self.all if e["tag"] == tag and attributes.items() <= e["attributes"].items()]


def test_html_is_one_well_formed_page_that_loads_nothing() -> None:
    text = render(table(), "html")
    page = Page(text)
    assert text.startswith("<!doctype html>")
    assert page.find("html", lang="en")
    assert page.find("title")[0]["text"] == "A table & more"
    assert not page.find("script")
    assert not page.find("link")
    assert not re.search(r"https?://|src=|url\(|@import", text)
    assert "prefers-color-scheme: dark" in text


def test_html_tells_heads_from_cells_and_what_they_head() -> None:
    page = Page(render(table(), "html"))
    assert [each["text"] for each in page.find("caption")] == ["Tier demo, 2 of 12 tasks."]
    groups = page.find("th", scope="colgroup")
    assert [(each["text"], each["attributes"]["colspan"]) for each in groups] == [
        ("CQL", "2"),
        ("ILQ_x", "2"),
        ("warm start only", "1"),
    ]
    assert [each["text"] for each in page.find("th", scope="rowgroup")] == ["medium"]
    assert [each["text"] for each in page.find("th", scope="row")] == [
        "hopper-medium",
        "hopper-medium-expertb",
        "Total",
    ]
    assert [each["attributes"]["span"] for each in page.find("colgroup") if each["attributes"]] == ["2", "2", "1"]
    rows = [each for each in page.find("tr") if set(each["parents"]) & {"tbody", "tfoot"}]
    widths = {
        sum(int(c["attributes"].get("colspan") or 1) for c in page.all if c["tag"] in ("td", "th") and c["row"] is row)
        for row in rows
    }
    assert widths == {6}
    assert "tfoot" in page.find("th", scope="row")[-1]["parents"]


def test_html_marks_are_elements_and_footnotes_lead_somewhere() -> None:
    page = Page(render(table(), "html"))
    assert [each["text"] for each in page.find("strong", title="best")] == ["44.7", "92.1", "111.6"]
    assert [each["text"] for each in page.find("u", title="second")] == ["27.0", "105.4"]
    targets = {each["attributes"]["id"] for each in page.all if "id" in each["attributes"]}
    links = [each["attributes"]["href"] for each in page.find("a")]
    assert links == ["#note-b", "#note-a"]
    assert {link[1:] for link in links} <= targets
    assert "\N{MINUS SIGN}12.5" in render(table(), "html")


def test_html_shows_markup_in_texts_as_text() -> None:
    text = render(table(), "html")
    assert not Page(text).find("b")
    assert NASTY in [each["text"] for each in Page(text).find("dd")]


# -- CSV and JSON


def test_csv_is_tidy_and_keeps_every_digit() -> None:
    rows = list(csv.DictReader(io.StringIO(render(table(), "csv"))))
    assert len(rows) == 5 + 4 + 3
    first, diverged = rows[0], rows[5]
    assert (first["group"], first["row"], first["column_group"], first["column"]) == (
        "medium",
        "hopper-medium",
        "cql",
        "ours",
    )
    assert (float(first["value"]), float(first["spread"]), int(first["n"])) == (36.04, 2.5, 3)
    assert (diverged["mark"], diverged["remark"], diverged["footnotes"]) == (
        "second",
        "2 of 3 seeds",
        "Seed 1 diverged.",
    )


def test_json_holds_the_whole_model() -> None:
    value = json.loads(render(table(), "json"))
    assert value["name"] == "a-table"
    assert value["columns"][0]["columns"][1]["key"] == "published"
    assert value["groups"][0]["rows"][0]["cells"][2] == {
        "value": 44.7,
        "spread": 28.61,
        "n": 3,
        "mark": "best",
        "remark": "",
        "footnotes": [],
        "interval": None,
        "tied": False,
    }


# -- terminal


@pytest.mark.parametrize("columns", [60, 80, 100, 120, 160])
def test_terminal_fits_its_width_and_loses_nothing(columns: int) -> None:
    text = render_text(table(), columns)
    assert max(map(len, text.splitlines())) <= columns
    for head in ("CQL", "ILQ_x", "warm start only"):
        assert text.count(head) == 1
    assert text.count("44.7±28.6*") == 1
    assert text.count("105.4'") == 1


def test_terminal_folds_columns_into_panels_with_the_tasks_repeated() -> None:
    assert render_text(table(), 120).count("hopper-medium-expert") == 1
    assert render_text(table(), 60).count("hopper-medium-expert") == 2


def test_terminal_aligns_the_decimals_of_a_column() -> None:
    lines = render_text(table(), 120).splitlines()
    rows = [line for line in lines if re.match(r"(hopper|  published|Total)", line)]
    assert len(rows) == 6
    assert len({re.search(r"\d\.\d", line).start() for line in rows}) == 1  # type: ignore[union-attr]


def test_terminal_has_styles_where_it_can_and_signs_where_it_cannot() -> None:
    styled = Console(file=io.StringIO(), width=120, force_terminal=True, color_system="truecolor", legacy_windows=False)
    print_table(table(), styled)
    text = styled.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b[1m44.7±28.6\x1b[0m" in text
    assert "\x1b[4m27.0±16.0\x1b[0m" in text
    assert "44.7±28.6*" not in text
    assert "\x1b" not in render_text(table())


# -- cells that hold words


@pytest.mark.parametrize("form", RENDERERS)
def test_words_stand_in_place_of_a_number_with_their_footnote(form: str) -> None:
    row = Row(HeaderCell("x", "x"), (Cell(1.5), Cell(remark="undecided", footnotes=("a",))))
    plain = replace(
        table(),
        columns=tuple(ColumnGroup(HeaderCell(name, name), (HeaderCell(""),)) for name in ("score", "verdict")),
        groups=(RowGroup(HeaderCell(""), (row,)),),
        total=None,
    )
    text = render(plain, form)
    shown = [line for line in text.splitlines() if "undecided" in line]
    assert len(shown) == 1
    assert {
        "markdown": "| x | 1.5 | undecided<sup>a</sup> |",
        "latex": r"undecided\textsuperscript{a}",
        "html": 'undecided<sup><a href="#note-a">a</a></sup>',
        "csv": ",x,verdict,,,,,,undecided,Seed 1 diverged.",
        "json": '"remark": "undecided"',
        "terminal": "undecided[a]",
    }[form] in shown[0]
