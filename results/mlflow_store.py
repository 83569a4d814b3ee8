"""Reading finished runs out of an MLflow tracking store, and refusing one that is not ours."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from benchmarks.base import RepriseError, Tag, home
from results.record_files import Found, parse_record

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun

LOCK_SECONDS = 5.0
"""How long a busy sqlite database is waited for."""

PAGE = 1000
"""Runs per request."""


def default_tracking_uri() -> str:
    """`MLFLOW_TRACKING_URI` (a relative sqlite path made absolute), else the suite's own database, `<home>/mlflow.db`."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home() / 'mlflow.db'}"
    path = sqlite_path(uri)
    return f"sqlite:///{path}" if path else uri


def read_store(uri: str) -> Iterator[Found]:
    """Every finished member run of a store, from its artifact `record.json`, oldest first.

    A member run is one tagged `reprise.run_key`. Raises RepriseError where the store is missing, locked, no MLflow store or
    without any such run, and where a run's record is missing or belongs to another run.
    """
    check_sqlite(uri)
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    import mlflow  # two seconds: only for those who read a store

    try:
        client = mlflow.MlflowClient(tracking_uri=uri)
        runs = list(_member_runs(client))
    except mlflow.exceptions.MlflowException as error:
        raise RepriseError(f"{uri}: MLflow cannot read this store: {_first_line(error)}") from error
    if not runs:
        raise RepriseError(
            f"{uri} is an MLflow store without any finished Reprise run (none is tagged {Tag.RUN_KEY}); "
            "run a sweep with `reprise run`, or name the right store in MLFLOW_TRACKING_URI"
        )
    for run in runs:
        yield _found(client, run, uri)


def check_sqlite(uri: str) -> None:
    """Refuse a sqlite database that is missing, locked, damaged or not MLflow's, before MLflow creates tables in it."""
    path = sqlite_path(uri)
    if path is None:
        return
    if not path.is_file():
        raise RepriseError(
            f"no MLflow database at {path}; run a sweep first (`reprise run`), or read files with --records"
        )
    try:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=LOCK_SECONDS)
        try:
            tables = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
        finally:
            connection.close()
    except sqlite3.OperationalError as error:
        holds = "another program holds this MLflow database, wait for it or end it"
        remedy = holds if "locked" in str(error) else "it cannot be opened, see its permissions"
        raise RepriseError(f"{path}: {error}; {remedy}") from error
    except sqlite3.DatabaseError as error:
        raise RepriseError(
            f"{path} is not a sqlite database ({error}); name MLflow's in MLFLOW_TRACKING_URI"
        ) from error
    missing = {"experiments", "runs", "tags"} - tables
    if missing:
        raise RepriseError(
            f"{path} is a sqlite database, but not MLflow's (no table '{min(missing)}'); name MLflow's in MLFLOW_TRACKING_URI"
        )


def sqlite_path(uri: str) -> Path | None:
    """The file of a `sqlite:///` URI, absolute; None for another kind of store."""
    prefix = "sqlite:///"
    return Path(unquote(uri.removeprefix(prefix).split("?")[0])).absolute() if uri.startswith(prefix) else None


def _member_runs(client: MlflowClient) -> Iterator[MlflowRun]:
    experiments = [experiment.experiment_id for experiment in _pages(client.search_experiments)]
    wanted = f"tags.`{Tag.RUN_KEY}` != '' and attributes.status = 'FINISHED'"
    yield from _pages(client.search_runs, experiments, filter_string=wanted, order_by=["attributes.start_time ASC"])


def _pages(search: Any, *args: Any, **options: Any) -> Iterator[Any]:
    token = None
    while True:
        page = search(*args, **options, max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _found(client: MlflowClient, run: MlflowRun, uri: str) -> Found:
    place = f"{uri} run {run.info.run_id}"
    result = parse_record(_record_text(client, run, place), place)
    key = run.data.tags[Tag.RUN_KEY]
    if result.run.key != key:
        record = f"its {Tag.RECORD} is of the run {result.run.key[:12]}"
        raise RepriseError(f"{place}: tagged {key[:12]}, but {record}; delete this MLflow run")
    return Found(place, result)


def _record_text(client: MlflowClient, run: MlflowRun, place: str) -> str:
    """The artifact `record.json`; read straight from a local folder, through MLflow from anywhere else."""
    location = urlparse(run.info.artifact_uri)
    try:
        if location.scheme in ("", "file"):
            return (Path(unquote(location.path)) / Tag.RECORD).read_text(encoding="utf-8")
        return Path(client.download_artifacts(run.info.run_id, Tag.RECORD)).read_text(encoding="utf-8")
    except Exception as error:  # MLflow's artifact clients raise what their libraries raise
        raise RepriseError(
            f"{place}: cannot read {Tag.RECORD} in {run.info.artifact_uri} ({_first_line(error)}); where the database "
            "was moved without its artifacts, put them back, or read an export with --records"
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
