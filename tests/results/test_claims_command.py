"""`reprise claims`: filters, formats and what they say of several sources."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from benchmarks.base import RepriseError
from results import published
from results.claims_command import claims, csv_text


def call(*words: str) -> str:
    application = typer.Typer()
    application.command()(claims)
    done = CliRunner().invoke(application, list(words))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def rows(*words: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(call(*words, "--csv"))))


def plain(family: str) -> list[dict[str, str]]:
    with (published.FOLDER / f"{family}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("words", "column", "text"),
    [
        (["--task", "hopper-medium-v2"], "task", "hopper-medium-v2"),
        (["--method", "ilq"], "method", "ILQ"),
        (["--table", "ILQ paper Table 2"], "table", "ILQ paper Table 2"),
        (["--certainty", "derived"], "certainty", "derived"),
        (["--metric", "normalized_score_sum"], "metric", "normalized_score_sum"),
    ],
)
def test_a_filter_takes_exactly_what_it_names_where_that_exists(words: Sequence[str], column: str, text: str) -> None:
    found = rows("--family", "offline_rl", *words)
    expected = [row for row in plain("offline_rl") if row[column] == text]
    assert [(row["table"], row["task"], row["source"]) for row in found] == [
        (row["table"], row["task"], row["source"]) for row in expected
    ]
    assert found


def test_what_no_value_is_exactly_is_looked_for_inside_them_and_filters_add_up() -> None:
    found = rows("--source", "quoting the iql paper", "--task", "hopper")
    expected = [
        row for row in plain("offline_rl") if "quoting the IQL paper" in row["source"] and "hopper" in row["task"]
    ]
    assert len(found) == len(expected) > 2


def test_csv_is_read_again_as_the_same_claims(tmp_path: Path) -> None:
    path = tmp_path / "face_detection.csv"
    path.write_text(call("--family", "face_detection", "--csv"))
    again, first = published.load_file(path), published.load("face_detection")
    assert csv_text(again) == csv_text(first)
    assert again.drop(columns="line").equals(first.drop(columns="line"))


def test_json_says_what_is_missing_what_is_judged_and_what_is_cited() -> None:
    (dmkd,) = json.loads(call("--method", "DMKD", "--task", "RetinaNet", "--json"))
    assert (dmkd["value"], dmkd["spread"], dmkd["n_seeds"], dmkd["certainty"]) == (41.5, None, None, "derived")
    assert (dmkd["judged"], dmkd["cites"]) == (False, ["dmkd"])
    (ilq,) = json.loads(call("--table", "ILQ paper Table 1", "--task", "hopper-medium-v2", "--method", "ILQ", "--json"))
    assert (ilq["value"], ilq["spread"], ilq["n_seeds"], ilq["judged"]) == (92.1, 5.8, 5, True)


def test_several_sources_of_a_cell_are_kept_apart_and_shown() -> None:
    printed = call("--task", "hopper-medium-v2", "--method", "IQL", "--metric", "normalized_score")
    assert "4 more" in printed
    for table in ("ILQ paper Table 1 (D4RL v2)", "CORL benchmark (D4RL v2)", "ReBRAC evaluation (D4RL v2)"):
        assert table in printed
    several = rows("--family", "distillation", "--several")
    cells = [tuple(row[name] for name in ("family", "task", "method", "metric")) for row in several]
    assert several
    assert all(cells.count(cell) > 1 for cell in cells)


def test_derived_and_unverified_claims_are_counted_as_never_judged() -> None:
    printed = call("--table", "EDAC paper Table 1")
    assert "unverified" in printed
    assert "18 claims in 1 tables; 18 of them derived or unverified: shown, never judged." in printed


def test_bibtex_holds_what_was_filtered_and_no_more() -> None:
    text = call("--table", "ILQ paper Table 1", "--method", "MCQ", "--bibtex")
    assert [line for line in text.splitlines() if line.startswith("@")] == ["@inproceedings{ilq,", "@misc{mcq,"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--family", "offline"], "unknown family 'offline'; did you mean 'offline_rl'"),
        (["--task", "hoper-medium-v2"], "--task: unknown task 'hoper-medium-v2'; did you mean 'hopper-medium-v2'"),
        (["--json", "--csv"], "exclude each other"),
        (
            ["--family", "distillation", "--table", "AMD abstract", "--several", "--task", "RetinaNet"],
            "leave --several out",
        ),
    ],
)
def test_bad_input_is_one_message(words: list[str], message: str) -> None:
    with pytest.raises(RepriseError) as caught:
        call(*words)
    assert message in str(caught.value)
