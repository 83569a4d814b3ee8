"""Anybody's scores: a CSV file with a run per line, checked line by line."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from benchmarks.base import RepriseError
from results.published import number

COLUMNS = ("method", "task", "seed", "score")


@dataclass(frozen=True)
class ScoreFile:
    """What the file holds: method -> task -> seed -> score, in the order of the file, and the columns that were not read."""

    path: Path
    scores: dict[str, dict[str, dict[str, float]]]
    unused: tuple[str, ...]

    @property
    def tasks(self) -> tuple[str, ...]:
        """Every task that a method has a score on."""
        return tuple(dict.fromkeys(task for by_task in self.scores.values() for task in by_task))


def load_scores(path: Path) -> ScoreFile:
    """Read a file with the columns method, task, seed and score, in any order; other columns are left aside.

    Method, task and seed are names, the score is a finite number. Raises RepriseError naming file and line where a column or
    field is missing, a score is no number, or a run (method, task, seed) occurs twice.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return _read(path, csv.DictReader(file, strict=True))
    except OSError as error:
        raise RepriseError(f"{path}: {error.strerror or error}; give a CSV file that can be read") from error
    except UnicodeDecodeError as error:
        raise RepriseError(f"{path}: not UTF-8 text ({error}); save the file as UTF-8") from error


def _read(path: Path, reader: csv.DictReader[str]) -> ScoreFile:
    try:
        columns = tuple(reader.fieldnames or ())
        _check_columns(columns, f"{path}:1")
        scores: dict[str, dict[str, dict[str, float]]] = {}
        lines: dict[tuple[str, str, str], int] = {}
        for row in reader:
            place = f"{path}:{reader.line_num}"
            method, task, seed = run = _run(row, len(columns), place)
            if run in lines:
                raise RepriseError(
                    f"{place}: method '{method}', task '{task}', seed '{seed}' is already in line {lines[run]}; keep one"
                )
            lines[run] = reader.line_num
            scores.setdefault(method, {}).setdefault(task, {})[seed] = number(row, "score", place)
    except csv.Error as error:
        raise RepriseError(
            f"{path}:{reader.reader.line_num}: not CSV ({error}); quote fields that hold a comma"
        ) from error
    if not scores:
        raise RepriseError(f"{path}: no scores below the line of columns; give one line for each run")
    return ScoreFile(path, scores, tuple(column for column in columns if column not in COLUMNS))


def _check_columns(columns: tuple[str, ...], place: str) -> None:
    missing = [column for column in COLUMNS if column not in columns]
    if missing:
        raise RepriseError(
            f"{place}: no column {', '.join(missing)} among {', '.join(columns) or 'none'}; "
            f"name the columns {', '.join(COLUMNS)}"
        )
    twice = [column for column in COLUMNS if columns.count(column) > 1]
    if twice:
        raise RepriseError(f"{place}: column {', '.join(twice)} occurs twice; keep one")


def _run(row: dict[str, str], width: int, place: str) -> tuple[str, str, str]:
    """Method, task and seed of a line."""
    if None in row or None in row.values():
        raise RepriseError(f"{place}: the line does not have {width} fields; quote a field that holds a comma")
    method, task, seed = (row[column].strip() for column in COLUMNS[:3])
    for column, name in zip(COLUMNS, (method, task, seed), strict=False):
        if not name:
            raise RepriseError(f"{place}: '{column}' is empty; every run needs one")
    return method, task, seed
