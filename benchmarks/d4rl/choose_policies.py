"""From a training of online SAC to the behaviour policies that are committed (protocol, section 6.2).

`python -m benchmarks.d4rl.choose_policies FOLDER` reads the folder of one seed (`log.csv`, `step*.npz`) and writes, by default
where `benchmarks.d4rl.behaviour` looks: the medium and the expert policy, the snapshots before medium, and the log.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.base import RepriseError
from benchmarks.d4rl.behaviour import ExactPolicy, policy_folder
from benchmarks.d4rl.collect import collect
from benchmarks.d4rl.environments import by_gym_id
from benchmarks.d4rl.policies import Policy
from benchmarks.d4rl.recipes import EXPERT_AIM, MEDIUM_THRESHOLD
from benchmarks.d4rl.scores import normalized_score
from benchmarks.d4rl.set_record import SCORE_TOLERANCE

CANDIDATES, EPISODES = 3, 100
"""The best of so many checkpoints becomes expert, by so many new episodes: the best of a long log, by ten, is partly lucky."""


@dataclass(frozen=True)
class Checkpoint:
    """A snapshot by the steps of training before it, and the normalised mean of its stochastic episodes."""

    step: int
    score: float


def medium(log: Sequence[Checkpoint], threshold: float) -> Checkpoint:
    """The first checkpoint that reaches the threshold and goes beyond it by no more than a medium set may.

    Without the second condition (ours) a training that leaps over the threshold would give a set that its own acceptance
    refuses. Raises RepriseError where there is none.
    """
    for checkpoint in log:
        if threshold <= checkpoint.score <= threshold + SCORE_TOLERANCE:
            return checkpoint
    raise RepriseError(
        f"no checkpoint scores between {threshold:g} and {threshold + SCORE_TOLERANCE:g} "
        f"(the best {candidates(log)[0].score:.1f}); train longer, or another seed"
    )


def candidates(log: Sequence[Checkpoint]) -> list[Checkpoint]:
    """The checkpoints that may be expert: the best of the log by their stochastic mean, the best first."""
    return sorted(log, key=lambda checkpoint: -checkpoint.score)[:CANDIDATES]


def read_log(path: Path) -> list[Checkpoint]:
    """The checkpoints of a training log in order; raises RepriseError where it is missing or not such a log."""
    try:
        with path.open(newline="") as file:
            rows = [Checkpoint(int(float(row["step"])), float(row["normalized_score"])) for row in csv.DictReader(file)]
    except (OSError, KeyError, ValueError) as error:
        raise RepriseError(f"{path}: not the log of an online training ({error})") from error
    if not rows:
        raise RepriseError(f"{path}: an empty log; train first: reprise run behavior")
    return rows


def write(training: Path, out: Path) -> tuple[Checkpoint, Checkpoint]:
    """Choose from one seed's folder and write into `out`; returns the medium and the expert checkpoint, newly measured.

    Policies keep float32; snapshots become float16. The score of each is written into its metadata: over 100 new episodes for
    the two policies, that of the log for snapshots.
    """
    log = read_log(training / "log.csv")
    env = _environment(_snapshot(training, log[0].step))
    best = max((_measured(training, each) for each in candidates(log)), key=lambda checkpoint: checkpoint.score)
    chosen = {"medium": _measured(training, medium(log, MEDIUM_THRESHOLD[env])), "expert": best}
    early = [checkpoint for checkpoint in log[1:] if checkpoint.step < chosen["medium"].step]
    snapshots = out / f"{env}-snapshots"
    shutil.rmtree(snapshots, ignore_errors=True)
    snapshots.mkdir(parents=True)
    for level, checkpoint in chosen.items():
        _copy(training, checkpoint, out / f"{env}-{level}.npz", "float32")
    for checkpoint in early:
        _copy(training, checkpoint, snapshots / _snapshot(training, checkpoint.step).name, "float16")
    shutil.copyfile(training / "log.csv", out / f"{env}-training.csv")
    return chosen["medium"], chosen["expert"]


def _snapshot(training: Path, step: int) -> Path:
    return training / f"step{step:07d}.npz"


def _measured(training: Path, checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint with its mean score over new stochastic episodes, played as data are collected."""
    path = _snapshot(training, checkpoint.step)
    policy, env = Policy.load(path), _environment(path)
    episodes = collect(env, ExactPolicy(policy), f"choose/{env}/{checkpoint.step}", 0, episodes=EPISODES)
    returns = np.array([episode.total for episode in episodes])
    return Checkpoint(checkpoint.step, float(normalized_score(env, returns.mean())))


def _copy(training: Path, checkpoint: Checkpoint, to: Path, dtype: str) -> None:
    policy = Policy.load(_snapshot(training, checkpoint.step))
    meta = {**policy.meta, "normalized_score": round(checkpoint.score, 2)}
    Policy(policy.weights, policy.biases, policy.log_std_min, policy.log_std_max, meta).save(to, dtype)


def _environment(path: Path) -> str:
    return by_gym_id(Policy.load(path).meta.get("environment"), str(path)).name


def main(
    training: Annotated[Path, typer.Argument(help="Folder of one seed: log.csv and step*.npz.")],
    out: Annotated[Path | None, typer.Option(help="Where to write; default: the committed policies.")] = None,
) -> None:
    """Choose the medium and the expert policy of a training, and the snapshots that medium-replay is rebuilt from."""
    chosen = write(training, out or policy_folder())
    for level, checkpoint in zip(("medium", "expert"), chosen, strict=True):
        typer.echo(f"{level}: step {checkpoint.step:,}, score {checkpoint.score:.1f}")
    aim = EXPERT_AIM[_environment(_snapshot(training, chosen[1].step))]
    if chosen[1].score < aim:
        typer.echo(f"expert stays below its aim of {aim:g}; every table on its sets will say so")


if __name__ == "__main__":
    typer.run(main)
