"""The command `reprise export`: finished runs out of MLflow, as records or as score matrices for other tools."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.base import RepriseError, RunResult, home
from benchmarks.record_files import write_records
from benchmarks.whole_file import write_whole
from results.collect import collect, find
from results.headline import headline
from results.options import Keys, Records
from results.run_keys import chosen_keys
from results.score_matrix import as_csv, as_legend, as_npz, score_matrices

SCALE = 100.0
"""Scores are kept as 0..100; rliable takes fractions of the reference."""


class Form(StrEnum):
    """What `reprise export` writes."""

    records = "records"
    rliable = "rliable"


def export(
    sweep: Annotated[list[str] | None, typer.Option(help="Only the runs of this sweep; repeatable.")] = None,
    tier: Annotated[str | None, typer.Option(help="Only the runs of this tier.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the files; by default <home>/records.")] = None,
    keys: Keys = None,
    form: Annotated[
        Form, typer.Option("--format", help="records, or rliable: a matrix (runs x tasks) per method.")
    ] = Form.records,
    records: Records = None,
    metric: Annotated[str | None, typer.Option(help="rliable: of this metric, not the family's own.")] = None,
    statistic: Annotated[str, typer.Option(help="rliable: last, final10 or best.")] = "last",
    common: Annotated[
        bool, typer.Option("--common", help="rliable: only the tasks and seeds that every method has.")
    ] = False,
) -> None:
    """Write finished runs from MLflow: a file of records per sweep, or score matrices for rliable (npz, csv, json)."""
    chosen = chosen_keys((), keys)
    folder = (out or home() / "records").absolute()
    if form is Form.records:
        if records is not None:
            raise RepriseError("--records goes with --format rliable; records are already what it names")
        for path, count in export_records(folder, sweep or (), tier, chosen):
            typer.echo(f"wrote {path} ({count} runs)")
        return
    for path in export_matrices(folder, sweep or (), tier, chosen, records, metric, statistic, common):
        typer.echo(f"wrote {path}")


def export_records(
    folder: Path, sweeps: Collection[str] = (), tier: str | None = None, keys: Collection[str] | None = None
) -> list[tuple[Path, int]]:
    """Write `<folder>/<sweep>.jsonl` for every sweep in the tracking store (or those named): paths and numbers of runs.

    `keys`, where given, are the only runs written: a sweep whose settings changed leaves its earlier runs in the store. A file
    is replaced whole. Raises RepriseError where the store cannot be read or no run fits.
    """
    by_sweep: dict[str, list[RunResult]] = {}
    for _, result in find():
        labels = result.run.labels
        name = labels.get("sweep", "unnamed")
        asked = keys is None or result.run.key in keys
        if asked and (not sweeps or name in sweeps) and tier in (None, labels.get("tier")):
            by_sweep.setdefault(name, []).append(result)
    missing = set(sweeps) - set(by_sweep)
    if missing or not by_sweep:
        wanted = " ".join([*(f"sweep '{name}'" for name in sorted(missing)), *([f"tier '{tier}'"] if tier else [])])
        raise RepriseError(f"no finished run of {wanted or 'any sweep'} to export; `reprise status` says what there is")
    paths = {name: folder / f"{name}.jsonl" for name in by_sweep}
    return [(paths[name], write_records(paths[name], results)) for name, results in sorted(by_sweep.items())]


def export_matrices(
    folder: Path,
    sweeps: Collection[str] = (),
    tier: str | None = None,
    keys: Collection[str] | None = None,
    records: Path | None = None,
    metric: str | None = None,
    statistic: str = "last",
    common: bool = False,
) -> list[Path]:
    """Write `<family>-<metric>-<statistic>` as .npz (fractions), .csv (points) and .json (what rows and columns are).

    One set of files per family at hand. Raises RepriseError where no run fits, or the runs make no matrix; nothing is written
    then.
    """
    runs = collect(records=records, curves=False)
    for column, wanted in (("sweep", set(sweeps)), ("tier", {tier} - {None}), ("run_key", set(keys or ()))):
        if wanted:
            runs = runs[runs[column].isin(wanted)] if column in runs else runs.iloc[:0]
    if runs.empty:
        raise RepriseError("no finished run of these sweeps, tier and keys; `reprise status` says what there is")
    files: dict[Path, str | bytes] = {}
    for family, group in runs.groupby("family"):
        for each in headline(str(family), None if metric is None else [metric]):
            found = score_matrices(group, each.name, statistic, str(family), common)
            name = f"{family}-{each.name}-{statistic}"
            files[folder / f"{name}.npz"] = as_npz(found, SCALE)
            files[folder / f"{name}.csv"] = as_csv(found)
            files[folder / f"{name}.json"] = as_legend(found, each.name, statistic, SCALE)
    for path, content in files.items():
        write_whole(path, content)
    return list(files)
