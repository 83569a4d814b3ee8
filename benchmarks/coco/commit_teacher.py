"""Train a small teacher and put it among those that come with the suite, with the log of its training.

    python -m benchmarks.coco.commit_teacher "synth/GFL-R18w28->GFL-R18w16" --iterations 2400

Minutes on one core; the demo then spends them on students. Training goes on where it was stopped.
"""

from __future__ import annotations

import shutil
from typing import Annotated

import torch
import typer

from benchmarks.base import RepriseError
from benchmarks.coco.pairs import task
from benchmarks.coco.settings import TrainingSettings
from benchmarks.coco.teachers import COMMITTED, LOG, WEIGHTS, committed, committed_path, figures, teacher_artifact
from benchmarks.coco.teachers import teacher as find_teacher
from benchmarks.coco.zoo import detector

LARGEST = 5_000_000
"""Bytes that a committed teacher may have."""


def main(
    pair: Annotated[str, typer.Argument(help="The task whose teacher is meant.")],
    iterations: Annotated[int, typer.Option(help="Length of its training.")] = 2400,
) -> None:
    """Train the teacher of a pair on drawn pictures, examine it, and write weights and log beside this file."""
    torch.set_num_threads(1)
    chosen, training = task(pair), TrainingSettings(teacher_iterations=iterations)
    made = detector(chosen.teacher)
    artifact = teacher_artifact(made, chosen, training)
    if committed(artifact) is not None:
        raise RepriseError(
            f"{made.name} with {iterations} iterations comes with the suite already: {committed(artifact)}"
        )
    folder = artifact.ensure()
    measured = figures(find_teacher(made, chosen, training), chosen, training)
    size = (folder / WEIGHTS).stat().st_size
    if size > LARGEST:
        raise RepriseError(f"{folder / WEIGHTS} has {size:,} bytes, more than {LARGEST:,}; take a narrower detector")
    path = committed_path(artifact)
    COMMITTED.mkdir(exist_ok=True)
    shutil.copyfile(folder / WEIGHTS, path)
    shutil.copyfile(folder / LOG, path.with_suffix(".csv"))
    typer.echo(f"{path}: {size / 1e6:.1f} MB, AP {measured['AP']:.1f}")


if __name__ == "__main__":
    typer.run(main)
