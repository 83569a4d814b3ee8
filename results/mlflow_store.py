"""Reading finished runs out of an MLflow tracking store, and refusing one that is not ours."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from benchmarks.base import SCHEMA_VERSION, RepriseError, Tag
from benchmarks.record_files import Found, parse_record, text_hash
from benchmarks.store_uri import sqlite_path

if TYPE_CHECKING:
    from mlflow import MlflowClient

LOCK_SECONDS = 5.0
"""How long a busy sqlite database is waited for."""

PAGE = 1000
"""Runs per request."""

TAGS = (Tag.RUN_KEY, Tag.SCHEMA, Tag.RECORD_HASH)
"""What a Member holds of a run's tags, in its order."""


class Member(NamedTuple):
    """A finished member run of a store. `schema` and `record_hash` are empty where an older Reprise wrote it."""

    run_id: str
    artifacts: str
    key: str
    schema: str
    record_hash: str


def read_store(uri: str, *, curves: bool = True) -> Iterator[Found]:
    """Every finished member run of a store, from its artifact `record.json`, oldest first; without `curves` these stay empty.

    A member run is one tagged `reprise.run_key`. Runs of schema 1, which lack the tags `reprise.schema` and
    `reprise.record_sha256`, are read as they are: all that is known of a run is in its record. Raises RepriseError where the
    store is missing, locked, no MLflow store or without any such run, and where a run's record is missing, altered or of
    another run, or the run of a schema to come.
    """
    check_sqlite(uri)
    path = sqlite_path(uri)
    members = _asked(uri) if path is None else _selected(path)
    if not members:
        raise RepriseError(
            f"{uri} is an MLflow store without any finished Reprise run (none is tagged {Tag.RUN_KEY}); "
            "run a sweep with `reprise run`, or name the right store in MLFLOW_TRACKING_URI"
        )
    for member in members:
        yield _found(member, uri, curves)


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


def _selected(path: Path) -> list[Member]:
    """Straight from MLflow's tables: its client loads every tag, parameter and metric of a run, minutes for 10,000 runs."""
    query = """
        select runs.run_uuid, runs.artifact_uri, keys.value, coalesce(schemas.value, ''), coalesce(hashes.value, '')
        from tags as keys join runs using (run_uuid) join experiments using (experiment_id)
        left join tags as schemas on schemas.run_uuid = runs.run_uuid and schemas.key = ?
        left join tags as hashes on hashes.run_uuid = runs.run_uuid and hashes.key = ?
        where keys.key = ? and keys.value != '' and runs.status = 'FINISHED' and runs.lifecycle_stage = 'active'
        and experiments.lifecycle_stage = 'active' order by runs.start_time, runs.run_uuid
    """
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=LOCK_SECONDS)) as connection:
        return [Member(*row) for row in connection.execute(query, (Tag.SCHEMA, Tag.RECORD_HASH, Tag.RUN_KEY))]


def _asked(uri: str) -> list[Member]:
    """Through MLflow's client, from any other kind of store."""
    import mlflow  # two seconds: only for those who read such a store

    wanted = f"tags.`{Tag.RUN_KEY}` != '' and attributes.status = 'FINISHED'"
    try:
        client = client_of(uri)
        experiments = [experiment.experiment_id for experiment in _pages(client.search_experiments)]
        oldest_first = ["attributes.start_time ASC"]
        runs = list(_pages(client.search_runs, experiments, filter_string=wanted, order_by=oldest_first))
    except mlflow.exceptions.MlflowException as error:
        raise RepriseError(f"{uri}: MLflow cannot read this store: {_first_line(error)}") from error
    return [
        Member(run.info.run_id, run.info.artifact_uri, *(run.data.tags.get(name, "") for name in TAGS)) for run in runs
    ]


def client_of(uri: str) -> MlflowClient:
    """A client that writes no log; importing MLflow takes two seconds, so nothing does before it must."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    import mlflow

    return mlflow.MlflowClient(tracking_uri=uri)


def _pages(search: Any, *args: Any, **options: Any) -> Iterator[Any]:
    token = None
    while True:
        page = search(*args, **options, max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _found(member: Member, uri: str, curves: bool) -> Found:
    place = f"{uri} run {member.run_id}"
    again = f"delete this MLflow run (`mlflow runs delete --run-id {member.run_id}`) and run its sweep again"
    if member.schema and (not member.schema.isdecimal() or int(member.schema) > SCHEMA_VERSION):
        raise RepriseError(
            f"{place}: written under schema {member.schema}, this Reprise knows those up to {SCHEMA_VERSION}; install a newer one"
        )
    text = _record_text(member, uri, place)
    if member.schema and text_hash(text) != member.record_hash:
        raise RepriseError(
            f"{place}: the {Tag.RECORD} of run {member.key[:12]} was altered after it was written (its sha256 is another); "
            f"restore it, or {again}"
        )
    result = parse_record(text, place, curves)
    if result.run.key != member.key:
        record = f"its {Tag.RECORD} is of the run {result.run.key[:12]}"
        raise RepriseError(f"{place}: tagged {member.key[:12]}, but {record}; {again}")
    return Found(place, result)


def _record_text(member: Member, uri: str, place: str) -> str:
    """The artifact `record.json`; read straight from a local folder, through MLflow from anywhere else."""
    folder = local_folder(member.artifacts)
    try:
        if folder is not None:
            with open(f"{folder}/{Tag.RECORD}", encoding="utf-8") as file:
                return file.read()
        return Path(client_of(uri).download_artifacts(member.run_id, Tag.RECORD)).read_text(encoding="utf-8")
    except Exception as error:  # MLflow's artifact clients raise what their libraries raise
        raise RepriseError(
            f"{place}: cannot read {Tag.RECORD} in {member.artifacts} ({_first_line(error)}); where the database "
            "was moved without its artifacts, put them back, or read an export with --records; a run from before there were "
            "records must be deleted and run again"
        ) from error


def local_folder(artifacts: str) -> str | None:
    """The folder of a run's artifacts; None where only MLflow can reach them. Thousands are asked for: `urlparse` is too slow."""
    scheme = artifacts.partition(":/")[0] if ":/" in artifacts else ""
    return unquote(artifacts.removeprefix("file:")) if scheme in ("", "file") else None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
