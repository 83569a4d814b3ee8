"""How the families stand, counted once more from the rows of the page."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from benchmarks.base import RepriseError, RunResult
from benchmarks.record_files import write_records
from results import published
from results.check_command import check
from results.report.claims_view import NO_STATEMENT, claim_rows
from results.report.standing import FAMILIES, everything, standing_table, standings_of
from results.report.table_view import views
from results.verdict.words import Direction, Verdict
from tests.results.report.sites import at_hand

Make = Callable[..., RunResult]


def ahead(result: Make) -> list[RunResult]:
    """ILQ clearly above BC on hopper-medium, as the paper has it."""
    scores = {"ilq": 80.0, "bc": 40.0}
    return [result("hopper-medium", name, seed, score + seed) for name, score in scores.items() for seed in range(3)]


def behind(result: Make) -> list[RunResult]:
    scores = {"ilq": 10.0, "bc": 40.0}
    return [result("hopper-medium", name, seed, score + seed) for name, score in scores.items() for seed in range(3)]


def test_every_published_number_is_counted_once_in_its_family(result: Make, tmp_path: Path) -> None:
    found = at_hand(ahead(result), tmp_path)
    counts = {each.family: each for each in standings_of(found)}
    assert list(counts) == list(FAMILIES)
    rows = list(claim_rows([view for view in views(found) if view.main]))
    for family, each in counts.items():
        words = Counter(row.verdict for row in rows if row.family == family)
        assert each.verdicts == {word.value: words[word.value] for word in Verdict}
        assert each.claims >= len(published.load(family)) > 0
    assert counts["offline_rl"].verdicts["not comparable"] == 2
    assert counts["distillation"].compared == counts["face_detection"].compared == 0


def test_directions_are_counted_apart(result: Make, tmp_path: Path) -> None:
    (agreeing, *_) = standings_of(at_hand(ahead(result), tmp_path))
    assert agreeing.directions == {"agrees": 1, "disagrees": 0, "undecided": 0, NO_STATEMENT: 0}
    assert not agreeing.contradicts
    (contrary, *_) = standings_of(at_hand(behind(result), tmp_path))
    assert contrary.directions["disagrees"] == 1
    assert contrary.contradicts
    assert contrary.verdicts == agreeing.verdicts


def test_the_table_sums_the_families_in_its_last_row(result: Make, tmp_path: Path) -> None:
    counts = standings_of(at_hand(ahead(result), tmp_path))
    table = standing_table(counts, ["made.jsonl (6 runs)"])
    heads = [group.header.key for group in table.columns]
    assert set(heads) == {word.value for word in (*Verdict, *Direction)}
    assert table.total is not None
    for place in range(len(heads)):
        column = [row.cells[place].value for row in table.groups[0].rows]
        assert table.total.cells[place].value == sum(value for value in column if value is not None)
    total = everything(counts)
    assert sum(cell.value or 0 for cell in table.total.cells) == total.claims + total.compared
    assert "made.jsonl (6 runs)" in table.caption


@pytest.mark.parametrize(("made", "status"), [(ahead, 0), (behind, 1)])
def test_check_without_a_table_counts_all(
    made: Callable[[Make], list[RunResult]], status: int, result: Make, tmp_path: Path
) -> None:
    write_records(tmp_path / "made.jsonl", made(result))
    application = typer.Typer()
    application.command()(check)
    done = CliRunner().invoke(application, ["--records", str(tmp_path / "made.jsonl"), "--json"])
    assert done.exit_code == status
    found = json.loads(done.stdout)
    assert found["sources"] == ["made.jsonl (6 runs)"]
    assert [each["family"] for each in found["families"]] == list(FAMILIES)
    shown = CliRunner().invoke(application, ["--records", str(tmp_path / "made.jsonl")])
    assert shown.exit_code == status
    assert "Detector distillation" in shown.stdout


def test_check_without_a_table_refuses_what_only_a_table_has(tmp_path: Path) -> None:
    with pytest.raises(RepriseError, match="name a table"):
        check(None, tier="mini")
