"""Published numbers as data: `results/published/*.csv`, checked row by row, and the look-up of one claim."""

from __future__ import annotations

import csv
import math
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks.base import RepriseError, unknown
from benchmarks.metrics import METRICS, PERCENT

FOLDER = Path(__file__).parent / "published"

COLUMNS = (
    "family",
    "table",
    "dataset",
    "task",
    "method",
    "metric",
    "statistic",
    "value",
    "spread",
    "spread_kind",
    "n_seeds",
    "certainty",
    "source",
)
REQUIRED = ("family", "table", "task", "method", "metric", "statistic", "value", "certainty", "source")
IDENTITY = ("family", "table", "dataset", "task", "method", "metric", "statistic")

STATISTICS = ("last", "final10", "best", "unspecified")
SPREAD_KINDS = ("std0", "std1", "sem", "unknown")
CERTAINTIES = ("read", "quoted", "derived", "unverified")


@dataclass(frozen=True)
class Claim:
    """One published number. `spread_kind` says what the +- is: `std0` or `std1` (standard deviation with ddof 0 or 1), `sem`
    (standard error) or `unknown`; `certainty` says where we have the number from (`read`, `quoted`, `derived`, `unverified`).
    """

    table: str
    dataset: str
    task: str
    method: str
    metric: str
    statistic: str
    value: float
    spread: float | None
    spread_kind: str | None
    n_seeds: int | None
    certainty: str
    source: str


Index = dict[tuple[str, str, str, str], list[tuple[int, Claim]]]
_INDEXES: dict[int, Index] = {}
"""Of each frame of claims that was looked up in and still exists."""


def load(family: str = "offline_rl", folder: Path = FOLDER) -> pd.DataFrame:
    """The claims of a family, a row each, with the columns of the file and `line`, its line there.

    Missing text is "", a missing spread NaN, a missing seed count <NA>. Raises RepriseError naming file and line.
    """
    return load_file(folder / f"{family}.csv")


def load_file(path: Path) -> pd.DataFrame:
    """As `load`, from one file."""
    if not path.is_file():
        present = ", ".join(families(path.parent)) or "none"
        raise RepriseError(f"no published numbers at {path}; the families that have some: {present}")
    rows = []
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise RepriseError(f"{path}:1: the columns are {reader.fieldnames}; they must be {', '.join(COLUMNS)}")
        for row in reader:
            rows.append(_checked(row, f"{path}:{reader.line_num}") | {"line": reader.line_num})
    frame = pd.DataFrame(rows, columns=[*COLUMNS, "line"])
    frame = frame.astype({"value": float, "spread": float, "n_seeds": "Int64"})
    _refuse_duplicates(frame, path)
    return frame


def families(folder: Path = FOLDER) -> list[str]:
    """The families that have claims."""
    return sorted(path.stem for path in folder.glob("*.csv") if not path.stem.endswith("_curves"))


def load_all(folder: Path = FOLDER) -> pd.DataFrame:
    """The claims of every family, one after the other, as `load` gives them."""
    return pd.concat([load(family, folder) for family in families(folder)], ignore_index=True)


def lookup(
    claims: pd.DataFrame,
    table: str,
    task: str,
    method: str,
    statistic: str,
    metric: str = "normalized_score",
    dataset: str | None = None,
) -> Claim | None:
    """The published number of a method on a task, of one data set where that is given, or None.

    A claim whose source does not say its statistic (`unspecified`) answers for any; one of another statistic never does.
    Raises RepriseError where a table prints more than one number that fits.
    """
    fitting = _index(claims).get((table, task, method, metric), ())
    fitting = [each for each in fitting if dataset is None or each[1].dataset == dataset]
    rows = [each for each in fitting if each[1].statistic == statistic]
    rows = rows or [each for each in fitting if each[1].statistic == "unspecified"]
    if len(rows) > 1:
        lines = ", ".join(str(line) for line, _ in rows)
        raise RepriseError(
            f"{table}: {len(rows)} claims fit ({task}, {method}, {metric}, {statistic}), lines {lines}; keep one"
        )
    return rows[0][1] if rows else None


def _index(claims: pd.DataFrame) -> Index:
    """The rows of a frame of claims by table, task, method and metric, made once per frame: frames are never changed."""
    known = _INDEXES.get(id(claims))
    if known is None:
        known = _INDEXES[id(claims)] = {}
        weakref.finalize(claims, _INDEXES.pop, id(claims), None)
        for line, (_, claim) in zip(claims["line"], as_claims(claims), strict=True):
            known.setdefault((claim.table, claim.task, claim.method, claim.metric), []).append((int(line), claim))
    return known


def first(
    claims: pd.DataFrame, tables: Sequence[str], task: str, method: str, statistic: str, metric: str
) -> Claim | None:
    """As `lookup`, from the first of several tables that has the number."""
    found = (lookup(claims, table, task, method, statistic, metric) for table in tables)
    return next((claim for claim in found if claim is not None), None)


def as_claims(claims: pd.DataFrame) -> Iterator[tuple[str, Claim]]:
    """Every row with its family, in their order."""
    for _, row in claims.iterrows():
        yield row["family"], _claim(row)


def _claim(row: pd.Series) -> Claim:
    return Claim(
        table=row["table"],
        dataset=row["dataset"],
        task=row["task"],
        method=row["method"],
        metric=row["metric"],
        statistic=row["statistic"],
        value=float(row["value"]),
        spread=None if math.isnan(row["spread"]) else float(row["spread"]),
        spread_kind=row["spread_kind"] or None,
        n_seeds=None if row["n_seeds"] is pd.NA else int(row["n_seeds"]),
        certainty=row["certainty"],
        source=row["source"],
    )


def _checked(row: dict[str, str], place: str) -> dict[str, object]:
    if None in row or None in row.values():
        raise RepriseError(f"{place}: the line does not have {len(COLUMNS)} fields; quote a field that holds a comma")
    for column in REQUIRED:
        if not row[column].strip():
            raise RepriseError(f"{place}: '{column}' is empty; every claim needs one")
    for column, valid in (("statistic", STATISTICS), ("certainty", CERTAINTIES), ("spread_kind", ("", *SPREAD_KINDS))):
        if row[column] not in valid:
            raise RepriseError(f"{place}: {column} '{row[column]}' is none of {', '.join(filter(None, valid))}")
    if bool(row["spread"]) != bool(row["spread_kind"]):
        raise RepriseError(
            f"{place}: 'spread' and 'spread_kind' go together; a spread of unknown kind has the kind 'unknown'"
        )
    value, spread = _optional(row, "value", place), _optional(row, "spread", place)
    if spread < 0:
        raise RepriseError(f"{place}: spread {row['spread']} is negative")
    if row["n_seeds"] and not (row["n_seeds"].isdecimal() and int(row["n_seeds"]) > 0):
        raise RepriseError(f"{place}: n_seeds '{row['n_seeds']}' is not a positive whole number")
    _refuse_implausible(row, value, place)
    seeds = int(row["n_seeds"]) if row["n_seeds"] else None
    return {**row, "value": value, "spread": spread, "n_seeds": seeds}


def _refuse_implausible(row: dict[str, str], value: float, place: str) -> None:
    """A known family has known metrics, and a metric the values it can have; 0.951 is a share and no AP of 95.1 points."""
    metrics = METRICS.get(row["family"])
    if metrics is None:
        return
    if row["metric"] not in metrics:
        raise unknown("metric", row["metric"], metrics, place)
    metric = metrics[row["metric"]]
    low, high = metric.bounds
    if not low <= value <= high:
        limits = f"above 0 {metric.unit}" if high == math.inf else f"{low:g} to {high:g} {metric.unit}"
        raise RepriseError(f"{place}: {metric.name} {row['value']} cannot be; it has {limits}")
    if metric.bounds == PERCENT and 0 < value <= 1:
        raise RepriseError(f"{place}: {metric.name} {row['value']} reads as a share; write it as 0 to 100")


def _optional(row: dict[str, str], column: str, place: str) -> float:
    """The number of a field; NaN where it is empty."""
    return number(row, column, place) if row[column] else math.nan


def number(row: dict[str, str], column: str, place: str) -> float:
    """The finite number of a field; raises RepriseError naming place and column where it is none."""
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise RepriseError(f"{place}: {column} '{row[column]}' is not a finite number")
    return value


def _refuse_duplicates(frame: pd.DataFrame, path: Path) -> None:
    twice = frame[frame.duplicated(list(IDENTITY), keep=False)]
    if len(twice):
        first = twice[(twice[list(IDENTITY)] == twice.iloc[0][list(IDENTITY)]).all(axis=1)]
        lines = " and ".join(map(str, first["line"]))
        raise RepriseError(
            f"{path}: lines {lines} claim the same number ({', '.join(map(str, first.iloc[0][list(IDENTITY)]))}); keep one"
        )
