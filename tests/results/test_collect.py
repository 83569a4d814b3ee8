"""From MLflow and from records to the same tidy table, and every way in which a source can be wrong."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks import whole_file
from benchmarks.base import RepriseError, RunResult, Tag
from benchmarks.record_files import read_records, write_records
from benchmarks.store_uri import store_uri
from results import mlflow_store
from results.collect import collect, find

Maker = Callable[..., RunResult]


def ordered(frame: pd.DataFrame) -> pd.DataFrame:
    keys = ["run_key", "metric", "statistic", "step"]
    return frame.drop(columns="place").sort_values(keys).reset_index(drop=True)


def test_mlflow_and_its_export_give_the_same_table(store: Any, demo: list[RunResult], tmp_path: Path) -> None:
    for each in demo[:4]:
        store.write(each)
    exported = tmp_path / "records" / "demo.jsonl"
    write_records(exported, [found.result for found in find()])
    pd.testing.assert_frame_equal(ordered(collect()), ordered(collect(records=exported)))
    pd.testing.assert_frame_equal(ordered(collect()), ordered(collect(records=exported.parent)))


def test_a_run_becomes_a_row_per_statistic_and_per_point_with_its_labels_and_provenance(
    store: Any, result: Maker
) -> None:
    run = result("hopper-medium", "warm-start", 2, 44.5, note="by hand")
    store.write(run)
    frame = collect()
    values = {
        (row.metric, row.statistic, None if pd.isna(row.step) else row.step): row.value for row in frame.itertuples()
    }
    assert values == {
        ("normalized_score", "last", None): 44.5,
        ("normalized_score", "final10", None): 43.5,
        ("normalized_score", "best", None): 46.5,
        ("normalized_score", "curve", 5_000): 22.25,
        ("normalized_score", "curve", 10_000): 44.5,
        ("critic_loss", "curve", 10_000): 0.25,
    }
    row = frame.iloc[0]
    assert (row["run_key"], row["seed"], row["status"]) == (run.run.key, 2, "finished")
    assert (row["method"], row["variant"], row["tier"], row["note"]) == ("bc", "warm-start", "demo", "by hand")
    assert row["dataset"] == "local/hopper-medium-v5-n100000-s0-v0"
    assert (row["provenance.commit"], row["provenance.wall_s"]) == ("abc123", 12.5)
    assert json.loads(row["provenance.packages"]) == {"torch": "2.13.0"}
    assert json.loads(row["settings"])["learning_rate"] == 0.003
    assert set(collect(curves=False)["statistic"]) == {"last", "final10", "best"}


def test_the_variant_is_the_method_where_no_label_names_another(tmp_path: Path, result: Maker) -> None:
    run = result("hopper-medium", "iql")
    del run.run.labels["variant"]  # type: ignore[attr-defined]
    path = tmp_path / "r.jsonl"
    write_records(path, [run])
    assert set(collect(records=path)["variant"]) == {"iql"}


def test_only_finished_member_runs_are_read(store: Any, result: Maker) -> None:
    kept = result(seed=0)
    store.write(kept)
    store.write(result(seed=1), state="RUNNING")
    store.write(result(seed=2), state="FAILED")
    store.client.delete_run(store.write(result(seed=3)))
    parent = store.client.create_run(store.experiment("offline_rl"), tags={Tag.TRIAL_KEY: "f" * 64})
    store.client.set_terminated(parent.info.run_id, "FINISHED")
    assert set(collect()["run_key"]) == {kept.run.key}


def test_more_runs_than_a_page_are_all_read(store: Any, result: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow_store, "PAGE", 2)
    for seed in range(5):
        store.write(result(seed=seed))
    assert sorted(set(collect()["seed"])) == [0, 1, 2, 3, 4]


def test_the_environment_variable_names_the_store(
    store: Any, result: Maker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store.write(result())
    monkeypatch.setenv("REPRISE_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    assert len(collect()) == 6
    monkeypatch.chdir(store.path.parent)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    assert store_uri() == store.uri


# -- one key, two places


def test_a_key_found_twice_with_the_same_values_counts_once(store: Any, result: Maker, tmp_path: Path) -> None:
    store.write(result())
    path = tmp_path / "r.jsonl"
    write_records(path, [result()])
    assert len(collect(store.uri, path)) == 6


@pytest.mark.parametrize("what", ["summary", "curve", "status"])
def test_a_key_found_twice_with_different_values_names_both_places(
    store: Any, result: Maker, tmp_path: Path, what: str
) -> None:
    name, other = store.write(result(score=40.0)), result(score=40.0)
    if what == "summary":
        other.summary["normalized_score"]["last"] = 40.000001
    elif what == "curve":
        other.curve.pop()
    else:
        other.status = "diverged"
    path = tmp_path / "r.jsonl"
    write_records(path, [other])
    with pytest.raises(RepriseError) as caught:
        collect(store.uri, path)
    message = str(caught.value)
    assert "two different results" in message
    assert name in message
    assert f"{path}:1" in message


def test_a_diverged_run_with_nan_on_its_curve_agrees_with_itself(result: Maker, tmp_path: Path) -> None:
    run = result(status="diverged", summary={"normalized_score": {"last": 1.0}, "critic_loss": {"last": float("nan")}})
    for name in ("a.jsonl", "b.jsonl"):
        write_records(tmp_path / name, [run])
    frame = collect(records=tmp_path)
    assert (frame["statistic"] == "last").sum() == 2


# -- records


def test_a_line_that_is_no_record_is_named_with_its_file_and_number(result: Maker, tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    write_records(path, [result()])
    for bad in ("{not json", '{"key": "x"}', "[]", '"text"'):
        path.write_text(path.read_text().splitlines()[0] + f"\n\n{bad}\n")
        with pytest.raises(RepriseError) as caught:
            collect(records=path)
        assert str(caught.value).startswith(f"{path}:3: ")


def test_an_altered_record_is_refused(result: Maker, tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    write_records(path, [result(seed=0)])
    path.write_text(path.read_text().replace('"batch_size": 64', '"batch_size": 65'))
    with pytest.raises(RepriseError, match=r"r\.jsonl:1: .* was altered"):
        collect(records=path)


def test_no_records_is_an_error_that_says_what_writes_them(tmp_path: Path) -> None:
    with pytest.raises(RepriseError, match="reprise export"):
        collect(records=tmp_path)
    with pytest.raises(RepriseError, match="reprise export"):
        collect(records=tmp_path / "none.jsonl")


def test_records_are_written_whole_or_not_at_all(
    result: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.jsonl"
    write_records(path, [result(seed=0)])
    before = path.read_text()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(whole_file.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_records(path, [result(seed=0), result(seed=1)])
    assert path.read_text() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["r.jsonl"]


def test_records_keep_everything_of_a_run(result: Maker, tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    runs = [result(seed=seed, score=1 / 3 + seed) for seed in (1, 0)]
    assert write_records(path, runs) == 2
    assert [found.result for found in read_records(path)] == [runs[1], runs[0]]


def test_a_label_with_the_name_of_a_column_is_refused(result: Maker, tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    write_records(path, [result(seed=0, value="3")])
    with pytest.raises(RepriseError, match="label 'value'"):
        collect(records=path)


# -- stores that are not ours


def test_a_missing_database_says_how_to_make_one_and_is_not_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRISE_HOME", str(tmp_path))
    with pytest.raises(RepriseError, match=r"no MLflow database at .*mlflow\.db; .*reprise run"):
        collect()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.write_text("this is a text file and no database, and longer than the header of one" * 20)
    with pytest.raises(RepriseError, match=r"mlflow\.db is not a sqlite database"):
        collect(f"sqlite:///{path}")


def test_somebody_elses_database_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "accounts.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table accounts (name text)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(RepriseError, match=r"accounts\.db is a sqlite database, but not MLflow's"):
        collect(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_a_locked_database_is_named_as_such(store: Any, result: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow_store, "LOCK_SECONDS", 0.1)
    store.write(result())
    holder = sqlite3.connect(store.path, isolation_level=None)
    try:
        holder.execute("begin exclusive")
        with pytest.raises(RepriseError, match=r"locked; another program holds"):
            collect()
    finally:
        holder.close()


def test_a_store_without_our_runs_is_refused(store: Any) -> None:
    other = store.client.create_run(store.experiment("somebody"))
    store.client.set_terminated(other.info.run_id, "FINISHED")
    with pytest.raises(RepriseError, match=r"without any finished Reprise run .*reprise\.run_key"):
        collect()


def test_a_run_without_its_record_is_named(store: Any, result: Maker) -> None:
    name = store.write(result(), record=False)
    with pytest.raises(RepriseError, match=rf"{name}: cannot read record\.json"):
        collect()


def test_a_run_tagged_with_another_runs_key_is_named(store: Any, result: Maker) -> None:
    name = store.write(result(), **{Tag.RUN_KEY: "0" * 64})
    with pytest.raises(RepriseError, match=rf"{name}: tagged 000000000000"):
        collect()
