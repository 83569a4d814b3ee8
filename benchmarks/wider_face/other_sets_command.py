"""`reprise evaluate afw`, `pascal-face` and `fddb`: detections of faces on the three older sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.wider_face.face_eval import ROUNDS, evaluate_face_eval
from benchmarks.wider_face.face_eval_files import (
    AFW,
    PASCAL_FACE,
    FaceEvalSet,
    load_face_eval_detections,
    load_face_eval_truth,
)
from benchmarks.wider_face.fddb import FALSE_POSITIVES, discrete_roc
from benchmarks.wider_face.fddb_files import load_fddb, sizes_in

Detections = Annotated[
    Path, typer.Option("--predictions", help="Text file, a line per detection: image score x1 y1 x2 y2.")
]
Truth = Annotated[Path, typer.Option("--ground-truth", help="The .mat file with the struct array Annotations.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print everything with full precision as JSON.")]


def afw(predictions: Detections, ground_truth: Truth, as_json: AsJson = False) -> None:
    """AP on AFW by the face-eval protocol, after each round of box refinement."""
    _face_eval(AFW, predictions, ground_truth, as_json)


def pascal_face(predictions: Detections, ground_truth: Truth, as_json: AsJson = False) -> None:
    """AP on PASCAL face by the face-eval protocol, after each round of box refinement."""
    _face_eval(PASCAL_FACE, predictions, ground_truth, as_json)


def fddb(
    predictions: Annotated[
        Path,
        typer.Option("--predictions", help="File or folder: image, count, then x y w h score or ellipses with score."),
    ],
    ground_truth: Annotated[
        Path, typer.Option("--ground-truth", help="Folder of FDDB-fold-*-ellipseList.txt, or one file.")
    ],
    images: Annotated[Path, typer.Option("--images", help="Folder of the pictures; masks are cut at their edges.")],
    mapped: Annotated[
        bool,
        typer.Option("--mapped", help="State that rectangles were mapped to these ellipses by a fitted regression."),
    ] = False,
    extended: Annotated[
        bool, typer.Option("--extended-annotations", help="State that the annotations are an extended list.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """The true-positive rate of FDDB's discrete ROC at the largest number of false positives below 1000."""
    held = load_fddb(ground_truth, predictions, sizes_in(images))
    roc = discrete_roc(held.images)
    rate, reached = roc.rate_below()
    facts = {
        "true_positive_rate": rate,
        "false_positives": reached,
        "faces": roc.faces,
        "images": len(held.images),
        "detected_shape": held.shape,
        "mapped_to_ellipses": mapped,
        "extended_annotations": extended,
        "notes": list(held.notes),
    }
    if as_json:
        typer.echo(json.dumps(facts, indent=1))
        return
    shape = held.shape + (" mapped from rectangles by a regression" if mapped else "")
    listed = "extended" if extended else "original"
    typer.echo(
        f"FDDB, discrete: true-positive rate {rate:.10f} at {reached:,} false positives (below {FALSE_POSITIVES:,})"
    )
    typer.echo(f"{roc.faces:,} faces in {len(held.images):,} images; detected {shape}; {listed} annotations")
    for note in held.notes:
        typer.echo(f"note: {note}")


def _face_eval(known: FaceEvalSet, predictions: Path, ground_truth: Path, as_json: bool) -> None:
    truth = load_face_eval_truth(ground_truth, known)
    detections = load_face_eval_detections(predictions, truth)
    result = evaluate_face_eval(detections, truth)
    notes = (*truth.notes, *detections.notes)
    if as_json:
        facts = {
            "ground_truth": known.name,
            "average_precision": result.average_precision,
            "average_precision_by_round": list(result.rounds),
            "counted_faces": truth.counted,
            "detections": result.detections,
            "notes": list(notes),
        }
        typer.echo(json.dumps(facts, indent=1))
        return
    table = Table("matching", title=f"{known.name}: {truth.counted:,} faces count", title_justify="left")
    table.add_column("AP", justify="right")
    for number, value in enumerate(result.rounds, 1):
        remark = " (the figure)" if number == ROUNDS else " (no refinement)" if number == 1 else ""
        table.add_row(f"{number}{remark}", f"{value:.10f}")
    Console().print(table)
    for note in notes:
        typer.echo(f"note: {note}")
