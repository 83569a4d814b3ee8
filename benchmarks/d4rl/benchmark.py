"""Offline RL on D4RL tasks as a family that sweeps can launch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks import resolution
from benchmarks.base import (
    Artifact,
    DatasetRef,
    Json,
    Method,
    Report,
    RepriseError,
    Run,
    RunResult,
    Task,
    register_benchmark,
    registered_methods,
)
from benchmarks.d4rl import hdf5, recipes
from benchmarks.d4rl.cost import cpu_seconds
from benchmarks.d4rl.datasets import Transitions, dataset_ref, load
from benchmarks.d4rl.environments import check_mujoco, environment, versions
from benchmarks.d4rl.evaluation import Evaluator
from benchmarks.d4rl.method import FrozenModel, Problem, Source, StackedMethod
from benchmarks.d4rl.players import Player, of_agent
from benchmarks.d4rl.prepare import Prepared, prepare
from benchmarks.d4rl.settings import TrainingSettings
from benchmarks.d4rl.tasks import TASKS, OfflineTask
from benchmarks.d4rl.tasks import task as find_task
from benchmarks.d4rl.training import Sampler, Trainer, read_checkpoint
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
            "data_kind": _data_kind(find_task(task.name), chosen.dataset),
            **({"data_remark": remark} if (remark := _data_remark(find_task(task.name), chosen.dataset)) else {}),
            "protocol": _protocol(chosen),
            "precision": chosen.precision,
        }

    def stack_signature(self, run: Run) -> str:
        return resolution.stack_signature(run, _method(run))

    def artifacts(self, runs: Sequence[Run]) -> list[Artifact]:
        found = {model.artifact.key: model.artifact for run in runs for model in self._models(run).values()}
        return list(found.values())

    def train(self, runs: Sequence[Run], folder: Path, report: Report, cpus: int = 1) -> list[RunResult]:
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

    def player(self, runs: Sequence[Run], run: Run, folder: Path) -> Player:
        """See `benchmarks.d4rl.players.Playable`; RepriseError where checkpoint or frozen models are not there any more."""
        state = read_checkpoint(folder, runs, torch.device("cpu"))
        width = environment(find_task(run.task).environment).observation_dim
        mean, std = torch.zeros(width), torch.ones(width)
        if "state_mean" in state:
            mean, std = state["state_mean"], state["state_std"]
        elif _training(run.training).normalize_states:  # older checkpoints leave them to the data set
            prepared = prepare(self._load(run), _training(run.training))
            mean, std = prepared.mean, prepared.std
        for model in self._models(run).values():
            if not model.artifact.ready():
                raise RepriseError(
                    f"{model.artifact.label} is not in {model.artifact.folder} any more; train the run again"
                )
        agent = self._agent(runs, mean, std, torch.device("cpu"))
        agent.load_state_dict(state["method"])
        label = f"{run.method} on {run.task}, seed {run.seed}, step {state['step']:,}"
        return of_agent(agent, [each.key for each in runs].index(run.key), mean, std, label)

    def _trainer(self, runs: Sequence[Run], prepared: Prepared, folder: Path, cpus: int) -> Trainer:
        run = runs[0]
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        training = _training(run.training)
        reward = (prepared.reward_scale, prepared.reward_shift)
        agent = self._agent(runs, prepared.mean, prepared.std, device, *reward)
        seeds = [run.seed for run in runs]
        sampler = Sampler(prepared.table.to(device), prepared.widths, run.task, seeds, training.batch_size)
        most = max(training.eval_episodes, training.last_eval_episodes or 0)
        env = find_task(run.task).environment
        evaluator = Evaluator(env, run.task, seeds, most, training.eval_seed_mode, cpus, device=device)
        return Trainer(runs, agent, sampler, evaluator, training, folder)

    def _agent(
        self,
        runs: Sequence[Run],
        mean: Tensor,
        std: Tensor,
        device: torch.device,
        reward_scale: float = 1.0,
        reward_shift: float = 0.0,
    ) -> StackedMethod:
        """The untrained stack. `mean` and `std` (O,) are of the states; the rewards' scale matters to training alone."""
        run, training = runs[0], _training(runs[0].training)
        spec = environment(find_task(run.task).environment)
        problem = Problem(
            task=run.task,
            environment=spec.name,
            observation_dim=spec.observation_dim,
            action_dim=spec.action_dim,
            steps=training.schedule_steps or training.train_steps,
            batch_size=training.batch_size,
            state_mean=mean.to(device),
            state_std=std.to(device),
            reward_scale=reward_scale,
            reward_shift=reward_shift,
            device=device,
            models={name: model.load(model.artifact.ensure()) for name, model in self._models(run).items()},
        )
        return _method(run)([_settings(each) for each in runs], problem, [each.seed for each in runs])


def _method(run: Run) -> type[StackedMethod]:
    method = registered_methods(FAMILY)[run.method]
    assert issubclass(method, StackedMethod)
    return method


def _data_remark(task: OfflineTask, source: str) -> str:
    """What a table must say of a rebuilt set beside its name."""
    return recipes.remark(task) if source == "local" and not task.recorded else ""


def _data_kind(task: OfflineTask, source: str) -> str:
    """What a table calls the data; only `d4rl` is compared with numbers published for D4RL's set of the task."""
    return {"local": "rebuilt", "d4rl": hdf5.data_kind(task)}.get(source, source)


def _protocol(training: TrainingSettings) -> str:
    text = f"{training.eval_episodes} episodes every {training.eval_every:,} of {training.train_steps:,} steps"
    last = training.last_eval_episodes
    return f"{text}, {last} at the last" if last else text


def _settings(run: Run) -> Any:
    return resolution.validated(_method(run).Settings, run.settings, f"settings of {run.method}")


def _training(values: Mapping[str, Json]) -> TrainingSettings:
    return resolution.validated(TrainingSettings, values, "training")


BENCHMARK = register_benchmark(OfflineRL())
