"""The command `reprise rollout`: play a policy or a trained run in its environment, and film it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.d4rl import video
from sweeps.commands import JsonOption, Plugins


def rollout(
    run: Annotated[
        str,
        typer.Argument(
            help="a policy file (.npz), a behaviour policy (hopper-medium), a run key or its start, a trial's folder"
        ),
    ],
    film: Annotated[Path | None, typer.Option("--video", help="film the episodes into this .mp4 file")] = None,
    count: Annotated[int, typer.Option("--episodes", min=1, help="how many episodes")] = 1,
    seed: Annotated[int, typer.Option("--seed", min=0, help="reset seed of the first episode; the others follow")] = 0,
    stochastic: Annotated[
        bool, typer.Option("--stochastic/--deterministic", help="sample actions, or take the mode")
    ] = False,
    width: Annotated[int, typer.Option("--width", min=16, help="pixels")] = 640,
    height: Annotated[int, typer.Option("--height", min=16, help="pixels")] = 480,
    plugin: Plugins = None,
    json_: JsonOption = False,
) -> int:
    """Play a policy or a trained run and print return and normalised score of every episode; --video films them."""
    if film is not None:
        video.check_film(film, width, height)
        video.choose_renderer()  # before MuJoCo is imported, which fails on its own where MUJOCO_GL names a broken renderer
    from sweeps import playing

    player = playing.find_player(run, plugin)
    seeds, size = range(seed, seed + count), (width, height)
    if json_:
        outcomes = playing.play(player, seeds, stochastic, film, size)
        typer.echo(json.dumps(playing.as_json(player, stochastic, outcomes, film), indent=1))
        return 0
    typer.echo(playing.headline(player, stochastic))
    outcomes = playing.play(player, seeds, stochastic, film, size, lambda outcome: typer.echo(playing.line(outcome)))
    typer.echo(playing.sentence(outcomes))
    if film is not None:
        typer.echo(f"film: {film}")
    return 0
