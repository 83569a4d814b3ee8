"""A sqlite MLflow store as a lab has that ran every sweep: the committed runs and ILQ's ablations, many seeds each."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path

from benchmarks.base import SCHEMA_VERSION, Json, RunResult, Tag
from benchmarks.record_files import read_records, text_hash

RECORDS = Path(__file__).parents[2] / "results" / "records"
FIRST_SEED = 1_000
"""Beyond the seeds of every committed run."""

ABLATIONS: dict[str, tuple[Json, ...]] = {
    "delta": (-2, -1, -0.5, 0, 0.5, 1, 2),
    "eta": (0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95),
    "imagination": (False,),
    "limit": (False,),
}
"""Of ILQ, as the sweeps of its figures have them."""


def many(runs: int) -> Iterator[RunResult]:
    """`runs` results of all families: round after round the same cells with another seed and shifted scores."""
    drawn = random.Random(0)
    committed = [result for _, result in read_records(RECORDS) if result.run.seed == 0 and result.status == "finished"]
    mini = {"variant": "ilq", "tier": "mini"}
    ilq = [result for result in committed if mini.items() <= result.run.labels.items()]
    originals = committed + [
        _ablated(result, name, value)
        for result in ilq
        for name, values in ABLATIONS.items()
        for value in values
        if value != result.run.settings[name]
    ]
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


def _ablated(result: RunResult, name: str, value: Json) -> RunResult:
    """ILQ's run under another setting, named as a grid names it."""
    variant = {"variant": f"ilq[{name}={json.dumps(value)}]"}
    run = replace(result.run, settings={**result.run.settings, name: value}, labels={**result.run.labels, **variant})
    return replace(result, run=run)


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
