"""Precision-recall curves as a table (csv) and as a figure (png)."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from benchmarks.base import RepriseError
from benchmarks.wider_face.metric import Result

COLUMNS = ("variant", "subset", "t", "threshold", "precision", "recall", "proposals", "recalled")
FORMATS = (".csv", ".png")

_DOTS_PER_INCH = 150
_STYLES = ("-", "--", ":", "-.")


def check_format(path: Path) -> None:
    """Raises RepriseError where the file's ending is none we write, or its folder is absent: before work, not after it."""
    if path.suffix.lower() not in FORMATS:
        raise RepriseError(f"{path}: curves are written as {' or '.join(FORMATS)}; name the file so")
    if not path.parent.is_dir():
        raise RepriseError(f"{path}: the folder {path.parent} does not exist; make it first")


def write_curves(path: Path, results: Sequence[Result]) -> None:
    """Write the curves of these results (one per variant) as csv or png, by the file's ending; raises as `check_format`."""
    check_format(path)
    if path.suffix.lower() == ".csv":
        _write_table(path, results)
    else:
        _write_figure(path, results)


def _write_table(path: Path, results: Sequence[Result]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for result in results:
            for subset, curve in result.curves.items():
                columns = (curve.thresholds, curve.precision, curve.recall, curve.proposals, curve.recalled)
                rows = zip(*(column.tolist() for column in columns), strict=True)
                writer.writerows((result.variant, subset, t, *row) for t, row in enumerate(rows, 1))


def _write_figure(path: Path, results: Sequence[Result]) -> None:
    """A panel per subset, a line per variant; the legend gives the AP in the leaderboard's points, three decimals more."""
    subsets = list(results[0].curves)
    with rc_context({"font.size": 9}):
        figure = Figure(figsize=(3.4 * len(subsets), 3.4), layout="constrained", dpi=_DOTS_PER_INCH)
        panels = figure.subplots(1, len(subsets), sharey=True, squeeze=False)[0]
        for subset, panel in zip(subsets, panels, strict=True):
            for result, style in zip(results, _STYLES, strict=False):
                curve = result.curves[subset]
                value = curve.average_precision
                name = f"{result.variant}, AP " + ("undefined" if value is None else f"{100 * value:.3f} %")
                shown = curve.proposals > 0  # above all scores there is neither precision nor recall
                panel.plot(curve.recall[shown], curve.precision[shown], style, label=name)
            panel.set(title=subset, xlabel="recall", xlim=(0, 1), ylim=(0, 1.01))
            panel.grid(alpha=0.3)
            panel.legend(loc="lower left")
        panels[0].set_ylabel("precision")
        departures = ", ".join(results[0].non_standard)
        figure.suptitle(results[0].ground_truth + (f" (not standard: {departures})" if departures else ""))
        figure.savefig(path)
