"""Published learning curves as data: `results/published/*_curves.csv`, checked row by row."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.base import RepriseError, unknown
from results.published import FOLDER, number

COLUMNS = ("figure", "task", "variant", "step", "mean", "band_low", "band_high")

Identity = tuple[str, str, str]
"""What names a curve: figure, task, variant."""


@dataclass(frozen=True)
class PublishedCurve:
    """A curve read off a paper's figure: its line and the edges of its band, in points, at ascending steps; all (K,)."""

    steps: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def at(self, steps: np.ndarray) -> PublishedCurve:
        """The curve at those of its steps that are among the given ones."""
        kept = np.isin(self.steps, steps)
        return PublishedCurve(self.steps[kept], self.mean[kept], self.low[kept], self.high[kept])


def load(name: str, folder: Path = FOLDER) -> dict[Identity, PublishedCurve]:
    """The curves of a file by figure, task and variant; raises RepriseError naming file and line, or a file near the name."""
    path = folder / f"{name}.csv"
    if not path.is_file():
        raise unknown(
            "file of published curves", name, [each.stem for each in folder.glob("*_curves.csv")], str(folder)
        )
    points: dict[Identity, list[tuple[int, float, float, float]]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise RepriseError(f"{path}:1: the columns are {reader.fieldnames}; they must be {', '.join(COLUMNS)}")
        for row in reader:
            place = f"{path}:{reader.line_num}"
            identity, point = _checked(row, place)
            curve = points.setdefault(identity, [])
            if curve and point[0] <= curve[-1][0]:
                raise RepriseError(
                    f"{place}: step {point[0]} follows step {curve[-1][0]} of {', '.join(identity)}; steps must ascend"
                )
            curve.append(point)
    return {identity: PublishedCurve(*map(np.array, zip(*curve, strict=True))) for identity, curve in points.items()}


def find(curves: Mapping[Identity, PublishedCurve], figure: str, task: str, variant: str, where: str) -> PublishedCurve:
    """One curve; raises RepriseError that begins with `where` and names the part that does not exist."""
    wanted = {"figure": figure, "task": task, "variant": variant}
    found = list(curves)
    for position, (part, name) in enumerate(wanted.items()):
        valid = {identity[position] for identity in found}
        if name not in valid:
            raise unknown(f"{part} among the published curves", name, valid, where)
        found = [identity for identity in found if identity[position] == name]
    return curves[figure, task, variant]


def _checked(row: dict[str, str], place: str) -> tuple[Identity, tuple[int, float, float, float]]:
    if None in row or None in row.values():
        raise RepriseError(f"{place}: the line does not have {len(COLUMNS)} fields; quote a field that holds a comma")
    for column in ("figure", "task", "variant"):
        if not row[column].strip():
            raise RepriseError(f"{place}: '{column}' is empty; every point needs one")
    if not row["step"].isdecimal():
        raise RepriseError(f"{place}: step '{row['step']}' is not a whole number")
    mean, low, high = (number(row, column, place) for column in ("mean", "band_low", "band_high"))
    if low > high:  # the mean may stand a rounding outside its band, as the two are read off separately
        raise RepriseError(f"{place}: the band is upside down, from {low:g} to {high:g}")
    return (row["figure"], row["task"], row["variant"]), (int(row["step"]), mean, low, high)
