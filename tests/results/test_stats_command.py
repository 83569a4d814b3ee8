"""`reprise stats`: anybody's file of scores in, numbers with intervals and warnings out."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from results.statistics import AGGREGATES, Scores, bootstrap, bootstrap_improvement, iqm, probability_of_improvement
from sweeps.cli import main

METHODS = {"ours": 60.0, "theirs": 55.0, "older": 30.0}
TASKS = ("hop", "walk", "run")
FEW = ("--replicates", "200")

Lines = list[tuple[str, str, int, float]]


def lines() -> Lines:
    """Three methods on three tasks, five seeds each."""
    rng = np.random.default_rng(0)
    return [
        (method, task, seed, level + 10 * place + float(rng.normal(0, 8)))
        for method, level in METHODS.items()
        for place, task in enumerate(TASKS)
        for seed in range(5)
    ]


def scores(of: Lines, method: str, scale: float = 100.0) -> Scores:
    tasks = dict.fromkeys(task for name, task, _, _ in of if name == method)
    return Scores.of({task: [row[3] for row in of if row[:2] == (method, task)] for task in tasks}, scale)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Lines], Path]:
    def written(rows: Lines) -> Path:
        path = tmp_path / "scores.csv"
        path.write_text("method,task,seed,score\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
        return path

    return written


def call(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["stats", *words])
    printed = capsys.readouterr()
    assert ended.value.code == status, printed.err
    return printed.out if status == 0 else printed.err


def answer(capsys: pytest.CaptureFixture[str], path: Path, *words: str) -> dict[str, Any]:
    found = json.loads(call(capsys, str(path), "--json", *FEW, *words))
    assert isinstance(found, dict)
    return found


def test_json_holds_every_aggregate_and_pair_with_its_interval(
    write: Callable[[Lines], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = lines()
    found = answer(capsys, write(rows), "--seed", "4")
    assert [each["method"] for each in found["methods"]] == list(METHODS)
    assert (found["scale"], found["replicates"], found["pair_replicates"], found["seed"]) == (100.0, 200, 200, 4)
    for each in found["methods"]:
        own = scores(rows, each["method"])
        assert (each["tasks"], each["fewest_seeds"], each["most_seeds"]) == (3, 5, 5)
        assert each["aggregates"]["iqm"]["value"] == pytest.approx(iqm(own))
        assert list(each["aggregates"]) == ["iqm", "mean", "median", "optimality_gap"]
        for name, aggregate in AGGREGATES.items():
            assert each["aggregates"][name]["interval"] == pytest.approx(bootstrap(own, aggregate, 200, 4))
    shares = [np.mean([row[3] > 75 for row in rows if row[0] == method]) for method in METHODS]
    at = found["thresholds"].index(0.75)
    assert [each["profile"][at] for each in found["methods"]] == pytest.approx(shares)
    assert [(each["x"], each["y"]) for each in found["comparisons"]] == list(combinations(METHODS, 2))
    for each in found["comparisons"]:
        x, y = scores(rows, each["x"]), scores(rows, each["y"])
        assert each["probability"]["value"] == pytest.approx(probability_of_improvement(x, y))
        assert each["probability"]["interval"] == pytest.approx(bootstrap_improvement(x, y, 200, 4))
    assert found["warnings"] == []


def test_the_terminal_shows_numbers_intervals_and_what_they_are(
    write: Callable[[Lines], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = lines()
    printed = call(capsys, str(write(rows)), *FEW)
    interval = bootstrap(scores(rows, "ours"), AGGREGATES["iqm"], 200)
    assert interval is not None
    assert f"{iqm(scores(rows, 'ours')):.3f}" in printed
    assert f"{interval.low:.3f} to {interval.high:.3f}" in printed
    assert "3 methods, 3 tasks." in printed
    assert "200 replicates, seed 0" in printed
    assert "ours > theirs" in printed
    assert "theirs > older" in printed
    assert "Warning" not in printed


def test_one_method_may_be_compared_with_each_other(
    write: Callable[[Lines], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(lines())
    pairs = answer(capsys, path, "--against", "theirs")["comparisons"]
    assert [(each["x"], each["y"]) for each in pairs] == [("ours", "theirs"), ("older", "theirs")]
    message = call(capsys, str(path), "--against", "thiers", status=2)
    assert f"{path}: unknown method 'thiers'; did you mean 'theirs'?" in message


def test_one_method_alone_is_compared_with_none(
    write: Callable[[Lines], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write([row for row in lines() if row[0] == "ours"])
    assert answer(capsys, path)["comparisons"] == []
    assert "Probability of improvement" not in call(capsys, str(path), *FEW)


def test_scores_are_divided_by_the_scale(write: Callable[[Lines], Path], capsys: pytest.CaptureFixture[str]) -> None:
    rows = lines()
    hundredths = answer(capsys, write(rows))
    fractions = answer(capsys, write([(*row[:3], row[3] / 100) for row in rows]), "--scale", "1")
    for found, expected in zip(fractions["methods"], hundredths["methods"], strict=True):
        for name in AGGREGATES:
            assert found["aggregates"][name]["value"] == pytest.approx(expected["aggregates"][name]["value"])
    (warning,) = answer(capsys, write([(*row[:3], row[3] / 100) for row in rows]))["warnings"]
    assert "--scale 100: is that the score of the reference?" in warning
    assert "--scale 0: give the score of the reference" in call(capsys, str(write(rows)), "--scale", "0", status=2)


def test_missing_tasks_are_said_and_can_be_left_out_for_all(
    write: Callable[[Lines], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row for row in lines() if row[:2] != ("theirs", "walk")]
    path = write(rows)
    found = answer(capsys, path)
    assert [each["tasks"] for each in found["methods"]] == [3, 2, 3]
    assert [each["tasks"] for each in found["comparisons"]] == [2, 3, 2]
    ours, theirs = scores(rows, "ours").of_tasks(["hop", "run"]), scores(rows, "theirs")
    assert found["comparisons"][0]["probability"]["value"] == pytest.approx(probability_of_improvement(ours, theirs))
    assert found["warnings"][0] == "theirs has no scores on walk."
    assert "--common" in found["warnings"][1]
    restricted = answer(capsys, path, "--common")
    assert restricted["methods"][0]["aggregates"]["iqm"]["value"] == pytest.approx(iqm(ours))
    assert restricted["warnings"][1] == "2 of 3 tasks are used: those that every method has."
    assert "theirs has no scores on walk." in call(capsys, str(path), *FEW)


def test_methods_without_a_common_task_are_not_compared(
    write: Callable[[Lines], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write([row for row in lines() if row[:2] in (("ours", "hop"), ("older", "run"))])
    (pair,) = answer(capsys, path)["comparisons"]
    assert (pair["tasks"], pair["probability"]) == (0, None)
    assert "ours > older" in call(capsys, str(path), *FEW)
    message = call(capsys, str(path), "--common", status=2)
    assert "--common: no task has scores of every method (ours, older)" in message


def test_unequal_and_too_few_seeds_are_said(write: Callable[[Lines], Path], capsys: pytest.CaptureFixture[str]) -> None:
    path = write([row for row in lines() if row[:2] != ("older", "hop") or row[2] < 2])
    found = answer(capsys, path)
    older = found["methods"][2]
    assert (older["fewest_seeds"], older["most_seeds"]) == (2, 5)
    assert all(estimate["interval"] is None for estimate in older["aggregates"].values())
    intervals = {(each["x"], each["y"]): each["probability"]["interval"] for each in found["comparisons"]}
    assert [pair for pair, interval in intervals.items() if interval is None] == [
        ("ours", "older"),
        ("theirs", "older"),
    ]
    unequal, between, few = found["warnings"]
    assert unequal.startswith("older has fewer than 5 seeds on hop (2):")
    assert between == "The methods do not have equally many seeds a task: ours 5, theirs 5, older 2 to 5."
    assert few == "No interval where a task has fewer than 3 seeds: older (2)."
    assert few in call(capsys, str(path), *FEW)


def test_columns_may_stand_in_any_order_beside_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "scores.csv"
    path.write_bytes(
        b"\xef\xbb\xbfscore,host,seed,task,method\r\n50,x,0,hop,ours\r\n70,y,1,hop,ours\r\n60,z,2,hop,ours\r\n"
    )
    found = answer(capsys, path)
    assert found["methods"][0]["aggregates"]["mean"]["value"] == pytest.approx(0.6)
    assert found["warnings"] == ["Columns that were not read: host."]


HEAD = "method,task,seed,score\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("method,task,score\na,b,1\n", ":1: no column seed among method, task, score; name the columns method, task"),
        ("", ":1: no column method, task, seed, score among none"),
        ("method,task,seed,score,score\na,b,0,1,1\n", ":1: column score occurs twice"),
        (HEAD, ": no scores below the line of columns"),
        (HEAD + "a,b,0,1\na,b,1,high\n", ":3: score 'high' is not a finite number"),
        (HEAD + "a,b,0,nan\n", ":2: score 'nan' is not a finite number"),
        (HEAD + "a,b,0,\n", ":2: score '' is not a finite number"),
        (HEAD + "a,b,0,1\na,c,0,1\na,b,0,2\n", ":4: method 'a', task 'b', seed '0' is already in line 2; keep one"),
        (HEAD + "a,b,0\n", ":2: the line does not have 4 fields"),
        (HEAD + "a,b,0,1,2\n", ":2: the line does not have 4 fields"),
        (HEAD + "a,,0,1\n", ":2: 'task' is empty"),
        (HEAD + 'a,"b"c,0,1\n', ":2: not CSV"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(
    text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(text)
    assert f"reprise: {path}{message}" in call(capsys, str(path), status=2)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "missing.csv"
    assert f"{missing}: No such file or directory" in call(capsys, str(missing), status=2)
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"method,task\xff\xfe")
    assert f"{binary}: not UTF-8 text" in call(capsys, str(binary), status=2)
