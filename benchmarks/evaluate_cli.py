"""`reprise evaluate`: the group of metrics that score a file of predictions alone."""

from __future__ import annotations

import typer

from benchmarks.coco.command import coco

evaluate = typer.Typer(no_args_is_help=True)
evaluate.command()(coco)


@evaluate.callback()
def _group() -> None:
    """Score a file of predictions against its ground truth."""
