"""What README.md and results/README.md show of the suite's own records; cog writes it between their marks (`tox -e readme`)."""

from __future__ import annotations

from functools import cache

from results.cli import draw_table
from results.collect import collect
from results.figure_kinds import drawn
from results.figure_spec import load_figure
from results.modes import Mode
from results.plots.runs import Request
from results.render.markdown import markdown_grid, render_markdown
from results.report.at_hand import COMMITTED, read_runs
from results.report.standing import standing_table, standings_of
from results.table import Table


def standing() -> str:
    """How many published numbers have which verdict, and directions which word, family by family."""
    at_hand = read_runs(COMMITTED, None, lambda text: None)
    return markdown_grid(standing_table(standings_of(at_hand), at_hand.sources))


def table(name: str, tier: str, mode: str = "ours") -> str:
    """A table from the committed records with its caption, without notes."""
    drawn = _drawn(name, tier, mode)
    return f"{drawn.caption}\n\n{markdown_grid(drawn)}"


def whole_table(name: str, tier: str, mode: str = "ours") -> str:
    """A table with everything that belongs to it."""
    return render_markdown(_drawn(name, tier, mode)).rstrip()


def figure_numbers(name: str) -> str:
    """The numbers in a figure, and what is said of them."""
    spec = load_figure(name)
    return render_markdown(drawn(spec, Request(collect(records=COMMITTED), None, ())).table).rstrip()


@cache
def _drawn(name: str, tier: str, mode: str) -> Table:
    return draw_table(name, tier=tier, mode=Mode(mode), records=COMMITTED)[0]
