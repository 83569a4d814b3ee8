"""The command `reprise stats`: aggregates, profiles and comparisons of anybody's scores, with intervals."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.base import Json
from results.render.terminal import print_table, terminal
from results.score_file import ScoreFile, load_scores
from results.score_summary import THRESHOLDS, ScoreSummary, Settings, summarise
from results.statistics import LEVEL, PAIR_REPLICATES, REPLICATES
from results.summary_tables import summary_tables


def stats(
    path: Annotated[
        Path, typer.Argument(metavar="FILE.csv", help="A run per line, with the columns method, task, seed, score.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, numbers with every digit.")] = False,
    scale: Annotated[
        float,
        typer.Option(
            help="The score of the reference (an expert), which counts as 1.0: 100 for scores printed as 0..100, 1 for "
            "fractions. Scores are divided by it."
        ),
    ] = 100.0,
    replicates: Annotated[
        int | None,
        typer.Option(
            min=1,
            show_default=False,
            help=f"Bootstrap replicates; by default {REPLICATES:,}, for comparisons {PAIR_REPLICATES:,}.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap: the same gives the same intervals.")] = 0,
    against: Annotated[
        str | None, typer.Option(metavar="METHOD", help="Compare each method with this one, not every pair.")
    ] = None,
    common: Annotated[bool, typer.Option("--common", help="Only the tasks on which every method has scores.")] = False,
) -> None:
    """Aggregate anybody's scores: IQM, mean, median, optimality gap, P(X > Y), profiles, with 95 % intervals.

    Higher scores must be better, and scores of different tasks in one unit (normalised). Definitions are those of rliable.
    """
    file = load_scores(path)
    settings = Settings(scale, replicates, seed, against, common)
    summary = summarise(file, settings)
    if as_json:
        typer.echo(json.dumps(_document(file, settings, summary), indent=1, ensure_ascii=False, allow_nan=False))
        return
    console = terminal()
    for table in summary_tables(summary, settings, path.name):
        print_table(table, console)
        typer.echo()


def _document(file: ScoreFile, settings: Settings, summary: ScoreSummary) -> dict[str, Json]:
    """What `--json` prints; an interval is [low, high], or null where there are too few runs."""
    return {
        "file": str(file.path),
        "scale": settings.scale,
        "level": LEVEL,
        "replicates": settings.aggregate_replicates,
        "pair_replicates": settings.pair_replicates,
        "seed": settings.seed,
        "thresholds": THRESHOLDS,
        **asdict(summary),
    }
