"""A sqlite MLflow store of many finished runs, as a lab has after a year: the committed runs under further seeds."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path

from benchmarks.base import SCHEMA_VERSION, RunResult, Tag
from benchmarks.record_files import read_records, text_hash

RECORDS = Path(__file__).parents[2] / "results" / "records"
FIRST_SEED = 100


def many(runs: int) -> Iterator[RunResult]:
    """`runs` results of all families: round after round the committed runs of seed 0 with another seed and shifted scores."""
    drawn = random.Random(0)
    originals = [result for _, result in read_records(RECORDS) if result.run.seed == 0 and result.status == "finished"]
    for number in range(runs):
        turn, place = divmod(number, len(originals))
        original = originals[place]
        shift = drawn.gauss(0, 2)
        summary = {
            metric: {
                name: value + shift if "AP" in metric or "score" in metric else value for name, value in found.items()
            }
            for metric, found in original.summary.items()
        }
        yield replace(original, run=replace(original.run, seed=FIRST_SEED + turn), summary=summary)


def write_store(folder: Path, results: Iterator[RunResult]) -> str:
    """Write runs straight into MLflow's tables, whose client would take minutes; return the store's URI."""
    from mlflow import MlflowClient

    database = folder / "mlflow.db"
    uri = f"sqlite:///{database}"
    experiment = MlflowClient(tracking_uri=uri).create_experiment("many", (folder / "mlruns").as_uri())
    ids = count()
    with closing(sqlite3.connect(database)) as store, store:
        for result in results:
            _write(store, folder / "mlruns", experiment, f"{next(ids):032x}", result)
    return uri


def _write(store: sqlite3.Connection, folder: Path, experiment: str, name: str, result: RunResult) -> None:
    artifacts = folder / name / "artifacts"
    artifacts.mkdir(parents=True)
    record = json.dumps(result.to_json())
    (artifacts / Tag.RECORD).write_text(record, encoding="utf-8")
    run = (name, name, "FINISHED", 0, 1, "active", artifacts.as_uri(), experiment)
    columns = "run_uuid, name, status, start_time, end_time, lifecycle_stage, artifact_uri, experiment_id"
    store.execute(f"insert into runs ({columns}) values (?, ?, ?, ?, ?, ?, ?, ?)", run)
    tags = {
        Tag.SCHEMA: str(SCHEMA_VERSION),
        Tag.RECORD_HASH: text_hash(record),
        Tag.RUN_KEY: result.run.key,
        **{Tag.LABEL + key: value for key, value in result.run.labels.items()},
        **{Tag.PROVENANCE + key: str(value) for key, value in result.provenance.items()},
    }
    store.executemany(
        "insert into tags (key, value, run_uuid) values (?, ?, ?)", [(*tag, name) for tag in tags.items()]
    )
    points = {(point.metric, point.step): point.value for point in result.curve}
    rows = [(metric, value, 0, name, step, 0) for (metric, step), value in points.items()]
    store.executemany(
        "insert into metrics (key, value, timestamp, run_uuid, step, is_nan) values (?, ?, ?, ?, ?, ?)", rows
    )
