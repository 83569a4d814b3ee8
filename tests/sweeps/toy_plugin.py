"""A toy family for tests of the launcher: instant training, with crashes, slow steps, checkpoints and artifacts on demand.

Loaded by path (`--plugin`), so that drivers and Ray workers exercise the way a user's own method goes.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from benchmarks.base import (
    Artifact,
    DatasetRef,
    Json,
    Method,
    Metric,
    Point,
    Progress,
    Report,
    Run,
    RunResult,
    StopTrial,
    Task,
    canonical_json,
    register,
    register_benchmark,
    registered_methods,
    unknown,
)
from sweeps.trial import REPORT_EVERY

SCORE = Metric("toy_score", "points", True, lambda value: 1.0)
TASKS = {name: Task(name, "toy", 1, SCORE) for name in ("toy-a", "toy-b", "toy-built", "toy-deep", "toy-missing")}


@dataclass(frozen=True)
class Training:
    steps: int = 4
    eval_every: int = 1
    seconds_per_step: float = 0.0


@dataclass(frozen=True)
class Settings:
    """`gain` scales the score; `width` cannot differ in a stack; `crash` is a step at which training raises, unless the file
    REPRISE_TOY_MENDED exists; `kill` is one at which the worker kills itself; `nan` spoils the summary."""

    gain: float = 1.0
    width: int = 8
    crash: int = -1
    kill: int = -1
    nan: bool = False
    model: bool = False


def _preset(task: str) -> dict[str, Json]:
    return {"gain": 1.0}


@register
class Toy(Method):
    name = "toy"
    label = "Toy"
    family = "toy"
    version = 1
    paper = "none"
    Settings = Settings
    presets = {"plain": _preset, "strong": lambda task: {"gain": 10.0, "steps": 5}}
    stackable = frozenset({"gain"})


@register
class Other(Toy):
    name = "other"
    label = "Other"
    reconstruction = True


class ToyBenchmark:
    family = "toy"
    tier_file = Path(__file__).with_name("toy_tiers.yaml")
    reuse_workers = True

    def tasks(self) -> Mapping[str, Task]:
        return TASKS

    def resolve(
        self, task: Task, method: type[Method], preset: str | None, overrides: Mapping[str, Json], where: str
    ) -> tuple[dict[str, Json], dict[str, Json]]:
        values = {**method.presets[preset or "plain"](task.name), **overrides}
        known = {item.name for item in fields(Settings)} | {item.name for item in fields(Training)}
        for key in values:
            if key not in known:
                raise unknown("setting", key, known, where)
        settings = Settings(**{key: value for key, value in values.items() if key in Settings.__dataclass_fields__})
        training = Training(**{key: value for key, value in values.items() if key in Training.__dataclass_fields__})
        return asdict(settings), asdict(training)

    def dataset(self, task: Task, training: Mapping[str, Json]) -> DatasetRef:
        if task.name == "toy-missing":
            return DatasetRef("toy-lost", None, remedy="run `reprise data fetch toy-lost`")
        if task.name == "toy-built":
            artifact = Artifact("toy-data", {"name": "toy-built"}, _build_data)
            path = artifact.folder / "data.txt"
            digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None
            return DatasetRef("toy-built-data", digest, artifact)
        return DatasetRef(f"{task.name}-data", hashlib.sha256(task.name.encode()).hexdigest())

    def describe(
        self, task: Task, method: type[Method], settings: Mapping[str, Json], training: Mapping[str, Json]
    ) -> dict[str, str]:
        return {"environment": "toy v1"}

    def stack_signature(self, run: Run) -> str:
        stackable = registered_methods("toy")[run.method].stackable
        shared = {name: value for name, value in run.settings.items() if name not in stackable}
        return canonical_json([run.task, run.method, shared, dict(run.training)])

    def artifacts(self, runs: Sequence[Run]) -> list[Artifact]:
        return [_model(run.task) for run in runs if run.settings["model"]][:1]

    def train(self, runs: Sequence[Run], folder: Path, report: Report, cpus: int = 1) -> list[RunResult]:
        training = Training(**runs[0].training)
        for artifact in self.artifacts(runs):
            artifact.ensure()
        state = folder / "state.json"
        curves: list[list[float]] = json.loads(state.read_text()) if state.exists() else []
        status = "finished"
        try:
            for step in range(len(curves) + 1, training.steps + 1):
                _misbehave(runs[0], step)
                time.sleep(training.seconds_per_step)
                curves.append([score(run, step) for run in runs])
                with (folder / "steps.log").open("a") as log:
                    log.write(f"{step}\n")
                state.with_suffix(".new").write_text(json.dumps(curves))
                state.with_suffix(".new").rename(state)
                report(Progress(step, training.steps, tuple(curves[-1])))
        except StopTrial:
            status = "stopped_early"
        return [_result(run, status, [scores[place] for scores in curves]) for place, run in enumerate(runs)]

    def cost(self, run: Run) -> float | None:
        return float(run.training["steps"]) * max(0.01, float(run.training["seconds_per_step"]))


def score(run: Run, step: int) -> float:
    """The score of a run after a step: known beforehand, so that tests can check what is recorded."""
    return run.settings["gain"] * step + run.seed / 100


def _result(run: Run, status: str, scores: list[float]) -> RunResult:
    curve = [Point("toy_score", step, value) for step, value in enumerate(scores, 1)]
    last = math.nan if run.settings["nan"] else scores[-1]
    return RunResult(run, status, curve, {"toy_score": {"last": last, "best": max(scores)}}, {"note": "toy"})


def _misbehave(run: Run, step: int) -> None:
    mended = os.environ.get("REPRISE_TOY_MENDED")
    if step == run.settings["crash"] and not (mended and Path(mended).exists()):
        raise ValueError(f"toy crash at step {step}")
    if step == run.settings["kill"]:
        os.kill(os.getpid(), signal.SIGKILL)


def _build_data(folder: Path, _: Report) -> None:
    (folder / "data.txt").write_text("built once")
    with (folder.parents[2] / "builds.log").open("a") as log:
        log.write("toy-data\n")


def _model(task: str) -> Artifact:
    """The model of a task; that of toy-deep needs that of toy-a and takes long enough to be heard of."""
    deep = task == "toy-deep"

    def build(folder: Path, report: Report) -> None:
        if deep:
            time.sleep(REPORT_EVERY)
            report(Progress(1, 2))
            time.sleep(1.0)
        if os.environ.get("REPRISE_TOY_BROKEN_MODEL"):
            raise ValueError(f"no model of {task} today")
        (folder / "model.txt").write_text(task)
        with (folder.parents[2] / "builds.log").open("a") as log:
            log.write(f"model {task}\n")

    needs = (_model("toy-a"),) if deep else ()
    return Artifact("toy-model", {"task": task}, build, needs, label=f"model of {task}")


register_benchmark(ToyBenchmark())
