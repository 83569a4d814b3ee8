"""Online RL as a family that sweeps can launch: the training of behaviour policies is itself a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import resolution
from benchmarks.base import (
    Artifact,
    DatasetRef,
    Json,
    Method,
    Point,
    Report,
    RepriseError,
    Run,
    RunResult,
    StopTrial,
    Task,
    register_benchmark,
    registered_methods,
)
from benchmarks.d4rl.environments import LOCOMOTION, versions
from benchmarks.d4rl.evaluation import statistics
from benchmarks.d4rl.method import StackedMethod
from benchmarks.d4rl.online import OnlineTrainer, OnlineTraining
from benchmarks.d4rl.players import Player, of_policy
from benchmarks.d4rl.policies import Policy
from benchmarks.d4rl.scores import NORMALIZED_SCORE


class OnlineRL:
    """The `Benchmark` of online training (see `benchmarks.base.Benchmark`): tasks `online/<environment>`, no data set."""

    family = "online_rl"
    reuse_workers = True

    def tasks(self) -> Mapping[str, Task]:
        return {f"online/{env}": Task(f"online/{env}", self.family, 1, NORMALIZED_SCORE) for env in LOCOMOTION}

    def resolve(
        self, task: Task, method: type[Method], preset: str | None, overrides: Mapping[str, Json], where: str
    ) -> tuple[dict[str, Json], dict[str, Json]]:
        return resolution.resolve(method, OnlineTraining, task.name, preset, overrides, where)

    def dataset(self, task: Task, training: Mapping[str, Json]) -> DatasetRef:
        return DatasetRef("none", "none")

    def describe(
        self, task: Task, method: type[Method], settings: Mapping[str, Json], training: Mapping[str, Json]
    ) -> dict[str, str]:
        chosen = resolution.validated(OnlineTraining, training, "training")
        return {
            "environment": versions(_env_of(task.name)),
            "data_kind": "online",
            "protocol": f"{chosen.eval_episodes} stochastic episodes every {chosen.eval_every:,} steps",
            "precision": chosen.precision,
        }

    def stack_signature(self, run: Run) -> str:
        return resolution.stack_signature(run, registered_methods(self.family)[run.method])

    def artifacts(self, runs: Sequence[Run]) -> list[Artifact]:
        return []

    def train(self, runs: Sequence[Run], folder: Path, report: Report, cpus: int = 1) -> list[RunResult]:
        method = registered_methods(self.family)[runs[0].method]
        assert issubclass(method, StackedMethod)
        settings = [resolution.validated(method.Settings, run.settings, f"settings of {run.method}") for run in runs]
        training = resolution.validated(OnlineTraining, runs[0].training, "training")
        trainer = OnlineTrainer(method, settings, _env_of(runs[0].task), [run.seed for run in runs], training, folder)
        status = "finished"
        try:
            trainer.train(report)
        except StopTrial:
            status = "stopped_early"
        return [_result(run, status, log) for run, log in zip(runs, trainer.logs, strict=True)]

    def cost(self, run: Run) -> float | None:
        return None

    def player(self, runs: Sequence[Run], run: Run, folder: Path) -> Player:
        """See `benchmarks.d4rl.players.Playable`: the last snapshot; RepriseError where there is none (any more)."""
        snapshots = sorted((folder / f"seed{run.seed}").glob("step*.npz"))
        if not snapshots:
            raise RepriseError(f"no snapshot of {run.task}, seed {run.seed}, in {folder}; `reprise clean` deletes them")
        return of_policy(
            Policy.load(snapshots[-1]), f"{run.method} on {run.task}, seed {run.seed}, {snapshots[-1].stem}"
        )


def _env_of(task: str) -> str:
    return task.removeprefix("online/")


def _result(run: Run, status: str, log: Sequence[Mapping[str, float]]) -> RunResult:
    if not log:
        raise RepriseError(f"{run.task}: train_steps is below eval_every, so nothing was measured; raise train_steps")
    names = {"normalized_score": "normalized_score", "return": "mean_return"}
    curve = [Point(name, int(row["step"]), row[column]) for row in log for name, column in names.items()]
    summary = {name: statistics([row[column] for row in log]) for name, column in names.items()}
    return RunResult(run, status, curve, summary)


BENCHMARK = register_benchmark(OnlineRL())
