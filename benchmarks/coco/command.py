"""`reprise evaluate coco`: the COCO figures of a results file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.coco import predictions
from benchmarks.coco.annotations import ANY_NUMBER, load_annotations
from benchmarks.coco.metric import FIGURES, Figures, evaluate
from benchmarks.coco.predictions import Kind

MEANINGS = {
    "AP": ("0.50:0.95", "all", 100),
    "AP50": ("0.50", "all", 100),
    "AP75": ("0.75", "all", 100),
    "APs": ("0.50:0.95", "small", 100),
    "APm": ("0.50:0.95", "medium", 100),
    "APl": ("0.50:0.95", "large", 100),
    "AR1": ("0.50:0.95", "all", 1),
    "AR10": ("0.50:0.95", "all", 10),
    "AR100": ("0.50:0.95", "all", 100),
    "ARs": ("0.50:0.95", "small", 100),
    "ARm": ("0.50:0.95", "medium", 100),
    "ARl": ("0.50:0.95", "large", 100),
}
"""Figure -> IoU thresholds, sizes of objects, detections per image and category."""


def coco(
    results: Annotated[Path, typer.Option("--predictions", help="Results json in COCO's format.")],
    ground_truth: Annotated[Path, typer.Option("--ground-truth", help="Instances json in COCO's format.")],
    kind: Annotated[Kind, typer.Option("--type", help="Score boxes or masks.")] = "bbox",
    as_json: Annotated[bool, typer.Option("--json", help="Print fractions with full precision as JSON.")] = False,
) -> None:
    """The twelve COCO figures, by pycocotools."""
    truth = load_annotations(ground_truth, zero_boxes=ANY_NUMBER)
    entries = predictions.read(results)
    figures = evaluate(truth, entries, kind, str(results))
    if as_json:
        typer.echo(json.dumps(figures, indent=1))
        return
    Console().print(_table(figures, kind))
    small, medium = truth.area_limits
    typer.echo(
        f"{len(entries):,} predictions on {len(truth.images):,} images; points (x 100); small is below {small:g} square "
        f"pixels, large above {medium:g}; - where no object counts"
    )


def _table(figures: Figures, kind: Kind) -> Table:
    table = Table("figure", "IoU", "objects", title=f"COCO {kind}", title_justify="left")
    table.add_column("at most", justify="right")
    table.add_column("points", justify="right")
    for name in FIGURES:
        iou, objects, most = MEANINGS[name]
        value = figures[name]
        table.add_row(name, iou, objects, str(most), "-" if value is None else f"{100 * value:.1f}")
    return table
