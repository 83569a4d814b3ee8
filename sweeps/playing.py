"""Finding who a word on the command line means, and playing it: the work behind `reprise rollout`."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.base import Json, RepriseError, Run
from benchmarks.d4rl import video
from benchmarks.d4rl.environments import make, versions
from benchmarks.d4rl.players import Outcome, Playable, Player, behaviours, episodes, of_behaviour, of_policy
from benchmarks.d4rl.policies import Policy
from sweeps.housekeeping import by_key
from sweeps.registry import discover, find_benchmark
from sweeps.trial_folder import PLAN, TrialFolder

_HEXADECIMAL = set("0123456789abcdef")


def find_player(name: str, plugins: Sequence[Path] | None = None) -> Player:
    """Who a word on the command line means; raises RepriseError where it means nobody, or where too little of a run is left."""
    path = Path(name)
    if path.suffix == ".npz":
        return of_policy(Policy.load(path), path.name)
    if (path / PLAN).exists():
        return _of_trial(TrialFolder(path), None, plugins)
    if name in behaviours():
        return of_behaviour(name)
    if set(name) <= _HEXADECIMAL:
        return _of_trial(by_key(name), name, plugins)
    raise RepriseError(
        f"'{name}' is no policy file (.npz), trial folder or run key, and no behaviour policy ({', '.join(behaviours())}); "
        "`reprise status` shows run keys"
    )


def _of_trial(folder: TrialFolder, key: str | None, plugins: Sequence[Path] | None) -> Player:
    discover(plugins or ())
    runs = folder.plan().runs
    run = member(runs, key)
    benchmark = find_benchmark(run.family)
    if not isinstance(benchmark, Playable):
        raise RepriseError(f"runs of the family '{run.family}' cannot be played: they act in no environment")
    return benchmark.player(runs, run, folder.training)


def member(runs: Sequence[Run], key: str | None) -> Run:
    """The run of a stack that a key means; a trial of one run needs none."""
    found = [run for run in runs if key is not None and run.key.startswith(key)] or list(runs)
    if len(found) > 1:
        members = "; ".join(f"{run.key[:12]} (seed {run.seed})" for run in found)
        raise RepriseError(f"that trial trained {len(runs)} runs together; name one by its key: {members}")
    return found[0]


def play(
    player: Player,
    seeds: Sequence[int],
    stochastic: bool,
    film: Path | None,
    size: tuple[int, int],
    hear: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """One episode per reset seed; with `film`, into an mp4 file of `size` (width, height). `hear` hears each as it ends."""
    outcomes = []
    with contextlib.ExitStack() as stack:
        watch = None
        if film is not None:
            watch = stack.enter_context(video.film(film, *size, _frames_per_second(player)))
        for outcome in episodes(player, seeds, stochastic, watch, size):
            outcomes.append(outcome)
            hear(outcome)
    return outcomes


def _frames_per_second(player: Player) -> float:
    env = make(player.environment)
    dt = env.unwrapped.dt
    env.close()
    return video.frame_rate(dt)[1]


def headline(player: Player, stochastic: bool) -> str:
    """Who acts how, where, and the heads of the columns of `line`."""
    actions = "stochastic" if stochastic else "deterministic"
    return (
        f"{player.label}: {actions} actions on {versions(player.environment)}; scores with D4RL's references\n"
        f"{'seed':>6} {'steps':>6} {'return':>10} {'score':>7}  end"
    )


def line(outcome: Outcome) -> str:
    """An episode as a row of text."""
    return f"{outcome.seed:>6} {outcome.steps:>6} {outcome.total:>10.1f} {outcome.score:>7.1f}  {outcome.end}"


def sentence(outcomes: Sequence[Outcome]) -> str:
    """Mean return (± sample standard deviation) and mean normalised score."""
    returns, scores = [each.total for each in outcomes], [each.score for each in outcomes]
    spread = f" ± {np.std(returns, ddof=1):.1f}" if len(outcomes) > 1 else ""
    return f"mean of {len(outcomes)}: return {np.mean(returns):.1f}{spread}, normalised score {np.mean(scores):.1f}"


def as_json(player: Player, stochastic: bool, outcomes: Sequence[Outcome], film: Path | None) -> dict[str, Json]:
    """Everything that is printed, for programs."""
    return {
        "player": player.label,
        "environment": versions(player.environment),
        "stochastic": stochastic,
        "episodes": [dataclasses.asdict(each) for each in outcomes],
        "mean_return": float(np.mean([each.total for each in outcomes])),
        "mean_normalized_score": float(np.mean([each.score for each in outcomes])),
        "video": str(film) if film else None,
    }
