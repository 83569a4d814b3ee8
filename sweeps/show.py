"""The command `reprise show`: a sheet of validation pictures with what a run found in them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.base import RepriseError, home
from benchmarks.detection.showable import MatchShowable, Showable
from benchmarks.whole_file import write_whole
from sweeps.commands import Plugins
from sweeps.housekeeping import by_key
from sweeps.playing import member
from sweeps.registry import discover, find_benchmark
from sweeps.trial_folder import PLAN, TrialFolder


def show(
    run: Annotated[str, typer.Argument(help="a run key or its start, or a trial's folder")],
    out: Annotated[Path | None, typer.Option(help="the .png file; by default <home>/results/<run>.png")] = None,
    count: Annotated[int, typer.Option("--images", min=1, help="how many pictures")] = 16,
    threshold: Annotated[float, typer.Option(min=0.0, max=1.0, help="the least score of a detection shown")] = 0.3,
    matches: Annotated[
        bool, typer.Option("--matches", help="the anchors that learn each face, not detections")
    ] = False,
    plugin: Plugins = None,
) -> int:
    """Draw validation pictures with ground truth and a run's detections over it."""
    discover(plugin or ())
    here = (Path(run) / PLAN).exists()
    folder = TrialFolder(Path(run)) if here else by_key(run)
    chosen = member(folder.plan().runs, None if here else run)
    benchmark = find_benchmark(chosen.family)
    if not isinstance(benchmark, Showable):
        raise RepriseError(
            f"runs of the family '{chosen.family}' find nothing in pictures; `reprise rollout` plays them"
        )
    if matches and not isinstance(benchmark, MatchShowable):
        raise RepriseError(f"runs of the family '{chosen.family}' have no anchors to show; leave out --matches")
    path = out or home() / "results" / f"{chosen.key[:12]}{'-matches' if matches else ''}.png"
    if path.suffix != ".png":
        raise RepriseError(f"--out {path}: the sheet is a .png file")
    if matches and isinstance(benchmark, MatchShowable):
        drawn = benchmark.match_sheet(chosen, folder.training, count)
    else:
        drawn = benchmark.sheet(chosen, folder.training, count, threshold)
    write_whole(path, drawn)
    label = chosen.labels.get("label", chosen.method)
    typer.echo(f"{label} on {chosen.task}, seed {chosen.seed}: {path}")
    return 0
