"""The command `reprise import`: records of finished runs go into MLflow, where they count as finished like any other.

It lives with the launcher, not with the results, because only `sweeps.tracking` writes to MLflow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from benchmarks.base import RepriseError, RunResult, Tag
from benchmarks.record_files import Found, named, read_records, refuse_contradiction, unique
from sweeps.packing import Trial
from sweeps.tracking import Tracking

IMPORTED = ("finished", "diverged")
"""The statuses of runs that ended; one stopped early has no result to keep."""


def import_(
    records: Annotated[
        list[Path], typer.Argument(help="record files, or folders of them", metavar="FILE_OR_FOLDER...")
    ],
    unhashed: Annotated[
        bool, typer.Option("--unhashed", help="also take lines without a hash, as older versions wrote them")
    ] = False,
) -> int:
    """Bring records into MLflow, so that tables show their runs and `reprise run` does not train them again."""
    found = readable(records, unhashed)
    families = list(dict.fromkeys(each.result.run.family for each in found))
    stores = {family: Tracking(family) for family in families}
    for tracking in stores.values():
        tracking.ingest()
    fresh = [each for each in found if not known(each, stores[each.result.run.family])]
    console = Console(stderr=True)
    groups = list(trials(fresh))
    for source, group in track(groups, "importing", console=console, disable=not console.is_terminal):
        trial = Trial(tuple(result.run for result in group))
        stores[group[0].run.family].record(trial, group, {Tag.IMPORTED: source})
    where = next(iter(stores.values())).uri
    typer.echo(f"imported {len(fresh)} runs into {where} ({len(found) - len(fresh)} were there already)")
    return 0


def readable(paths: Sequence[Path], unhashed: bool = False) -> list[Found]:
    """The runs of all files, each once; nothing is written before every line is read.

    Raises RepriseError where a line is no whole record, two lines contradict each other, or a run did not end.
    """
    found = list(unique(each for path in paths for each in read_records(path, unhashed=unhashed)))
    for place, result in found:
        if result.status not in IMPORTED:
            raise RepriseError(
                f"{place}: run {named(result)} has the status '{result.status}'; only runs that ended are imported "
                f"({', '.join(IMPORTED)}), remove this line"
            )
    if not found:
        raise RepriseError(f"{', '.join(map(str, paths))}: no record to import; `reprise export` writes some")
    return found


def known(each: Found, tracking: Tracking) -> bool:
    """Whether the store has the run; raises RepriseError, naming both places, where it has another result for it."""
    key = each.result.run.key
    if key not in tracking.finished():
        return False
    refuse_contradiction(tracking.stored(key), each)
    return True


def trials(found: Sequence[Found]) -> Iterator[tuple[str, list[RunResult]]]:
    """The runs of each file that were trained together, so that they hang under one parent again; with the file's name."""
    groups: dict[tuple[str, str, str], list[RunResult]] = {}
    for place, result in found:
        together = str(result.provenance.get("trial") or result.run.key)
        source = Path(place.rpartition(":")[0]).name
        groups.setdefault((source, result.run.family, together), []).append(result)
    for (source, _, _), group in groups.items():
        yield source, group
