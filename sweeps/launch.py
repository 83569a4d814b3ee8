"""Trains the trials of a sweep on Ray Tune: artifacts first, then every trial, its result recorded as soon as it ends."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ray import cloudpickle, tune
from ray.exceptions import RayActorError, RayTaskError
from ray.tune.progress_reporter import TrialProgressCallback
from rich.console import Console

from benchmarks.base import Benchmark, Json, Point, RepriseError, RunResult
from sweeps.artifacts import Request, dataset_requests, in_order, run_requests, trial_requests
from sweeps.cluster import check_resources, cluster, slots, worker_context
from sweeps.matrix import Campaign, Matrix, SearchPlan
from sweeps.packing import Trial, costliest_first
from sweeps.progress import Display
from sweeps.scheduling import AshaByGroup, direction, optuna_search, sample_of
from sweeps.schema import SweepFile
from sweeps.standing import Standing, weights
from sweeps.tracking import Tracking
from sweeps.trial import sampled, train_trial
from sweeps.trial_folder import all_folders, folder_of, ledger


@dataclass
class Outcome:
    """What went wrong in a launch: trials and artifacts that failed, with reasons by key, and what MLflow refused last."""

    failed: dict[str, str] = field(default_factory=dict)
    unbuilt: dict[str, str] = field(default_factory=dict)
    unrecorded: str = ""


def conduct(
    campaign: Campaign, tracking: Tracking, console: Console, failed_only: bool = False, address: str | None = None
) -> Outcome:
    """Build what is missing, train what is not finished, record everything.

    Raises RepriseError where a dataset cannot be built (then no run can start), where Ray cannot be reached, and where
    results could not be recorded in MLflow.
    """
    name, outcome = campaign.sweep.name, Outcome()
    with cluster(address) as scratch:
        check_resources(campaign.sweep.resources)
        matrix = campaign.matrix()
        requests = dataset_requests(matrix)
        if requests:
            with Display(console, name, {}) as display, _writer() as writer:
                Launcher(matrix, tracking, display, scratch, outcome, writer).train([], requests)
            if outcome.unbuilt:
                raise RepriseError("\n".join(f"cannot build {reason}" for reason in outcome.unbuilt.values()))
            matrix = campaign.matrix()
        standing = Standing(matrix, frozenset(tracking.finished()), ledger())
        trials = standing.trials(failed_only)
        samples = 0 if failed_only else standing.samples_left()
        shares = weights(trials, matrix)
        shares |= {f"sample {place}": sum(shares.values()) / len(shares) if trials else 1.0 for place in range(samples)}
        with Display(console, name, shares, slots(matrix.sweep.resources)) as display, _writer() as writer:
            launcher = Launcher(matrix, tracking, display, scratch, outcome, writer)
            launcher.train(trials, trial_requests(trials, matrix.benchmark))
            for plan in matrix.searches if samples else ():
                launcher.search(plan)
    if outcome.unrecorded:
        tracking.ingest()
    return outcome


@contextlib.contextmanager
def _writer() -> Iterator[Executor]:
    """One thread for MLflow: a trial ends, and the next begins, without waiting for the disk. Drained at the end.

    Where the block is left by an error or Ctrl-C, what is not written yet stays in result files, for the next launch.
    """
    writer = ThreadPoolExecutor(1, "mlflow")
    try:
        yield writer
    except BaseException:
        writer.shutdown(cancel_futures=True)
        raise
    writer.shutdown()


@dataclass(frozen=True)
class Launcher:
    """Everything that the trials of one sweep share. `scratch` holds Tune's own files, which nobody needs afterwards."""

    matrix: Matrix
    tracking: Tracking
    display: Display
    scratch: Path
    outcome: Outcome
    writer: Executor

    @property
    def sweep(self) -> SweepFile:
        return self.matrix.sweep

    @property
    def benchmark(self) -> Benchmark:
        return self.matrix.benchmark

    def train(self, trials: Sequence[Trial], requests: Sequence[Request]) -> None:
        """Build artifacts and train trials, in one go. What can start at once goes first, so that nothing takes up a core to
        wait: artifacts before trials, the costliest trial first.

        A trial whose artifact fails tries to build it once more itself, fails too, and the others go on.
        """
        able: list[dict[str, Json]] = []
        waiting: list[dict[str, Json]] = []
        for request in requests:
            (waiting if request.waits else able).append({"artifact": request.origin, "key": request.key})
        for trial in costliest_first(trials, self.benchmark):
            folder_of(trial).write_plan(trial)
            lacks = run_requests(trial.runs, self.benchmark)
            (waiting if lacks else able).append({"trial": str(trial.folder), "group": trial.group})
        if picks := able + waiting:
            names = {request.key: request.name for request in requests}
            self._fit({"pick": tune.grid_search(picks)}, Driver(self, trials, names), "trials")

    def search(self, plan: SearchPlan) -> None:
        """Let Optuna choose the samples of a search that earlier launches have not trained yet."""
        mode = direction(plan.probe.task.metric)
        evaluated = list(ended_samples(plan))
        left = plan.samples - len(evaluated)
        if left <= 0:
            return
        requests = run_requests([plan.probe.run(seed) for seed in plan.seeds], self.benchmark)
        self.train([], in_order(requests))
        setup = {"setup": plan.setup.to_json(), "key": plan.key, "seeds": list(plan.seeds)}
        pick = {"search": setup, "group": f"{plan.setup.task}/{plan.setup.method}"}
        searcher = optuna_search(plan, mode, evaluated)
        self._fit({"pick": pick}, Driver(self, [], {}), "search", search_alg=searcher, num_samples=left)

    def _fit(self, space: Mapping[str, Any], driver: Driver, name: str, **options: Any) -> None:
        resources = self.sweep.resources
        scheduler = None
        if self.sweep.scheduler is not None:
            metric = next(iter(self.benchmark.tasks().values())).metric
            scheduler = AshaByGroup(self.sweep.scheduler.asha, direction(metric))
        trainable = tune.with_resources(train_trial, {"cpu": resources.cpu, "gpu": resources.gpu})
        tuner = tune.Tuner(
            trainable,
            param_space={**space, "context": worker_context(resources)},
            tune_config=tune.TuneConfig(
                scheduler=scheduler,
                reuse_actors=self.benchmark.reuse_workers,
                **options,
            ),
            run_config=tune.RunConfig(
                name=f"{name}-{uuid.uuid4().hex[:8]}",
                storage_path=str(self.scratch),
                verbose=0,
                callbacks=[driver, Quiet()],
            ),
        )
        tuner.fit()

    def fail(self, trial: Trial, reason: str) -> None:
        """Note that a trial failed: in its folder, in MLflow, in the outcome, and on the screen."""
        folder = folder_of(trial)
        left = folder.failure()
        if left is None or left["reason"] != reason:
            folder.write_failure(reason)
        self.outcome.failed[trial.key] = f"{trial.title}: {reason}"
        self.display.ended(trial.key, trial.title, f"FAILED: {reason}")
        self.tracked(lambda: self.tracking.record_failed(trial, reason))

    def tracked(self, write: Callable[[], object]) -> None:
        """Write to MLflow soon; where that fails, training goes on, and the results on disk are recorded later."""

        def written() -> None:
            try:
                write()
            except Exception as error:
                self.outcome.unrecorded = str(error)

        self.writer.submit(written)


class Driver(tune.Callback):
    """Tune's events, in the driver: shows progress, keeps what scheduled trials scored, and records every trial that ends."""

    def __init__(self, launcher: Launcher, trials: Sequence[Trial], artifacts: Mapping[str, str]) -> None:
        self.launcher, self.artifacts = launcher, artifacts
        self.trials = {str(trial.folder): trial for trial in trials}
        self.curves: dict[str, list[tuple[int, list[float]]]] = {}
        self.ended: set[str] = set()

    def __getstate__(self) -> dict[str, Json]:
        """Tune stores its callbacks to restore them; nothing of this one is restored, since the run matrix is ours."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        artifact = self._artifact(trial)
        if artifact is not None:
            self.launcher.display.building(*artifact)
        else:
            ours = self._trial(trial)
            self.launcher.display.started(ours.key, ours.title)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        artifact = self._artifact(trial)
        if artifact is not None:
            if "step" in result:
                self.launcher.display.progressed(artifact[0], result["step"], result["steps"], None, result["seconds"])
            return
        ours = self._trial(trial)
        if "step" not in result:  # the last message, once the results are there
            if "score" in result:
                self.launcher.display.scored(ours.key, result["score"])
            return
        if "scores" in result:
            curve = self.curves.setdefault(ours.key, [])
            if not curve or curve[-1][1] != result["scores"]:
                curve.append((result["step"], result["scores"]))
        step, steps, spent = result["step"], result["steps"], result["seconds"]
        self.launcher.display.progressed(ours.key, step, steps, result.get("score"), spent)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.ended.add(trial.trial_id)
        artifact = self._artifact(trial)
        if artifact is not None:
            self.launcher.display.built(*artifact, None)
            return
        ours, launcher = self._trial(trial), self.launcher
        folder = folder_of(ours)
        if folder.finished():
            launcher.display.ended(ours.key, ours.title, "finished")
            launcher.tracked(lambda: launcher.tracking.record(ours, folder.results()))
            return
        stopped = list(self._stopped(ours))
        folder.write_stopped(stopped)
        launcher.display.ended(ours.key, ours.title, "stopped early")
        launcher.tracked(lambda: launcher.tracking.record_stopped(ours, stopped))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.ended.add(trial.trial_id)
        artifact = self._artifact(trial)
        if artifact is None:
            ours = self._trial(trial)
            self.launcher.fail(ours, self._reason(ours, trial))
            return
        reason = _told(_error(trial))
        self.launcher.outcome.unbuilt[artifact[0]] = f"{artifact[1]}: {reason}"
        self.launcher.display.built(*artifact, reason)

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        """Tune drops some trials without an event (a worker that cannot be reused): none may end unnoticed."""
        for trial in trials:
            if trial.trial_id not in self.ended:
                self.on_trial_error(0, trials, trial)

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self.launcher.display.tick()

    def _artifact(self, trial: Any) -> tuple[str, str] | None:
        """Key and name of the artifact that a Tune trial builds; None where it trains."""
        key = trial.config["pick"].get("key")
        return None if key is None else (key, self.artifacts[key])

    def _trial(self, trial: Any) -> Trial:
        pick = trial.config["pick"]
        if "trial" in pick:
            return self.trials[pick["trial"]]
        ours = sampled(pick["search"], trial.config["values"])
        return self.trials.setdefault(str(ours.folder), ours)

    def _reason(self, ours: Trial, trial: Any) -> str:
        """Why a trial failed: what its worker left, or that the worker died."""
        error, left = _error(trial), folder_of(ours).failure()
        return left["reason"] if left and not isinstance(error, RayActorError) else _told(error)

    def _stopped(self, ours: Trial) -> Iterator[RunResult]:
        """What a scheduler's stop leaves of each run: the curve reported so far."""
        metric = self.launcher.benchmark.tasks()[ours.runs[0].task].metric.name
        curve = self.curves.get(ours.key, [])
        for place, run in enumerate(ours.runs):
            points = [Point(metric, step, scores[place]) for step, scores in curve]
            yield RunResult(run, "stopped_early", points, {})


class Quiet(TrialProgressCallback):
    """Stands where Tune would put its own messages about every trial; the display says it all."""

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Say nothing."""

    def log_result(self, trial: Any, result: dict[str, Any], error: bool = False) -> None:
        """Say nothing."""


def _error(trial: Any) -> BaseException | None:
    """What Ray says of a trial that failed, read where Tune puts it first (its storage gets it later)."""
    path = trial.pickled_error_file
    if path is None or not Path(path).exists():
        return None
    with Path(path).open("rb") as file:
        error = cloudpickle.load(file)
    return error if isinstance(error, BaseException) else None


def _told(error: BaseException | None) -> str:
    """One line of what Ray says."""
    cause = error.cause if isinstance(error, RayTaskError) else error
    said = (str(cause).strip().splitlines() or [""])[0]
    if isinstance(error, RayActorError):
        return f"its Ray worker died ({said})"
    return f"{type(cause).__name__}: {said}" if cause else "Ray dropped it and gave no reason"


def ended_samples(plan: SearchPlan) -> Iterator[tuple[dict[str, Any], float]]:
    """Values and score of every sample of a search that earlier launches trained or stopped early."""
    for folder in all_folders():
        if folder.search() == plan.key:
            results = folder.results() if folder.finished() else folder.stopped()
            sample = sample_of(results, plan) if results else None
            if sample is not None:
                yield sample
