"""`reprise check`: what it prints, and its exit status."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from benchmarks.base import RepriseError, RunResult
from benchmarks.record_files import write_records
from results.check_command import check

Maker = Callable[..., RunResult]
COMMITTED = Path(__file__).parents[2] / "results" / "records"


def call(words: Sequence[str]) -> Result:
    application = typer.Typer()
    application.command()(check)
    done = CliRunner().invoke(application, list(words))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


@pytest.fixture
def records(tmp_path: Path, result: Maker) -> Callable[[float], str]:
    """A file in which ILQ has this score on hopper-medium and BC has 40."""

    def write(ilq: float) -> str:
        path = tmp_path / "runs.jsonl"
        scores = {"ilq": ilq, "bc": 40.0}
        results = [
            result("hopper-medium", name, seed, score + seed) for name, score in scores.items() for seed in range(3)
        ]
        write_records(path, results)
        return str(path)

    return write


def test_the_status_is_0_where_nothing_contradicts_and_1_where_something_does(records: Callable[[float], str]) -> None:
    good = call(["ilq-table-1", "--records", records(80.0)])
    assert (good.exit_code, "1 agree, 0 disagree, 0 undecided" in good.stdout) == (0, True)
    bad = call(["ilq-table-1", "--records", records(10.0)])
    assert (bad.exit_code, "0 agree, 1 disagree, 0 undecided" in bad.stdout) == (1, True)


def test_json_holds_both_classes_apart(records: Callable[[float], str]) -> None:
    found = json.loads(call(["ilq-table-1", "--records", records(80.0), "--json"]).stdout)
    assert found["counts"]["not comparable"] == 2
    assert set(found["counts"]) & set(found["directions"]) == set()
    assert sum(found["counts"].values()) == len(found["numbers"])
    (pair,) = found["comparisons"]
    assert (pair["task"], pair["a"], pair["b"], pair["direction"]) == ("hopper-medium", "ILQ", "BC", "agrees")
    assert (pair["ours"], pair["statistic"]) == (40.0, "difference")
    assert (found["tier"], found["data"], found["seeds"]) == ("demo", "rebuilt", 3)


def test_the_committed_records_speak_of_directions_only() -> None:
    done = call(["ilq-table-1", "--records", str(COMMITTED), "--json"])
    found = json.loads(done.stdout)
    counts = found["counts"]
    assert counts["reproduced"] == counts["not reproduced"] == counts["inconclusive"] == 0
    assert counts["not comparable"] > 0
    assert sum(found["directions"].values()) + found["directions_without_statement"] == len(found["comparisons"]) > 0
    assert done.exit_code == (1 if found["directions"]["disagrees"] else 0)


def test_the_verdict_stands_in_the_place_of_the_number_with_the_reason_below(records: Callable[[float], str]) -> None:
    printed = call(["ilq-table-1", "--records", records(80.0)]).stdout
    assert "not comparable[b]" in printed
    assert "Tier demo, rebuilt data, environment v5, not v2." in printed
    assert "ILQ above BC" in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ilq-table-11"], "unknown table 'ilq-table-11'; did you mean 'ilq-table-1'"),
        (["ilq-table-1", "--statistic", "final"], "unknown statistic 'final'"),
        (["ilq-table-1", "--records", "nowhere.jsonl"], "no records at nowhere.jsonl"),
    ],
)
def test_bad_input_is_one_message(words: list[str], message: str) -> None:
    with pytest.raises(RepriseError) as caught:
        call(words)
    assert message in str(caught.value)
