"""The one writer to MLflow: it lives in the driver, writes in batches, and never makes a second run for the same key."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from filelock import FileLock

from benchmarks.base import SCHEMA_VERSION, Json, RepriseError, Run, RunResult, Tag, canonical_json, home
from benchmarks.record_files import Found, parse_record, text_hash
from sweeps.packing import Trial
from sweeps.trial_folder import all_folders, read_own, write_json

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun

PENDING = "reprise.pending_key"
"""Tag of a member run from its creation; without Tag.RUN_KEY beside it, writing it was cut short."""

FAILURE = "reprise.failure"
"""Tag of a trial's parent run: why its last attempt failed."""

LOCK_SECONDS = 5.0
BATCH = 90
"""Parameters per request (MLflow takes 100); metrics go 1,000 at a time less these."""


def tracking_uri() -> str:
    """`MLFLOW_TRACKING_URI` (a relative sqlite path made absolute), else `<home>/mlflow.db`."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home() / 'mlflow.db'}"
    path = sqlite_path(uri)
    return f"sqlite:///{path}" if path else uri


def sqlite_path(uri: str) -> Path | None:
    """The file of a `sqlite:///` URI, absolute; None for another kind of store."""
    prefix = "sqlite:///"
    return Path(unquote(uri.removeprefix(prefix).split("?")[0])).absolute() if uri.startswith(prefix) else None


class Tracking:
    """Runs of one family in one MLflow store.

    Raises RepriseError where the store is locked, no MLflow database, or of a schema this MLflow cannot use. With
    `create=False` a store that does not exist yet counts as empty and nothing is written.
    """

    def __init__(self, family: str, create: bool = True) -> None:
        self.family, self.uri = family, tracking_uri()
        self.members: dict[str, str] = {}
        self.artifacts: dict[str, str] = {}
        self.pending: dict[str, list[str]] = {}
        self.parents: dict[str, str] = {}
        self.failed: set[str] = set()
        self.client: MlflowClient | None = None
        self.experiment = ""
        path = sqlite_path(self.uri)
        if path is not None:
            _check_database(path)
            if not create and not path.exists():
                return
            path.parent.mkdir(parents=True, exist_ok=True)
        home().mkdir(parents=True, exist_ok=True)
        self.lock = FileLock(home() / "tracking.lock")
        with self.lock:
            self.client = _client(self.uri)
            self.experiment = self._experiment(path, create)
            self._read_index()

    def finished(self) -> set[str]:
        """Keys of runs that are completely written."""
        return set(self.members)

    def stored(self, key: str) -> Found:
        """The result of a finished run as it was written; RepriseError where its record cannot be read."""
        run_id, location = self.members[key], urlparse(self.artifacts[key])
        place = f"{self.uri} run {run_id}"
        try:
            local = location.scheme in ("", "file")
            folder = unquote(location.path) if local else self.client.download_artifacts(run_id, "")  # type: ignore[union-attr]
            text = (Path(folder) / Tag.RECORD).read_text(encoding="utf-8")
        except Exception as error:  # MLflow's artifact clients raise what their libraries raise
            raise RepriseError(
                f"{place}: cannot read {Tag.RECORD} in {self.artifacts[key]} ({error}); put it back, or delete this MLflow run"
            ) from error
        return Found(place, parse_record(text, place))

    def ingest(self) -> list[str]:
        """Write the finished trials of this home that the store lacks (a crash left them unrecorded); their run keys."""
        found: list[str] = []
        for folder in all_folders():
            if not folder.finished() or self.members.keys() >= set(folder.keys()):
                continue
            results = folder.results()
            if results[0].run.family == self.family:
                found += self.record(folder.plan(), results)
        return found

    def record(self, trial: Trial, results: Sequence[RunResult], marks: Mapping[str, str] | None = None) -> list[str]:
        """Write a finished trial; the keys of the runs that were not there before. `marks` are further tags of these runs."""
        with self._writing():
            new = [result for result in results if result.run.key not in self.members]
            if not new:
                return []
            wall_s = float(new[0].provenance.get("wall_s", 0.0))
            parent = self._parent(trial, "finished", wall_s)
            for result in new:
                self._write_member(parent, result, marks or {})
            self._call("set_terminated", parent, "FINISHED")
            return [result.run.key for result in new]

    def record_stopped(self, trial: Trial, results: Sequence[RunResult]) -> None:
        """Write what a scheduler stopped: curves under the status `stopped_early`, without a run key."""
        with self._writing():
            parent = self._parent(trial, "stopped_early")
            for result in results:
                self._write_member(parent, result, {}, keyed=False)
            self._call("set_terminated", parent, "FINISHED")

    def record_failed(self, trial: Trial, reason: str) -> None:
        """Write that a trial failed, and why, on its parent run; its members get no run."""
        with self._writing():
            parent = self._parent(trial, "failed")
            self._call("set_tag", parent, FAILURE, reason[:5000])
            self.failed.add(parent)
            self._call("set_terminated", parent, "FAILED")

    # -- writing ------------------------------------------------------------------------------------------------------

    def _writing(self) -> _Writing:
        return _Writing(self)

    def _parent(self, trial: Trial, status: str, wall_s: float = 0.0) -> str:
        tags = {**_identity_tags(trial.runs[0]), Tag.STATUS: status}
        known = self.parents.get(trial.key)
        if known is not None:
            self._call("update_run", known, status="RUNNING")
            self._call("set_tag", known, Tag.STATUS, status)
            if known in self.failed:
                self._call("delete_tag", known, FAILURE)
                self.failed.discard(known)
            return known
        tags |= {Tag.TRIAL_KEY: trial.key}
        self.parents[trial.key] = self._create(tags, trial.title, wall_s)
        return self.parents[trial.key]

    def _create(self, tags: Mapping[str, str], name: str, wall_s: float = 0.0) -> str:
        start = int(1000 * (time.time() - wall_s))
        run = self._call("create_run", self.experiment, start_time=start, tags=dict(tags), run_name=name[:250])
        return str(run.info.run_id)

    def _write_member(self, parent: str, result: RunResult, marks: Mapping[str, str], keyed: bool = True) -> None:
        """Everything of a run; its key comes last, so that a run cut short never looks finished."""
        run, key = result.run, result.run.key
        for leftover in self.pending.pop(key, []):
            self._call("delete_run", leftover)
        record = json.dumps(result.to_json())
        tags = {
            PENDING: key,
            Tag.SCHEMA: str(SCHEMA_VERSION),
            Tag.RECORD_HASH: text_hash(record),
            "mlflow.parentRunId": parent,
            **_identity_tags(run),
            Tag.SEED: str(run.seed),
            Tag.STATUS: result.status,
            **{Tag.LABEL + name: value for name, value in run.labels.items()},
            **{Tag.PROVENANCE + name: _text(value) for name, value in result.provenance.items()},
            **marks,
        }
        name = f"{run.task} {run.labels.get('variant', run.method)} seed {run.seed}"
        created = self._call(
            "create_run",
            self.experiment,
            start_time=int(1000 * (time.time() - float(result.provenance.get("wall_s", 0.0)))),
            tags=tags,
            run_name=name[:250],
        )
        run_id = created.info.run_id
        self._log(run_id, result)
        self._save_record(created, record)
        self._call("set_terminated", run_id, "FINISHED")
        if keyed:
            self._call("set_tag", run_id, Tag.RUN_KEY, key)
            self.members[key], self.artifacts[key] = run_id, created.info.artifact_uri
        else:
            self.pending.setdefault(key, []).append(run_id)

    def _log(self, run_id: str, result: RunResult) -> None:
        """Parameters, curves and summary, in as few requests as MLflow allows."""
        from mlflow.entities import Metric, Param

        now = int(1000 * time.time())
        values = {**_prefixed("settings", result.run.settings), **_prefixed("training", result.run.training)}
        params = [Param(name, text) for name, text in values.items()]
        metrics = [Metric(point.metric, point.value, now, point.step) for point in result.curve]
        last = max((point.step for point in result.curve), default=0)
        for metric, statistics in result.summary.items():
            metrics += [Metric(f"{metric}.{name}", value, now, last) for name, value in statistics.items()]
        while params or metrics:
            self._call("log_batch", run_id, metrics=metrics[: 1000 - BATCH], params=params[:BATCH])
            params, metrics = params[BATCH:], metrics[1000 - BATCH :]

    def _save_record(self, run: MlflowRun, text: str) -> None:
        location = urlparse(run.info.artifact_uri)
        if location.scheme in ("", "file"):  # straight to the folder: the client would ask the database for it again
            path = Path(unquote(location.path)) / Tag.RECORD
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        else:
            self._call("log_text", run.info.run_id, text, Tag.RECORD)

    # -- reading ------------------------------------------------------------------------------------------------------

    def _experiment(self, path: Path | None, create: bool) -> str:
        """One experiment per family; artifacts of a local database lie under `<home>/mlruns`."""
        known = self._call("get_experiment_by_name", self.family)
        if known is not None and known.lifecycle_stage == "deleted":
            remedy = f"restore it: mlflow experiments restore -x {known.experiment_id}"
            raise RepriseError(f"{self.uri}: the experiment '{self.family}' was deleted; {remedy}")
        if known is not None:
            return str(known.experiment_id)
        if not create:
            return ""
        location = (home() / "mlruns" / self.family).as_uri() if path is not None else None
        return str(self._call("create_experiment", self.family, artifact_location=location))

    def _read_index(self) -> None:
        """Which keys are written, which were cut short, which trials have a parent."""
        self.members, self.artifacts, self.pending, self.parents, self.failed = {}, {}, {}, {}, set()
        for run in self._runs() if self.experiment else ():
            tags = run.data.tags
            if Tag.TRIAL_KEY in tags:
                self.parents[tags[Tag.TRIAL_KEY]] = run.info.run_id
                self.failed |= {run.info.run_id} if FAILURE in tags else set()
            elif Tag.RUN_KEY in tags:
                self.members[tags[Tag.RUN_KEY]] = run.info.run_id
                self.artifacts[tags[Tag.RUN_KEY]] = run.info.artifact_uri
            elif PENDING in tags:
                self.pending.setdefault(tags[PENDING], []).append(run.info.run_id)
        self.writes = _writes()

    def _runs(self) -> Iterator[MlflowRun]:
        token = None
        while True:
            page = self._call("search_runs", [self.experiment], max_results=1000, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _call(self, name: str, *arguments: Any, **options: Any) -> Any:
        """One request to MLflow; what it raises becomes a RepriseError that says where and what to do."""
        from mlflow.exceptions import MlflowException

        try:
            return getattr(self.client, name)(*arguments, **options)
        except MlflowException as error:
            raise _store_error(self.uri, error) from error


class _Writing:
    """The lock of this home's writers. Where another process wrote since we looked, the index is read again."""

    def __init__(self, tracking: Tracking) -> None:
        self.tracking = tracking

    def __enter__(self) -> None:
        self.tracking.lock.acquire()
        if self.tracking.writes != _writes():
            self.tracking._read_index()

    def __exit__(self, *_: object) -> None:
        self.tracking.writes = _writes() + 1
        write_json(home() / "tracking.json", {"writes": self.tracking.writes}, durable=False)
        self.tracking.lock.release()


def _writes() -> int:
    """How often this home's stores were written to."""
    path = home() / "tracking.json"
    return int(read_own(path)["writes"]) if path.exists() else 0


def _client(uri: str) -> MlflowClient:
    """A quiet client; the first one creates or checks the tables."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    import mlflow
    from mlflow.exceptions import MlflowException

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        client = mlflow.MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
    except MlflowException as error:
        raise _store_error(uri, error) from error
    return client


def _check_database(path: Path) -> None:
    """Refuse a file that is locked or not MLflow's, before MLflow creates its tables in it."""
    if not path.exists():
        return
    advice = "name another in MLFLOW_TRACKING_URI, or move it away"
    connection = sqlite3.connect(path, timeout=LOCK_SECONDS)
    try:
        connection.execute("BEGIN IMMEDIATE")
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        raise RepriseError(
            f"{path}: {error}; another program holds this MLflow database, wait for it or end it"
        ) from error
    except sqlite3.DatabaseError as error:
        raise RepriseError(f"{path} is not a sqlite database ({error}); {advice}") from error
    finally:
        connection.close()
    missing = {"experiments", "runs", "tags", "alembic_version"} - tables
    if tables and missing:
        raise RepriseError(f"{path} is a sqlite database, but not MLflow's (no table '{min(missing)}'); {advice}")


def _store_error(uri: str, error: BaseException) -> RepriseError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    remedy = "run the command again once the store answers; finished trials are kept and recorded then"
    if "schema" in reason:
        remedy = f"back it up, then `mlflow db upgrade {uri}`, or name another in MLFLOW_TRACKING_URI"
    elif "locked" in str(error):
        remedy = "another program holds it; " + remedy
    return RepriseError(f"MLflow store {uri}: {reason}; {remedy}")


def _identity_tags(run: Run) -> dict[str, str]:
    return {Tag.FAMILY: run.family, Tag.TASK: run.task, Tag.METHOD: run.method}


def _prefixed(prefix: str, values: Mapping[str, Json]) -> dict[str, str]:
    return {f"{prefix}.{name}": _text(value) for name, value in values.items()}


def _text(value: Json) -> str:
    return value if isinstance(value, str) else canonical_json(value)
