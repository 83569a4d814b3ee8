"""The site in a real browser, opened from disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.results.report.conftest import Page

TABLE = "tables/ilq-table-1.html"
PAGES = ["index.html", TABLE, "tables/wider-face.html", "claims.html", "figures.html", "data.html"]


def heads(tab: Page) -> list[str]:
    """The first column of the table, as shown."""
    found: list[str] = tab.run(
        "[...document.querySelectorAll('table.grid tbody tr:not(.group)')].filter(row => row.checkVisibility())"
        ".map(row => row.cells[0].textContent.trim())"
    )
    return found


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_without_complaint_and_asks_nobody(made: Path, tab: Page, name: str) -> None:
    tab.open(made / name)
    assert tab.complaints == []
    assert tab.requests
    inside = made.as_uri()
    assert [url for url in tab.requests if not url.startswith((inside, "data:"))] == []
    assert tab.run("typeof window.hacked") == "undefined"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_phone(made: Path, tab: Page, name: str) -> None:
    tab.size(375, 812, phone=True)
    tab.open(made / name)
    assert tab.run("document.documentElement.scrollWidth") <= 375
    assert tab.run("window.innerWidth") == 375


@pytest.mark.parametrize("name", [TABLE, "claims.html"])
def test_a_page_is_interactive_within_a_second(made: Path, tab: Page, name: str) -> None:
    tab.call("Performance.enable", {"timeDomain": "threadTicks"})
    before = metrics(tab)
    tab.open(made / name)
    spent = metrics(tab)["TaskDuration"] - before["TaskDuration"]
    assert 0 < spent < 1.0, f"{spent:.2f} seconds of the page's own thread"


def metrics(tab: Page) -> dict[str, float]:
    """Chromium's own counters; durations are CPU-seconds of the page's thread."""
    return {each["name"]: each["value"] for each in tab.call("Performance.getMetrics")["metrics"]}


def test_a_column_sorts_down_up_and_back(made: Path, tab: Page) -> None:
    tab.open(made / TABLE)
    first = heads(tab)
    sort = "table.grid thead th:nth-child(2) button"
    orders = []
    for wanted in ("descending", "ascending", None):
        tab.click(sort)
        assert tab.run("document.querySelector('table.grid thead th:nth-child(2)').getAttribute('aria-sort')") == wanted
        orders.append(heads(tab))
    # BC: ours 38 on hopper-medium, 43 on halfcheetah-medium, 8 on hopper-random; the rest by what is published.
    assert orders[0].index("halfcheetah-medium") < orders[0].index("hopper-medium") < orders[0].index("hopper-random")
    assert orders[1].index("hopper-random") < orders[1].index("hopper-medium") < orders[1].index("halfcheetah-medium")
    assert orders[2] == first


def test_the_filter_leaves_the_rows_that_fit(made: Path, tab: Page) -> None:
    tab.open(made / TABLE)
    every = len(heads(tab))
    tab.click("[data-filter]")
    tab.type("hopper-med")
    shown = heads(tab)
    assert shown == ["hopper-medium", "hopper-medium-replay", "hopper-medium-expert"]
    assert tab.run("document.querySelector('[data-tools] [role=status]').textContent") == f"3 of {every} rows"


def test_the_switch_shows_ours_published_or_the_verdict(made: Path, tab: Page) -> None:
    tab.open(made / TABLE)
    row = "[...document.querySelectorAll('tbody tr')].find(row => row.cells[0].textContent.trim() === 'hopper-medium')"
    said = {}
    for mode in ("both", "ours", "published", "difference"):
        tab.click(f"[data-mode-switch] label:has([value={mode}])")
        said[mode] = tab.run(f"{row}.cells[1].innerText")
    assert "40.0" in said["both"]
    assert "53.4" in said["both"]
    assert "40.0" in said["ours"]
    assert "53.4" not in said["ours"]
    assert "40.0" not in said["published"]
    assert "53.4" in said["published"]
    assert said["difference"].strip() == "not comparable"


def test_a_cell_opens_its_runs_by_the_keyboard_alone(made: Path, tab: Page) -> None:
    tab.open(made / TABLE)
    for _ in range(80):
        tab.press("Tab")
        if tab.run("document.activeElement.matches('button.open')"):
            break
    assert tab.run("document.activeElement.matches('button.open')")
    assert tab.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    number = tab.run("document.activeElement.dataset.cell")
    tab.press("Enter")
    tab.wait("document.getElementById('details').open")
    assert tab.run("document.getElementById('details').contains(document.activeElement)")
    tab.press("Escape")
    tab.wait("!document.getElementById('details').open")
    assert tab.run("document.activeElement.dataset.cell") == number
    assert tab.complaints == []


def test_the_details_hold_seeds_curve_parameters_and_the_command(made: Path, tab: Page) -> None:
    tab.open(made / TABLE)
    number = tab.run(
        "[...document.querySelectorAll('tbody tr')].find(row => row.cells[0].textContent.trim() === 'hopper-medium')"
        ".cells[[...document.querySelectorAll('table.grid thead th')].findIndex(head => /^ILQ/.test(head.textContent))]"
        ".querySelector('button').dataset.cell"
    )
    tab.click(f"button[data-cell='{number}']")
    tab.wait("document.getElementById('details').open")
    body = tab.run("document.querySelector('.details-body').textContent")
    assert "diverged" in body
    assert "reprise run demo --tier demo --tasks hopper-medium --methods ilq --seeds 0,1,2" in body
    assert "training.train_steps" in body
    assert "provenance" in body.lower()
    assert "made.jsonl:" in body
    assert tab.run("document.querySelectorAll('.details-body .chart path').length") == 4
    assert tab.run("document.querySelector('.details-body .chart').getAttribute('aria-label')").startswith(
        "normalized_score"
    )
    assert tab.run("typeof window.hacked") == "undefined"


def test_an_address_opens_a_cell(made: Path, tab: Page) -> None:
    tab.open(made / TABLE, "#cell-3")
    assert tab.run("document.getElementById('details').open")


def test_claims_are_filtered_by_verdict_and_method(made: Path, tab: Page) -> None:
    tab.open(made / "claims.html")
    tab.run(
        "(() => { const form = document.querySelector('[data-claim-filter]'); form.elements.verdict.value = 'not comparable';"
        "form.elements.method.value = 'ILQ'; form.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )
    shown = tab.run(
        "[...document.querySelectorAll('#claims tbody tr')].filter(row => row.checkVisibility())"
        ".map(row => [row.querySelector('.word').textContent, row.cells[3].textContent])"
    )
    assert shown == [["not comparable", "ILQ"]] * 3


def test_colours_follow_the_system_and_then_the_reader(made: Path, tab: Page) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    tab.open(made / "index.html")
    light = tab.run(background)
    tab.size(1280, 900, dark=True)
    tab.open(made / "index.html")
    dark = tab.run(background)
    assert dark != light
    tab.click("[data-theme-switch] label:has([value=light])")
    assert tab.run(background) == light
    tab.open(made / "claims.html")
    assert tab.run(background) == light
    tab.click("[data-theme-switch] label:has([value=system])")


@pytest.mark.parametrize("dark", [False, True])
def test_text_has_the_contrast_that_readers_need(made: Path, tab: Page, dark: bool) -> None:
    tab.size(1280, 900, dark=dark)
    for name in ("index.html", TABLE, "claims.html"):
        tab.open(made / name)
        poor = tab.run(CONTRAST)
        assert poor == [], name


CONTRAST = """(() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const linear = (part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  const channel = (value) => linear(value / 255);
  const light = ([red, green, blue]) => 0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue);
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const found = numbers(getComputedStyle(each).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const poor = new Set();
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let count = 0; walk.nextNode() && count < 4000; count += 1) {
    const element = walk.currentNode.parentElement;
    const text = walk.currentNode.textContent.trim();
    if (!text || element.closest('script, .hidden, option') || !element.checkVisibility()) continue;
    const [high, low] = [light(numbers(getComputedStyle(element).color)), light(behind(element))].sort((a, b) => b - a);
    if ((high + 0.05) / (low + 0.05) < 4.5) poor.add(`${element.tagName}.${element.className} ${text}`);
  }
  return [...poor].slice(0, 10);
})()"""
