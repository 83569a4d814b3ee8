"""`reprise export --format rliable`: matrices of runs by tasks, refused where they have holes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.base import RepriseError, RunResult
from benchmarks.record_files import write_records
from results.export_command import export_matrices
from results.score_file import load_scores

Maker = Callable[..., RunResult]


def test_rows_are_seeds_columns_are_tasks_and_scores_are_fractions(demo: list[RunResult], tmp_path: Path) -> None:
    write_records(tmp_path / "r.jsonl", demo[::-1])
    npz, csv, legend = export_matrices(tmp_path / "out", records=tmp_path / "r.jsonl")
    matrices, about = dict(np.load(npz)), json.loads(legend.read_text())
    assert set(matrices) == {result.run.labels["variant"] for result in demo} == set(about["methods"])
    for result in demo:
        row, column = about["seeds"].index(result.run.seed), about["tasks"].index(result.run.task)
        score = result.summary["normalized_score"]["last"]
        assert matrices[result.run.labels["variant"]][row, column] == score / 100
    assert {matrix.shape for matrix in matrices.values()} == {(3, 2)}
    scores = load_scores(csv).scores
    assert scores["ilq"]["hopper-medium"] == {"0": 43.0, "1": 45.0, "2": 47.0}
    assert len(pd.read_csv(csv)) == len(demo)


def test_unequal_seeds_are_refused_or_cut_on_request(demo: list[RunResult], tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    write_records(path, demo[:-1])
    with pytest.raises(
        RepriseError, match=r"warm-start has no run of seed 2 on hopper-medium-expert \(1 such cells\).*--common"
    ):
        export_matrices(tmp_path / "out", records=path)
    assert not (tmp_path / "out").exists()
    npz, _, legend = export_matrices(tmp_path / "out", records=path, common=True)
    about = json.loads(legend.read_text())
    assert about["seeds"] == [0, 1]
    assert about["remarks"] == ["left out seed 2: not in every cell"]
    assert {matrix.shape for matrix in np.load(npz).values()} == {(2, 2)}


def test_a_task_that_a_method_never_ran_goes_whole(demo: list[RunResult], tmp_path: Path) -> None:
    write_records(tmp_path / "r.jsonl", demo[:-3])
    _, _, legend = export_matrices(tmp_path / "out", records=tmp_path / "r.jsonl", common=True)
    about = json.loads(legend.read_text())
    assert (about["tasks"], about["seeds"]) == (["hopper-medium"], [0, 1, 2])
    assert about["remarks"] == ["left out task hopper-medium-expert: not every method has run it"]


def test_a_diverged_run_without_a_score_counts_zero_and_is_said(result: Maker, tmp_path: Path) -> None:
    lost = result(seed=1, status="diverged", summary={"normalized_score": {"last": float("nan")}})
    write_records(tmp_path / "r.jsonl", [result(seed=0), lost])
    npz, _, legend = export_matrices(tmp_path / "out", records=tmp_path / "r.jsonl")
    np.testing.assert_array_equal(np.load(npz)["iql"], [[0.4], [0.0]])
    assert json.loads(legend.read_text())["remarks"] == ["iql on hopper-medium, seed 1, diverged"]


def test_two_runs_of_one_seed_are_refused(result: Maker, tmp_path: Path) -> None:
    write_records(tmp_path / "r.jsonl", [result(seed=0), result(seed=0, training={"train_steps": 5})])
    with pytest.raises(RepriseError, match=r"several runs of seed 0 \(.*r\.jsonl:1 and .*r\.jsonl:2\)"):
        export_matrices(tmp_path / "out", records=tmp_path / "r.jsonl")


def test_an_unknown_metric_names_the_nearest(result: Any, tmp_path: Path) -> None:
    write_records(tmp_path / "r.jsonl", [result()])
    with pytest.raises(RepriseError, match="did you mean 'normalized_score'"):
        export_matrices(tmp_path / "out", records=tmp_path / "r.jsonl", metric="normalised_score")
