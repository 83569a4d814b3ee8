"""`reprise compare`: which cells match, what the numbers are, and when the exit status is 1."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import typer
from scipy import stats
from typer.testing import CliRunner

from benchmarks.base import RepriseError, RunResult
from benchmarks.record_files import write_records
from results.compare_command import compare

Maker = Callable[..., RunResult]
TASKS = ("hopper-medium", "walker2d-medium")


@pytest.fixture
def written(result: Maker, tmp_path: Path) -> Callable[..., Path]:
    """Writes a record file: task -> scores of seeds 0, 1, ..."""

    def write(name: str, scores: dict[str, Sequence[float]], **options: object) -> Path:
        runs = [
            result(task, "iql", seed, score, **options) for task, of in scores.items() for seed, score in enumerate(of)
        ]
        write_records(tmp_path / f"{name}.jsonl", runs)
        return tmp_path / f"{name}.jsonl"

    return write


def call(*words: object) -> tuple[int, str]:
    application = typer.Typer()
    application.command()(compare)
    done = CliRunner().invoke(application, [str(word) for word in words], standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done.return_value, done.stdout


def test_differences_intervals_and_probability_equal_an_independent_calculation(written: Callable[..., Path]) -> None:
    old, new = [40.0, 42.0, 47.0, 39.0], [41.0, 44.0, 45.0]
    a, b = written("a", {TASKS[0]: old}), written("b", {TASKS[0]: new}, method_version=2)
    status, out = call(a, b, "--json")
    (cell,) = json.loads(out)["comparisons"][0]["cells"]
    oracle = stats.ttest_ind(new, old, equal_var=False).confidence_interval(0.95)
    assert cell["difference"] == pytest.approx(np.mean(new) - np.mean(old))
    assert cell["interval"] == pytest.approx([oracle.low, oracle.high])
    wins = [1.0 if y > x else 0.5 if y == x else 0.0 for y in new for x in old]
    assert cell["probability"] == pytest.approx(sum(wins) / len(wins))
    assert cell["margin"] == pytest.approx(4.2)
    assert cell["changed"] == ["method_version 1 -> 2"]
    assert (status, cell["word"]) == (0, "")


def test_the_mean_over_tasks_has_the_variance_of_both(written: Callable[..., Path]) -> None:
    old = {TASKS[0]: [40.0, 42.0, 44.0], TASKS[1]: [10.0, 20.0, 30.0]}
    new = {TASKS[0]: [41.0, 42.0, 43.0], TASKS[1]: [12.0, 19.0, 32.0]}
    _, out = call(written("a", old), written("b", new, method_version=2), "--json")
    (whole,) = json.loads(out)["comparisons"][0]["methods"]
    terms = [np.var(scores, ddof=1) / 3 / 4 for side in (old, new) for scores in side.values()]
    error, freedom = np.sqrt(sum(terms)), sum(terms) ** 2 / sum(term**2 / 2 for term in terms)
    half = stats.t.ppf(0.975, freedom) * error
    assert whole["difference"] == pytest.approx(0.5)
    assert whole["interval"] == pytest.approx([0.5 - half, 0.5 + half])


def test_a_loss_beyond_the_margin_is_a_regression_and_the_way_back_an_improvement(written: Callable[..., Path]) -> None:
    a = written("a", {TASKS[0]: [40.0, 40.2, 40.4]})
    b = written("b", {TASKS[0]: [30.0, 30.2, 30.4]}, method_version=2)
    status, out = call(a, b)
    assert status == 1
    assert "1 regressions: normalized_score of iql on hopper-medium" in out
    status, out = call(b, a, "--json")
    assert status == 0
    assert json.loads(out)["comparisons"][0]["cells"][0]["word"] == "improvement"


def test_losses_within_the_margin_on_every_task_are_a_regression_of_the_method(written: Callable[..., Path]) -> None:
    old = {task: [40.0, 40.2, 40.4] for task in TASKS}
    new = {task: [39.0, 39.2, 39.4] for task in TASKS}
    status, out = call(written("a", old), written("b", new, method_version=2), "--json")
    found = json.loads(out)
    assert status == 1
    assert [cell["word"] for cell in found["comparisons"][0]["cells"]] == ["", ""]
    assert found["regressions"] == ["normalized_score of iql over 2 tasks"]


def test_the_same_runs_are_said_to_be_the_same(written: Callable[..., Path]) -> None:
    a = written("a", {TASKS[0]: [40.0, 42.0, 44.0]})
    status, out = call(a, a)
    assert status == 0
    assert "same runs" in out


def test_two_seeds_have_no_interval_and_no_verdict(written: Callable[..., Path]) -> None:
    a, b = written("a", {TASKS[0]: [40.0, 41.0]}), written("b", {TASKS[0]: [1.0, 2.0]}, method_version=2)
    status, out = call(a, b, "--json")
    (cell,) = json.loads(out)["comparisons"][0]["cells"]
    assert (status, cell["interval"], cell["probability_interval"], cell["word"]) == (0, None, None, "too few seeds")


def test_settings_match_their_like_and_what_is_alone_is_listed(result: Maker, tmp_path: Path) -> None:
    def runs(rates: Sequence[float], version: int) -> list[RunResult]:
        return [
            result(TASKS[0], "iql", seed, 40.0 + seed + rate, settings={"learning_rate": rate}, method_version=version)
            for rate in rates
            for seed in range(3)
        ]

    write_records(tmp_path / "a.jsonl", runs([0.1, 0.2, 0.3], 1))
    write_records(tmp_path / "b.jsonl", runs([0.1, 0.2], 1))
    _, out = call(tmp_path / "a.jsonl", tmp_path / "b.jsonl", "--json")
    (found,) = json.loads(out)["comparisons"]
    assert [cell["setting"] for cell in found["cells"]] == ["learning_rate=0.1", "learning_rate=0.2"]
    assert found["left_out"] == ["hopper-medium iql: only in A"]


def test_runs_on_other_data_are_never_compared(written: Callable[..., Path]) -> None:
    a = written("a", {TASKS[0]: [40.0, 41.0, 42.0]})
    b = written("b", {TASKS[0]: [40.0, 41.0, 42.0]}, dataset_hash="f" * 64)
    with pytest.raises(RepriseError, match="not comparable, the sides differ in dataset_hash"):
        call(a, b)


def test_a_diverged_seed_counts_zero_and_is_flagged(
    result: Maker, written: Callable[..., Path], tmp_path: Path
) -> None:
    lost = {"normalized_score": {"last": float("nan")}}
    runs = [result(TASKS[0], "iql", seed, 40.0, method_version=2) for seed in range(2)]
    write_records(
        tmp_path / "b.jsonl", [*runs, result(TASKS[0], "iql", 2, status="diverged", summary=lost, method_version=2)]
    )
    _, out = call(written("a", {TASKS[0]: [40.0, 40.0, 40.0]}), tmp_path / "b.jsonl", "--json")
    (cell,) = json.loads(out)["comparisons"][0]["cells"]
    assert cell["b"] == pytest.approx(80 / 3)
    assert cell["diverged"] == {"a": [], "b": [2]}
    finished = result(TASKS[0], "iql", 0, summary=lost)
    write_records(tmp_path / "c.jsonl", [finished])
    with pytest.raises(RepriseError, match=r"c\.jsonl:1: .*must not count as finished"):
        call(tmp_path / "c.jsonl", tmp_path / "b.jsonl")


def test_sweeps_and_commits_are_found_in_records(result: Maker, tmp_path: Path) -> None:
    def runs(version: int, score: float, **options: str) -> list[RunResult]:
        made = {"commit": f"{version}" * 40}
        return [
            result(TASKS[0], "iql", s, score + s, method_version=version, provenance=made, **options) for s in range(3)
        ]

    path = tmp_path / "all.jsonl"
    write_records(path, [*runs(1, 40.0, sweep="old"), *runs(2, 20.0, sweep="new")])
    assert call("old", "new", "--records", path)[0] == 1
    assert call("1111111", "commit:2222222", "--records", path)[0] == 1
    assert call("new", "sweep:old", "--records", path)[0] == 0
    with pytest.raises(RepriseError, match=r"'older' is no file.*sweeps there: new, old"):
        call("older", "new", "--records", path)


def test_a_store_and_its_records_are_the_same_side(store: object, result: Maker, tmp_path: Path) -> None:
    runs = [result(seed=seed) for seed in range(3)]
    for run in runs:
        store.write(run)  # type: ignore[attr-defined]
    write_records(tmp_path / "r.jsonl", runs)
    home = store.path.parent  # type: ignore[attr-defined]
    for side in (home, home / "mlflow.db", store.uri, "demo"):  # type: ignore[attr-defined]
        assert "same runs" in call(side, tmp_path / "r.jsonl")[1]


def test_several_tiers_on_a_side_need_a_choice(result: Maker, tmp_path: Path) -> None:
    runs = [
        result(seed=seed, tier=tier, training={"train_steps": steps})
        for seed in range(3)
        for tier, steps in (("demo", 1), ("mini", 2))
    ]
    path = tmp_path / "r.jsonl"
    write_records(path, runs)
    with pytest.raises(RepriseError, match="tiers demo, mini; choose one with --tier"):
        call(path, path)
    assert call(path, path, "--tier", "mini")[0] == 0
