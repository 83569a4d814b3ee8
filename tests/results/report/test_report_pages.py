"""The pages as documents: what they say, that nothing in them is markup of somebody else, and that they come out the same."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from results import published
from results.report import figures_at_hand
from results.table_files import table_names
from tests.results.report.conftest import FIGURES
from tests.results.report.sites import hostile_runs, remember_sweep, written


class Document(HTMLParser):
    """The elements of a page with their attributes, and the text of its rows and of its data."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text, self.data = "", ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.data = data
        else:
            self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def test_there_is_a_page_for_every_table_with_and_without_runs(made: Path) -> None:
    for name in table_names():
        page = Document(made / "tables" / f"{name}.html")
        assert page.of("table"), name
    assert "No run of ours" in Document(made / "tables" / "distillation-retinanet.html").text


def test_other_statistics_have_pages_of_their_own(made: Path) -> None:
    page = Document(made / "tables" / "ilq-table-1-demo-final10.html")
    assert "mean of the final ten evaluations" in page.text
    assert "ilq-table-1.html" in [each.get("href") for each in page.of("a")]


@pytest.mark.parametrize("name", ["index.html", "claims.html", "data.html", "tables/ilq-table-1.html"])
def test_a_hostile_label_is_text_and_nothing_else(made: Path, name: str) -> None:
    page = Document(made / name)
    assert not [each for each in page.of("img") if "onerror" in each]
    assert all(set(each) <= {"src", "defer", "type", "id"} for each in page.of("script"))
    assert len(page.of("script")) == (3 if name.startswith("tables/") else 2)
    if name == "tables/ilq-table-1.html":
        assert "window.hacked" in page.text
        assert "window.hacked" in json.loads(page.data)["groups"][0]["about"]["protocol"]


def test_nothing_is_fetched_from_elsewhere(made: Path) -> None:
    for path in made.rglob("*.html"):
        page = Document(path)
        links = [each.get(name) for _, each in page.elements for name in ("src", "href") if each.get(name)]
        assert not [link for link in links if re.match(r"(https?:)?//", str(link))], path
        for link in links:
            target, _, _ = str(link).partition("#")
            assert target.startswith("data:") or not target or (path.parent / target).is_file(), (path, link)
    style = (made / "assets" / "site.css").read_text()
    assert "url(" not in style
    assert "@import" not in style


def test_a_half_finished_sweep_says_so_and_has_no_total_of_ours(made: Path) -> None:
    page = Document(made / "tables" / "ilq-table-1.html")
    assert "has 35 of 36 runs" in page.text
    assert "2 of 3 seeds" in page.text
    total = [cell for cell in json.loads(page.data)["cells"] if cell["row"] == "Total"]
    assert total
    assert not [cell for cell in total if "ours" in cell]


def test_a_diverged_run_is_kept_and_flagged(made: Path) -> None:
    data = json.loads(Document(made / "tables" / "ilq-table-1.html").data)
    cell = next(each for each in data["cells"] if (each["row"], each["column"]) == ("hopper-medium", "ILQ"))
    group = data["groups"][cell["runs"]]
    assert group["status"] == ["finished", "finished", "diverged"]
    assert group["values"]["normalized_score"] == [43.0, 45.0, 0.0]
    assert cell["ours"]["text"] == "29.3"
    assert "diverged; the score counts in the mean" in Document(made / "tables" / "ilq-table-1.html").text


def test_every_claim_is_listed_with_a_word(made: Path) -> None:
    page = (made / "claims.html").read_text(encoding="utf-8")
    table = page[page.index('id="claims"') : page.index('id="directions"')]
    rows = re.findall(r'<tr data-f="(\w+)".*?<span class="word ([a-z-]+)">', table)
    claims = published.load_all()
    for family in published.families():
        assert len([row for row in rows if row[0] == family]) >= (claims["family"] == family).sum()
    assert ("offline_rl", "not-comparable") in rows


def test_the_front_page_counts_what_the_claims_page_lists(made: Path) -> None:
    claims = (made / "claims.html").read_text(encoding="utf-8")
    table = claims[claims.index('id="claims"') : claims.index('id="directions"')]
    front = Document(made / "index.html").text
    for word, name in (("not-comparable", "not comparable"), ("never-judged", "never judged"), ("not-run", "not run")):
        count = table.count(f'<span class="word {word}">')
        assert re.search(rf"\b{count:,} {name}", front), (word, count)


def test_equal_runs_give_equal_files(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRISE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(figures_at_hand, "figure_names", lambda: FIGURES)
    runs = hostile_runs()
    remember_sweep(tmp_path / "home", runs)
    again = written(list(reversed(runs[:-1])), tmp_path)
    first = {path.relative_to(made): path.read_bytes() for path in made.rglob("*") if path.is_file()}
    second = {path.relative_to(again): path.read_bytes() for path in again.rglob("*") if path.is_file()}
    assert first.keys() == second.keys()
    assert [str(name) for name in first if first[name] != second[name]] == []


def test_tables_say_what_they_are_to_screen_readers(made: Path) -> None:
    for path in (made / "tables").glob("*.html"):
        page = Document(path)
        assert len(page.of("caption")) >= 1
        assert all(each.get("scope") in ("col", "row", "rowgroup", "colgroup") for each in page.of("th")), path
        assert page.of("html")[0]["lang"] == "en"


def test_data_cards_say_what_a_set_is_not(made: Path) -> None:
    page = Document(made / "data.html")
    assert "Not D4RL's data" in page.text
    assert "local/hopper-medium-v5-n100000-s0-v0" in page.text


def test_figures_are_drawn_or_say_why_not(made: Path) -> None:
    page = Document(made / "figures.html")
    assert [each["src"] for each in page.of("img")] == ["figures/ilq-scores.svg"]
    assert "Not drawn: figure ilq-early: no run of tier 'early'" in " ".join(page.text.split())
    assert (made / "figures" / "ilq-scores.csv").is_file()
