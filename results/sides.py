"""What the two arguments of `reprise compare` mean: records, an MLflow store, a sweep, or a commit."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

import pandas as pd

from benchmarks.base import RepriseError, home
from results.collect import PROVENANCE, collect
from results.run_keys import read_keys

COMMIT = re.compile(r"[0-9a-f]{7,40}")
BY_COMMIT = f"{PROVENANCE}commit"
DATABASE = "mlflow.db"


class Sources:
    """Finds the runs that a word names. Sweeps and commits are looked up in the home's MLflow store, or in `records`."""

    def __init__(self, records: Path | None = None) -> None:
        self.records = records

    @cached_property
    def runs(self) -> pd.DataFrame:
        """Where sweeps and commits are looked up, as a tidy table."""
        return collect(records=self.records, curves=False)

    def find(self, word: str) -> pd.DataFrame:
        """The runs, as a tidy table without curves.

        A record file or a folder of them, a home or a database, the URI of an MLflow store, the name of a sweep, or 7 to 40
        digits of a commit, in this order; `sweep:NAME` and `commit:HASH` say which. Raises RepriseError where nothing fits.
        """
        kind, colon, name = word.partition(":")
        if colon and kind in ("sweep", "commit"):
            return self._labelled(name, kind)
        if "://" in word or word.startswith("sqlite:"):
            return collect(word, curves=False)
        path = Path(word).expanduser()
        database = path / DATABASE if path.is_dir() else path
        if database.is_file() and database.suffix != ".jsonl":
            return collect(f"sqlite:///{database.absolute()}", curves=False)
        if path.exists():
            return collect(records=path, curves=False)
        return self._labelled(word, None)

    def _labelled(self, name: str, kind: str | None) -> pd.DataFrame:
        found = self._sweep(name) if kind != "commit" else self.runs.iloc[:0]
        if found.empty and kind != "sweep" and COMMIT.fullmatch(name) and BY_COMMIT in self.runs:
            found = self.runs[self.runs[BY_COMMIT].astype(str).str.startswith(name)]
        if found.empty:
            where = self.records or "the MLflow store"
            raise RepriseError(
                f"'{name}' is no file, folder or URI, and {where} has no runs of a {kind or 'sweep or commit'} of that name; "
                f"sweeps there: {', '.join(self._sweeps()) or 'none'}"
            )
        return found

    def _sweep(self, name: str) -> pd.DataFrame:
        """The runs that a sweep last asked for here, else those labelled with it."""
        asked = home() / "sweeps" / f"{name}.json"
        if self.records is None and asked.is_file():
            return self.runs[self.runs["run_key"].isin(read_keys(asked))]
        return self.runs[self.runs["sweep"] == name] if "sweep" in self.runs else self.runs.iloc[:0]

    def _sweeps(self) -> list[str]:
        return sorted(set(self.runs["sweep"])) if "sweep" in self.runs else []
