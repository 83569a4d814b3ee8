"""Runs that an older or a newer Reprise wrote to MLflow, and a record that was edited in its folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest

from benchmarks.base import RepriseError, RunResult, Tag
from benchmarks.record_files import text_hash
from benchmarks.store_uri import sqlite_path
from results import mlflow_store
from results.collect import collect, find
from results.mlflow_store import local_folder

Maker = Callable[..., RunResult]


def tags(run: RunResult, schema: str = "2") -> dict[str, str]:
    return {Tag.SCHEMA: schema, Tag.RECORD_HASH: text_hash(json.dumps(run.to_json()))}


def record_of(store: Any, name: str) -> Path:
    return Path(urlparse(store.client.get_run(name).info.artifact_uri).path) / Tag.RECORD


def test_runs_without_the_later_tags_are_read_as_they_are(store: Any, result: Maker) -> None:
    old, new = result(seed=0), result(seed=1)
    name = store.write(old)
    for tag in (Tag.STATUS, Tag.FAMILY, Tag.SEED, Tag.LABEL + "tier"):
        store.client.delete_tag(name, tag)
    store.write(new, **tags(new))
    frame = collect(curves=False)
    assert {tuple(row) for row in frame[["seed", "status", "family", "tier"]].to_numpy()} == {
        (0, "finished", "offline_rl", "demo"),
        (1, "finished", "offline_rl", "demo"),
    }


def test_an_edited_record_in_a_run_of_today_is_named(store: Any, result: Maker) -> None:
    run = result()
    name = store.write(run, **tags(run))
    path = record_of(store, name)
    path.write_text(path.read_text().replace("40.0", "41.0"))
    with pytest.raises(RepriseError, match=rf"run {name}: the record\.json of run {run.run.key[:12]} was altered"):
        collect()


def test_a_run_of_a_schema_to_come_is_refused(store: Any, result: Maker) -> None:
    run = result()
    name = store.write(run, **tags(run, schema="3"))
    with pytest.raises(RepriseError, match=rf"{name}: written under schema 3, this Reprise knows those up to 2"):
        collect()


def test_a_run_from_before_there_were_records_says_what_to_do(store: Any, result: Maker) -> None:
    name = store.write(result(), record=False)
    with pytest.raises(RepriseError, match=rf"{name}: cannot read record\.json .*deleted and run again"):
        collect()


def test_the_tables_of_a_database_and_mlflows_client_name_the_same_runs(
    store: Any, result: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [result(seed=seed) for seed in range(4)]
    for run in runs[:3]:
        store.write(run, **tags(run))
    store.client.delete_run(store.write(runs[3]))
    gone = store.write(result(seed=5, settings={}))
    store.client.set_terminated(gone, "FAILED")
    straight = {found.result.run.key for found in find()}
    assert straight == {run.run.key for run in runs[:3]}
    path = sqlite_path(store.uri)
    assert path is not None
    monkeypatch.setattr(mlflow_store, "PAGE", 2)
    assert sorted(mlflow_store._asked(store.uri)) == sorted(mlflow_store._selected(path))


@pytest.mark.parametrize(
    ("artifacts", "folder"),
    [
        ("file:///home/a%20b/mlruns/1/x/artifacts", "/home/a b/mlruns/1/x/artifacts"),
        ("file:/home/mlruns/x", "/home/mlruns/x"),
        ("/home/mlruns/x", "/home/mlruns/x"),
        ("./mlruns/x", "mlruns/x"),
        ("mlflow-artifacts:/1/x/artifacts", None),
        ("s3://bucket/1/x/artifacts", None),
        ("dbfs:/databricks/x", None),
    ],
)
def test_artifacts_in_a_folder_are_told_from_those_that_mlflow_must_fetch(artifacts: str, folder: str | None) -> None:
    found = local_folder(artifacts)
    assert (found and Path(found)) == (folder and Path(folder))
