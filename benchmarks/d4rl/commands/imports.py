"""`reprise data import`: taking recorded data and original files into the data folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.d4rl.import_d4rl import import_file

File = Annotated[Path, typer.Argument(help="The file to import; it stays where it is.")]

imports = typer.Typer(no_args_is_help=True, help="Take recorded data and original files into the data folder.")


@imports.command()
def d4rl(
    file: File,
    task: Annotated[str | None, typer.Option(help="The task, where the file's name does not say it.")] = None,
    version: Annotated[
        str | None,
        typer.Option(help="D4RL's version (v2, v0), where the file's name does not say it or it is an older one."),
    ] = None,
) -> None:
    """Check an original D4RL file (HDF5) whole and place it where `dataset: d4rl` finds it, with a manifest."""
    done = import_file(file, task, version)
    about = done.manifest
    typer.echo(f"{done.name}: {'imported' if done.new else 'exists'}, {done.path}")
    optional = ", ".join(about["optional_keys"]) or "neither next_observations nor timeouts"
    typer.echo(f"{about['rows']:,} rows, {about['episodes']:,} complete episodes, with {optional}")
    typer.echo(f"taken as {about['version']}: {about['version_from']}")
    if "next_observations" not in about["optional_keys"]:
        typer.echo("it has no next_observations: train with loader d4rl or kit")


@imports.command()
def adroit(file: File) -> None:
    """Turn recorded human door demonstrations (.npz, .pickle, or D4RL's .hdf5) into a Minari set: task door-human."""
    from benchmarks.d4rl.import_adroit import import_file as import_demonstrations

    done = import_demonstrations(file)
    about = done.manifest()
    assert about is not None, "an imported set has a manifest"
    typer.echo(f"{done.name}: imported, {done.folder}")
    typer.echo(f"{about['rows']:,} rows, {about['episodes']:,} episodes")
