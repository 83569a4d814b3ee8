"""`reprise evaluate wider-face`: the AP of a set of predictions on Easy, Medium and Hard."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.base import Json
from benchmarks.wider_face.annotations import read_bbx_gt
from benchmarks.wider_face.editions import OFFICIAL
from benchmarks.wider_face.ground_truth import GroundTruth, load_ground_truth, valid_faces
from benchmarks.wider_face.metric import THRESHOLDS, Result, evaluate, leaderboard_string
from benchmarks.wider_face.overlap import VARIANTS, Variant
from benchmarks.wider_face.prediction_text import CountMismatch, ScoreColumn
from benchmarks.wider_face.predictions import load_predictions


def wider_face(
    root: Annotated[
        Path, typer.Option("--predictions", help="Folder, tar or zip archive of <event>/<image>.txt (x y w h score).")
    ],
    ground_truth: Annotated[
        Path,
        typer.Option(
            "--ground-truth",
            help="Folder of wider_{face,easy,medium,hard}_val.mat; a bbx_gt.txt gives all valid faces only.",
        ),
    ],
    variant: Annotated[
        Literal["float", "int32", "both"],
        typer.Option(help="Overlaps as in the Python port, or as in the MATLAB code."),
    ] = "float",
    as_json: Annotated[bool, typer.Option("--json", help="Print everything with full precision as JSON.")] = False,
    curves: Annotated[
        list[Path] | None,
        typer.Option("--curves", help="Write precision-recall curves: .csv or .png; may be repeated."),
    ] = None,
    allow_other_gt: Annotated[
        bool, typer.Option("--allow-other-gt", help="Take ground truth other than the release of March 2017.")
    ] = False,
    score_column: Annotated[ScoreColumn, typer.Option(help="Where a line has more than five columns.")] = "fifth",
    count_mismatch: Annotated[
        CountMismatch, typer.Option(help="Where line 2 disagrees with the lines: stop, or take the lines.")
    ] = "error",
    thresholds: Annotated[int, typer.Option(help="Points of the curve. Not standard unless 1000.")] = THRESHOLDS,
    plus: Annotated[float, typer.Option(help="Pixels added to sides, 0 or 1. Not standard unless 1.")] = 1.0,
    iou: Annotated[float, typer.Option(help="Overlap of a hit. Not standard unless 0.5.")] = 0.5,
    raw_scores: Annotated[bool, typer.Option("--raw-scores", help="Do not normalise scores. Not standard.")] = False,
) -> None:
    """The AP of WIDER FACE's three subsets."""
    for path in curves or ():
        _check_curves(path)
    truth = _truth(ground_truth, allow_other_gt)
    predictions = load_predictions(root, truth, score_column, count_mismatch)
    chosen: Sequence[Variant] = VARIANTS if variant == "both" else (variant,)
    results = [evaluate(predictions, truth, each, thresholds, plus, not raw_scores, iou) for each in chosen]
    for path in curves or ():
        _write_curves(path, results)
    if as_json:
        typer.echo(json.dumps(_as_json(results), indent=1))
        return
    Console().print(_table(results))
    for line in _remarks(results[0]):
        typer.echo(line)


def _truth(path: Path, allow_other: bool) -> GroundTruth:
    return valid_faces(read_bbx_gt(path)) if path.suffix == ".txt" else load_ground_truth(path, allow_other)


def _check_curves(path: Path) -> None:
    from benchmarks.wider_face.curves import check_format  # matplotlib takes half a second

    check_format(path)


def _write_curves(path: Path, results: Sequence[Result]) -> None:
    from benchmarks.wider_face.curves import write_curves

    write_curves(path, results)


def _as_json(results: Sequence[Result]) -> dict[str, Json]:
    first = results[0]
    return {
        "ground_truth": first.ground_truth,
        "average_precision": {result.variant: result.average_precision for result in results},
        "kept_faces": {subset: curve.kept_faces for subset, curve in first.curves.items()},
        "detections": first.detections,
        "missing_images": first.missing_images,
        "ignored_files": first.ignored_files,
        "degenerate_scores": first.degenerate_scores,
        "non_standard": list(first.non_standard),
        "notes": list(first.notes),
    }


def _table(results: Sequence[Result]) -> Table:
    official = results[0].ground_truth == OFFICIAL and not results[0].non_standard
    table = Table("subset", title=f"WIDER FACE: {results[0].ground_truth}", title_justify="left")
    table.add_column("faces", justify="right")
    for result in results:
        table.add_column(f"AP ({result.variant})", justify="right")
        if official:
            table.add_column("as on the leaderboard", justify="right")
    for subset, curve in results[0].curves.items():
        cells = []
        for result in results:
            value = result.curves[subset].average_precision
            cells.append("-" if value is None else f"{value:.10f}")
            if official and value is not None:
                cells.append(leaderboard_string(value))
        table.add_row(subset, f"{curve.kept_faces:,}", *cells)
    return table


def _remarks(result: Result) -> list[str]:
    lines = [f"{result.detections:,} detections; AP as a fraction"]
    if result.non_standard:
        lines.append(f"NOT STANDARD, comparable with no published figure: {', '.join(result.non_standard)}")
    return lines + [f"note: {note}" for note in result.notes]
