"""The one tidy long table that statistics, tables and pages read: a row per run, metric and statistic."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import pandas as pd

from benchmarks.base import Json, RepriseError, RunResult, canonical_json
from benchmarks.record_files import Found, read_records, unique
from benchmarks.store_uri import store_uri
from results.mlflow_store import read_store

RUN_COLUMNS = (
    "run_key",
    "family",
    "task",
    "task_version",
    "dataset",
    "dataset_hash",
    "method",
    "method_version",
    "variant",
    "seed",
    "status",
    "settings",
    "training",
    "place",
)
"""What a run says of itself; `settings` and `training` are canonical JSON, `place` is where the run was read."""

VALUE_COLUMNS = ("metric", "statistic", "step", "value")

PROVENANCE = "provenance."
"""How the names of the columns about a run's making begin."""

CURVE = "curve"
"""The statistic of a point on a learning curve."""


def collect(tracking_uri: str | None = None, records: Path | None = None, *, curves: bool = True) -> pd.DataFrame:
    """Runs of an MLflow store, of a records file or folder, or of both, as one table.

    With neither argument the store is that of this home. Columns: RUN_COLUMNS, VALUE_COLUMNS, one per label (under its
    own name) and one `provenance.<name>` per entry of the provenance. `statistic` is `last`, `final10`, `best`, or `curve` for
    points, which alone have a step; `curves=False` leaves these out. Raises RepriseError where a source cannot be read, and
    where a run key occurs twice with different values (of its curve: only where curves are asked for).
    """
    return tidy(find(tracking_uri, records, curves=curves), curves=curves)


def find(tracking_uri: str | None = None, records: Path | None = None, *, curves: bool = True) -> Iterator[Found]:
    """The results that `collect` makes a table of, as they are; without `curves` these are not read, and not compared."""
    sources: list[Iterator[Found]] = []
    if tracking_uri is not None or records is None:
        sources.append(read_store(tracking_uri or store_uri(), curves=curves))
    if records is not None:
        sources.append(read_records(records, curves=curves))
    return unique(chain.from_iterable(sources))


@contextmanager
def uncollected() -> Iterator[None]:
    """Without garbage collection: what is read stays, and looking through it again and again is a third of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def tidy(found: Iterable[Found], *, curves: bool = True) -> pd.DataFrame:
    """The table of `collect` from results at hand; an empty one has the columns and no rows."""
    runs: list[dict[str, Json]] = []
    values: list[tuple[str, str, str, int | None, float]] = []
    with uncollected():
        for place, result in found:
            runs.append(_run_row(place, result))
            values.extend(_value_rows(result, curves))
    about = pd.DataFrame(runs)
    about = about.reindex(columns=[*RUN_COLUMNS, *sorted(set(about.columns) - set(RUN_COLUMNS))])
    measured = pd.DataFrame(values, columns=["run_key", *VALUE_COLUMNS])
    measured = measured.astype({"step": "Int64", "value": float, "run_key": object})
    labels = [name for name in about.columns if name not in RUN_COLUMNS and not name.startswith(PROVENANCE)]
    about[labels] = about[labels].fillna("")
    table = about.astype({"run_key": object}).merge(measured, on="run_key", how="inner", validate="1:m")
    rest = [name for name in table.columns if name not in (*RUN_COLUMNS, *VALUE_COLUMNS)]
    texts = [name for name, kind in table.dtypes.items() if isinstance(kind, pd.StringDtype)]
    # as objects in one block (which `copy` makes of them), rows of text are taken much faster than from forty Arrow columns
    return table[[*RUN_COLUMNS, *VALUE_COLUMNS, *rest]].astype(dict.fromkeys(texts, object)).copy()


def with_curves(frame: pd.DataFrame, found: Iterable[Found], metric: str) -> pd.DataFrame:
    """A tidy table without curves, with those of one metric of some of its runs below it."""
    with uncollected():
        points = [
            (result.run.key, metric, CURVE, point.step, point.value)
            for _, result in found
            for point in result.curve
            if point.metric == metric
        ]
    curves = pd.DataFrame(points, columns=["run_key", *VALUE_COLUMNS]).astype({"step": "Int64", "value": float})
    about = frame.drop(columns=list(VALUE_COLUMNS)).drop_duplicates("run_key")
    below = about.merge(curves.astype({"run_key": object}), on="run_key", how="inner", validate="1:m")
    texts = {"metric": object, "statistic": object}
    return pd.concat([frame, below[frame.columns].astype(texts)], ignore_index=True)


def _run_row(place: str, result: RunResult) -> dict[str, Json]:
    run = result.run
    row: dict[str, Json] = {
        "run_key": run.key,
        "family": run.family,
        "task": run.task,
        "task_version": run.task_version,
        "dataset": run.dataset,
        "dataset_hash": run.dataset_hash,
        "method": run.method,
        "method_version": run.method_version,
        "variant": run.method,
        "seed": run.seed,
        "status": result.status,
        "settings": run.settings_json,
        "training": run.training_json,
        "place": place,
    }
    clash = set(run.labels) & (set(row) | set(VALUE_COLUMNS)) - {"variant", "dataset"}
    if clash:
        raise RepriseError(f"{place}: the label '{min(clash)}' has the name of a column; rename the label")
    row.update({name: str(value) for name, value in run.labels.items()})
    row.update({f"{PROVENANCE}{name}": _plain(value) for name, value in result.provenance.items()})
    return row


def _value_rows(result: RunResult, curves: bool) -> Iterator[tuple[str, str, str, int | None, float]]:
    key = result.run.key
    for metric, statistics in result.summary.items():
        for statistic, value in statistics.items():
            yield key, metric, statistic, None, value
    if curves:
        for point in result.curve:
            yield key, point.metric, CURVE, point.step, point.value


def _plain(value: Json) -> Json:
    """A value that fits a column: nested JSON as text."""
    return canonical_json(value) if isinstance(value, (dict, list)) else value
