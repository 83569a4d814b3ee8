"""`reprise evaluate`: the group of metrics that score a file of predictions alone."""

from __future__ import annotations

import typer

from benchmarks.coco.command import coco
from benchmarks.wider_face.command import wider_face
from benchmarks.wider_face.other_sets_command import afw, fddb, pascal_face

evaluate = typer.Typer(no_args_is_help=True)
evaluate.command()(coco)
evaluate.command("wider-face")(wider_face)
evaluate.command()(afw)
evaluate.command("pascal-face")(pascal_face)
evaluate.command()(fddb)


@evaluate.callback()
def _group() -> None:
    """Score a file of predictions against its ground truth."""
