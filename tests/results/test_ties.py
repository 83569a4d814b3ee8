"""Numbers that cannot be told from the best: Welch's 90 % interval, against SciPy's own test."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from benchmarks.base import RunResult
from results.published import Claim
from results.render import render
from results.table import Cell, ColumnGroup, HeaderCell, Row, RowGroup, Table
from results.ties import Contestant, tied


def contestant(values: list[float]) -> Contestant | None:
    return Contestant.ours(float(np.mean(values)), float(np.std(values, ddof=1)), len(values))


@pytest.mark.parametrize("higher", [True, False])
def test_ties_are_those_of_welchs_test_at_ten_per_cent(higher: bool) -> None:
    draw = np.random.default_rng(0)
    seen = set()
    for _ in range(200):
        samples = [draw.normal(draw.uniform(0, 4), draw.uniform(0.2, 2.0), draw.integers(3, 6)) for _ in range(4)]
        means = [float(np.mean(each)) for each in samples]
        best = int(np.argmax(means) if higher else np.argmin(means))
        p = [stats.ttest_ind(each, samples[best], equal_var=False).pvalue for each in samples]
        even = [index != best and value >= 0.10 for index, value in enumerate(p)]
        expected = [each or (index == best and any(even)) for index, each in enumerate(even)]
        assert tied(means, [contestant(list(each)) for each in samples], higher) == expected
        seen.add(sum(expected))
    assert {0, 2, 3} <= seen


def test_two_seeds_are_never_tested_and_nobody_is_tied_with_a_best_that_is_not() -> None:
    assert Contestant.ours(5.0, 1.0, 2) is None
    assert Contestant.ours(5.0, None, 5) is None
    assert tied([9.0, 8.9, 8.8], [None, contestant([8, 9, 9.7]), contestant([8, 8.8, 9.6])], True) == [False] * 3
    assert tied([None, 8.9], [None, contestant([8, 9, 9.7])], True) == [False, False]
    assert tied([], [], True) == []


def claim(value: float, spread: float | None, kind: str | None, n: int | None) -> Claim:
    return Claim("t", "d", "task", "m", "AP", "last", value, spread, kind, n, "read", "s")


def test_a_printed_spread_of_unknown_kind_tells_apart_only_where_both_readings_do() -> None:
    """D 2.0, n 3: s 1 read as ddof 0 is 1.2247. Half of the 90 % interval is 1.7406 as printed and 2.1318 so converted."""
    rival, known = claim(12.0, 1.0, "unknown", 3), claim(12.0, 1.0, "std1", 3)
    base = {kind: Contestant.claimed(claim(10.0, 1.0, kind, 3)) for kind in ("unknown", "std1")}
    assert tied([10.0, 12.0], [base["unknown"], Contestant.claimed(rival)], True) == [True, True]
    assert tied([10.0, 12.0], [base["std1"], Contestant.claimed(known)], True) == [False, False]
    assert Contestant.claimed(claim(10.0, 1.0, "std1", None)) is None
    assert Contestant.claimed(claim(10.0, None, None, 5)) is None


def test_every_format_has_the_mark() -> None:
    row = Row(HeaderCell("x", "x"), (Cell(1.5, 0.1, 3, tied=True), Cell(0.5)))
    columns = tuple(ColumnGroup(HeaderCell(name, name), (HeaderCell("", "ours"),)) for name in ("a", "b"))
    table = Table("t", "t", "c", HeaderCell("s"), columns, (RowGroup(HeaderCell(""), (row,)),))
    shown = {
        "markdown": "1.5 ± 0.1≈ |",
        "latex": r"\ensuremath{\approx}",
        "html": 'title="not told from the best">≈</span>',
        "terminal": "1.5±0.1≈",
        "csv": "1.5,0.1,3,,,,,,true",
        "json": '"tied": true',
    }
    for form, text in shown.items():
        assert render(table, form).count(text) == 1, form


def test_ours_is_never_tied_with_what_is_published(result: Callable[..., RunResult]) -> None:
    from benchmarks.record_files import Found
    from results import published
    from results.collect import tidy
    from results.paper_table import paper_table
    from results.selection import Choice, select
    from results.table_files import load_spec
    from results.table_spec import TableSpec

    spec = load_spec("ilq-table-1")
    assert isinstance(spec, TableSpec)
    runs = [result(variant="ilq", seed=seed, score=score) for seed, score in enumerate([91.0, 92.0, 93.0])]
    frame = tidy(Found(str(index), each) for index, each in enumerate(runs))
    table = paper_table(spec, select(spec.scope, frame, Choice("last")), published.load())
    assert not any(cell.tied for row in table.rows() for cell in row.cells), "one method of ours competes with nobody"
