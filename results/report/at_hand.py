"""The runs that a report is made of: where they were read, and what each of them holds beside its scores."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import pandas as pd

from benchmarks.base import RepriseError, RunResult, home
from benchmarks.record_files import Found, read_records, unique
from benchmarks.store_uri import sqlite_path, store_uri
from results.collect import tidy, uncollected
from results.mlflow_store import read_store
from results.run_places import sources

COMMITTED = Path(__file__).parents[1] / "records"
"""The suite's own records."""


@dataclass(frozen=True)
class Sweep:
    """A sweep of this home: `finished` of the runs it last asked for are at hand."""

    name: str
    tier: str
    family: str
    finished: int
    asked: int

    @property
    def complete(self) -> bool:
        return self.finished >= self.asked


@dataclass(frozen=True)
class AtHand:
    """`frame` is the tidy table without curves, `runs` what was read, by run key, and `sources` says where."""

    frame: pd.DataFrame
    runs: dict[str, Found]
    sources: tuple[str, ...]
    sweeps: tuple[Sweep, ...]

    def unfinished(self, names: Collection[str]) -> list[Sweep]:
        """Those of some sweeps that are half done."""
        return [sweep for sweep in self.sweeps if sweep.name in names and not sweep.complete]


def read_runs(records: Path | None, keys: Collection[str] | None, say: Callable[[str], None]) -> AtHand:
    """The runs of this home's MLflow store and the suite's own records, or of `records` alone; of these those in `keys`.

    Raises RepriseError where a source cannot be read, where a run occurs twice with different values, and where nothing is left.
    """
    found: list[Iterator[Found]] = []
    if records is not None:
        found.append(read_records(records))
    else:
        if _has_store():
            found.append(read_store(store_uri()))
        else:
            say("no MLflow store in this home: the suite's own records alone")
        found.append(read_records(COMMITTED))
    wanted = None if keys is None else set(keys)
    runs: dict[str, Found] = {}
    described: set[str] = set()
    with uncollected():
        for place, result in unique(chain.from_iterable(found)):
            if wanted is None or result.run.key in wanted:
                runs[result.run.key] = Found(place, _slim(result, described))
    if not runs:
        raise RepriseError("report: none of the chosen runs is at hand; leave --sweep out, or run it first")
    return AtHand(
        tidy(runs.values(), curves=False),
        runs,
        tuple(sources(place for place, _ in runs.values())),
        tuple(_sweeps(runs)),
    )


def _has_store() -> bool:
    path = sqlite_path(store_uri())
    return path is None or path.is_file()


def _slim(result: RunResult, described: set[str]) -> RunResult:
    """Without the further evidence, which the page does not show, but for what one run of each data set says of it."""
    first = result.run.dataset_hash not in described
    described.add(result.run.dataset_hash)
    return replace(result, extra=result.extra if first else {})


def _sweeps(runs: dict[str, Found]) -> Iterator[Sweep]:
    """What `reprise run` remembers of the sweeps of this home that have a run here."""
    for path in sorted((home() / "sweeps").glob("*.json")):
        try:
            asked = json.loads(path.read_text(encoding="utf-8"))
            keys = [run["key"] for run in asked["runs"]]
            name, tier, family = asked["sweep"], asked["tier"], asked["family"]
        except (ValueError, KeyError, TypeError) as error:
            raise RepriseError(
                f"{path}: not what `reprise run` writes ({error}); remove it and run the sweep"
            ) from error
        finished = sum(key in runs for key in keys)
        if finished:
            yield Sweep(name, tier, family, finished, len(keys))
