"""Offline RL on D4RL tasks as a family that sweeps can launch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.base import (
    Artifact,
    DatasetRef,
    Json,
    Method,
    Progress,
    RepriseError,
    Run,
    RunResult,
    Task,
    register_benchmark,
    registered_methods,
)
from benchmarks.d4rl import settings as resolution
from benchmarks.d4rl.cost import cpu_seconds
from benchmarks.d4rl.datasets import Transitions, dataset_ref, load
from benchmarks.d4rl.environments import check_mujoco, environment, versions
from benchmarks.d4rl.evaluation import Evaluator
from benchmarks.d4rl.method import FrozenModel, Problem, Source, StackedMethod
from benchmarks.d4rl.prepare import Prepared, prepare
from benchmarks.d4rl.settings import TrainingSettings
from benchmarks.d4rl.tasks import TASKS
from benchmarks.d4rl.tasks import task as find_task
from benchmarks.d4rl.training import Sampler, Trainer
from benchmarks.d4rl.transforms import check_reward_transform

FAMILY = "offline_rl"


class OfflineRL:
    """The `Benchmark` of this family (see `benchmarks.base.Benchmark`)."""

    family = FAMILY
    reuse_workers = True

    def tasks(self) -> Mapping[str, Task]:
        return TASKS

    def resolve(
        self, task: Task, method: type[Method], preset: str | None, overrides: Mapping[str, Json], where: str
    ) -> tuple[dict[str, Json], dict[str, Json]]:
        settings, training = resolution.resolve(method, TrainingSettings, task.name, preset, overrides, where)
        check_reward_transform(training["reward_transform"])
        return settings, training

    def dataset(self, task: Task, training: Mapping[str, Json]) -> DatasetRef:
        chosen = _training(training)
        return dataset_ref(
            find_task(task.name), chosen.dataset, chosen.dataset_rows, chosen.dataset_seed, chosen.loader
        )

    def describe(
        self, task: Task, method: type[Method], settings: Mapping[str, Json], training: Mapping[str, Json]
    ) -> dict[str, str]:
        chosen = _training(training)
        return {
            "environment": versions(find_task(task.name).environment),
            "data_kind": {"local": "rebuilt", "minari": "minari", "d4rl": "d4rl"}[chosen.dataset],
            "protocol": _protocol(chosen),
            "precision": chosen.precision,
        }

    def stack_signature(self, run: Run) -> str:
        return resolution.stack_signature(run, _method(run))

    def artifacts(self, runs: Sequence[Run]) -> list[Artifact]:
        found = {model.artifact.key: model.artifact for run in runs for model in self._models(run).values()}
        return list(found.values())

    def train(
        self, runs: Sequence[Run], folder: Path, report: Callable[[Progress], None], cpus: int = 1
    ) -> list[RunResult]:
        check_mujoco()
        prepared = prepare(self._load(runs[0]), _training(runs[0].training))
        results = self._trainer(runs, prepared, folder, cpus).train(report)
        for result in results:
            result.extra["data"] = dict(prepared.record)
        return results

    def cost(self, run: Run) -> float | None:
        spec = environment(find_task(run.task).environment)
        return cpu_seconds(_method(run).passes, run.settings, _training(run.training), spec)

    def _source(self, run: Run) -> Source:
        task = find_task(run.task)
        return Source(run.task, task.environment, run.dataset_hash, lambda: self._load(run))

    def _load(self, run: Run) -> Transitions:
        chosen = _training(run.training)
        data = load(find_task(run.task), chosen.dataset, chosen.dataset_rows, chosen.dataset_seed, chosen.loader)
        if data.hash != run.dataset_hash:
            raise RepriseError(f"{data.name} changed since the sweep was planned; start the sweep again")
        return data

    def _models(self, run: Run) -> Mapping[str, FrozenModel]:
        models = _method(run).models(_settings(run), self._source(run))
        if models and _training(run.training).trajectory_fraction != 1.0:
            raise RepriseError(
                f"{run.method} on {run.task}: trajectory_fraction selects rows, but its frozen models know all of them; "
                "set trajectory_fraction to 1"
            )
        return models

    def _trainer(self, runs: Sequence[Run], prepared: Prepared, folder: Path, cpus: int) -> Trainer:
        run, method = runs[0], _method(runs[0])
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        training = _training(run.training)
        spec = environment(find_task(run.task).environment)
        models = {name: model.load(model.artifact.ensure()) for name, model in self._models(run).items()}
        problem = Problem(
            task=run.task,
            environment=spec.name,
            observation_dim=spec.observation_dim,
            action_dim=spec.action_dim,
            steps=training.schedule_steps or training.train_steps,
            batch_size=training.batch_size,
            state_mean=prepared.mean.to(device),
            state_std=prepared.std.to(device),
            reward_scale=prepared.reward_scale,
            reward_shift=prepared.reward_shift,
            device=device,
            models=models,
        )
        seeds = [run.seed for run in runs]
        agent = method([_settings(run) for run in runs], problem, seeds)
        sampler = Sampler(prepared.table.to(device), prepared.widths, run.task, seeds, training.batch_size)
        most = max(training.eval_episodes, training.last_eval_episodes or 0)
        evaluator = Evaluator(spec.name, run.task, seeds, most, training.eval_seed_mode, cpus, device=device)
        return Trainer(runs, agent, sampler, evaluator, training, folder)


def _method(run: Run) -> type[StackedMethod]:
    method = registered_methods(FAMILY)[run.method]
    assert issubclass(method, StackedMethod)
    return method


def _protocol(training: TrainingSettings) -> str:
    text = f"{training.eval_episodes} episodes every {training.eval_every:,} of {training.train_steps:,} steps"
    last = training.last_eval_episodes
    return f"{text}, {last} at the last" if last else text


def _settings(run: Run) -> Any:
    return resolution.validated(_method(run).Settings, run.settings, f"settings of {run.method}")


def _training(values: Mapping[str, Json]) -> TrainingSettings:
    return resolution.validated(TrainingSettings, values, "training")


BENCHMARK = register_benchmark(OfflineRL())
