"""The one writer to MLflow: it lives in the driver, writes in batches, and never makes a second run for the same key."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from filelock import FileLock

from benchmarks.base import SCHEMA_VERSION, Json, RepriseError, Run, RunResult, Tag, canonical_json, home
from benchmarks.record_files import Found, parse_record, text_hash
from benchmarks.store_uri import sqlite_path, store_uri
from sweeps.experiments import Experiments
from sweeps.packing import Trial
from sweeps.run_notes import dataset, member_tags, source_tags, trial_means, trial_note
from sweeps.store_connection import check_database, connect, store_error
from sweeps.trial_folder import all_folders, read_own, write_json

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun

PENDING = "reprise.pending_key"
"""Tag of a member run from its creation; without Tag.RUN_KEY beside it, writing it was cut short."""

FAILURE = "reprise.failure"
"""Tag of a trial's parent run: why its last attempt failed."""

BATCH = 90
"""Parameters per request (MLflow takes 100); metrics go 1,000 at a time less these."""


class Tracking:
    """Runs of one family in one MLflow store.

    Raises RepriseError where the store is locked, no MLflow database, or of a schema this MLflow cannot use. With
    `create=False` a store that does not exist yet counts as empty and nothing is written.
    """

    def __init__(self, family: str, create: bool = True) -> None:
        self.family, self.uri = family, store_uri()
        self.members: dict[str, str] = {}
        self.artifacts: dict[str, str] = {}
        self.pending: dict[str, list[str]] = {}
        self.parents: dict[tuple[str, str], str] = {}
        self.failed: set[str] = set()
        self.client: MlflowClient | None = None
        path = sqlite_path(self.uri)
        self.experiments = Experiments(family, self.uri, self._call)
        if path is not None:
            check_database(path)
            if not create and not path.exists():
                return
            path.parent.mkdir(parents=True, exist_ok=True)
        home().mkdir(parents=True, exist_ok=True)
        self.lock = FileLock(home() / "tracking.lock")
        with self.lock:
            self.client = connect(self.uri)
            self._read_index()

    def describe(self, sweep: str, about: str) -> None:
        """Write what a sweep is about on its experiment."""
        with self._writing():
            self.experiments.describe(sweep, about)

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
            self._summarise(parent, results)
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
        first = trial.runs[0]
        experiment = self.experiments.of(first.labels.get("sweep", ""))
        tags = {**_identity_tags(first), Tag.STATUS: status}
        known = self.parents.get((experiment, trial.key))
        if known is not None:
            self._call("update_run", known, status="RUNNING")
            self._call("set_tag", known, Tag.STATUS, status)
            if known in self.failed:
                self._call("delete_tag", known, FAILURE)
                self.failed.discard(known)
            return known
        tags |= {Tag.TRIAL_KEY: trial.key}
        made = self._create(experiment, tags, trial.title, wall_s)
        self.parents[experiment, trial.key] = str(made.info.run_id)
        return str(made.info.run_id)

    def _create(self, experiment: str, tags: Mapping[str, str], name: str, wall_s: float) -> MlflowRun:
        start = int(1000 * (time.time() - wall_s))
        return self._call("create_run", experiment, start_time=start, tags=dict(tags), run_name=name[:250])

    def _summarise(self, parent: str, results: Sequence[RunResult]) -> None:
        """What the members of a trial came to, on its parent run: a table as its description, and means as metrics."""
        from mlflow.entities import Metric, RunTag

        now = int(1000 * time.time())
        tags = {Tag.NOTE: trial_note(results), **source_tags(results[0])}
        self._call(
            "log_batch",
            parent,
            metrics=[Metric(name, value, now, 0) for name, value in trial_means(results).items()],
            tags=[RunTag(name, text) for name, text in tags.items()],
        )
        self._call("log_inputs", parent, datasets=[dataset(results[0].run)])

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
            **member_tags(result),
            **marks,
        }
        name = f"{run.task} {run.labels.get('variant', run.method)} seed {run.seed}"
        experiment = self.experiments.of(run.labels.get("sweep", ""))
        created = self._create(experiment, tags, name, float(result.provenance.get("wall_s", 0.0)))
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
        self._call("log_inputs", run_id, datasets=[dataset(result.run)])

    def _save_record(self, run: MlflowRun, text: str) -> None:
        location = urlparse(run.info.artifact_uri)
        if location.scheme in ("", "file"):  # straight to the folder: the client would ask the database for it again
            path = Path(unquote(location.path)) / Tag.RECORD
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        else:
            self._call("log_text", run.info.run_id, text, Tag.RECORD)

    # -- reading ------------------------------------------------------------------------------------------------------

    def _read_index(self) -> None:
        """Which keys are written, which were cut short, which trials have a parent."""
        self.members, self.artifacts, self.pending, self.parents, self.failed = {}, {}, {}, {}, set()
        for run in self._runs(self.experiments.read()):
            tags = run.data.tags
            if Tag.TRIAL_KEY in tags:
                self.parents[run.info.experiment_id, tags[Tag.TRIAL_KEY]] = run.info.run_id
                self.failed |= {run.info.run_id} if FAILURE in tags else set()
            elif Tag.RUN_KEY in tags:
                self.members[tags[Tag.RUN_KEY]] = run.info.run_id
                self.artifacts[tags[Tag.RUN_KEY]] = run.info.artifact_uri
            elif PENDING in tags:
                self.pending.setdefault(tags[PENDING], []).append(run.info.run_id)
        self.writes = _writes()

    def _runs(self, experiments: list[str]) -> Iterator[MlflowRun]:
        token = None
        while experiments:
            page = self._call("search_runs", experiments, max_results=1000, page_token=token)
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
            raise store_error(self.uri, error) from error


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


def _identity_tags(run: Run) -> dict[str, str]:
    return {Tag.FAMILY: run.family, Tag.TASK: run.task, Tag.METHOD: run.method}


def _prefixed(prefix: str, values: Mapping[str, Json]) -> dict[str, str]:
    return {f"{prefix}.{name}": _text(value) for name, value in values.items()}


def _text(value: Json) -> str:
    return value if isinstance(value, str) else canonical_json(value)
