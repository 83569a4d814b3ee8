"""What a Ray worker does: find the family, train a stack, leave a result file, and report through Tune."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from benchmarks.base import Json, Progress, RepriseError, Run, RunResult, StopTrial
from benchmarks.memory import keep_freed_memory
from sweeps import provenance
from sweeps.artifacts import build
from sweeps.matrix import Setup
from sweeps.packing import Trial
from sweeps.registry import discover, find_benchmark
from sweeps.trial_folder import TrialFolder, folder_of

Context = Mapping[str, Json]
"""What the driver tells its workers: `environment` (variables), `cpus`, and the `source` of provenance."""

REPORT_EVERY = 2.0
"""Seconds between reports that bring no new score."""


def train_trial(config: Mapping[str, Any]) -> None:
    """The function that Tune runs. `config["pick"]` names an artifact to build, a trial's folder, or a search, whose sample
    is `config["values"]`.
    """
    from ray import tune

    context, pick = config["context"], config["pick"]
    enter(context)
    if "artifact" in pick:
        build(pick["artifact"], pick["key"], BuildReporter(tune.report))
        return
    if "trial" in pick:
        folder = TrialFolder(Path(pick["trial"]))
        trial = folder.plan()
    else:
        trial = sampled(pick["search"], config["values"])
        folder = folder_of(trial)
        folder.write_plan(trial)
    run_trial(trial, folder, context, tune.report)


def enter(context: Context) -> None:
    """Make this process a worker of the suite: the driver's variables, own packages, memory, threads, families and methods."""
    os.environ.update(context["environment"])
    keep_freed_memory()
    discover()
    import torch

    torch.set_num_threads(context["cpus"])


def sampled(search: Mapping[str, Json], values: Mapping[str, Json]) -> Trial:
    """The trial of one sample of a search."""
    resolved = Setup(**search["setup"]).resolve(values)
    runs = [resolved.run(seed, search=search["key"]) for seed in search["seeds"]]
    return Trial(tuple(runs), search["key"])


def run_trial(trial: Trial, folder: TrialFolder, context: Context, send: Callable[[dict[str, Json]], None]) -> None:
    """Train a trial in its folder and leave `result.json` or, where training raises, `failure.json` (and raise).

    A trial that another process finished meanwhile is not trained again. Where a scheduler stops the trial, neither file is
    written, and SystemExit ends the thread, as Tune means it to.
    """
    folder.training.mkdir(parents=True, exist_ok=True)
    with folder.lock(), _logged(folder.log) as log:
        if not folder.finished():
            folder.forget_failure()
            try:
                results = _train(trial, folder, context, Reporter(folder, send, log))
            except Exception as error:
                folder.write_failure(f"{type(error).__name__}: {error}", traceback.format_exc())
                traceback.print_exc(file=log)
                raise
            if results is None:
                _say(log, "stopped early")
                sys.exit(0)
            folder.write_results(results)
            _say(log, "finished")
        results = folder.results()
    message: dict[str, Json] = {"finished": True, "percent": 100.0}
    if scores := last_scores(results):
        message |= {"scores": scores, "score": sum(scores) / len(scores)}
    send(message)


def last_scores(results: Sequence[RunResult]) -> list[float]:
    """The task's metric at the end of every run; empty where the harness left none."""
    metric = find_benchmark(results[0].run.family).tasks()[results[0].run.task].metric.name
    found = [result.summary.get(metric, {}).get("last") for result in results]
    return [value for value in found if value is not None] if None not in found else []


def _train(trial: Trial, folder: TrialFolder, context: Context, reporter: Reporter) -> list[RunResult] | None:
    """Results with provenance, in the order of the runs; None when the scheduler stopped the trial."""
    benchmark = find_benchmark(trial.runs[0].family)
    with contextlib.suppress(StopTrial):
        results = benchmark.train(trial.runs, folder.training, reporter, cpus=context["cpus"])
    if reporter.stopped:
        return None
    wall_s, cpu_s = reporter.spent()
    for result in results:
        result.provenance.update(
            {
                **context["source"],
                **provenance.of_worker(result.run, context["cpus"]),
                "trial": trial.key,
                "stack": len(trial.runs),
                "wall_s": round(wall_s, 3),
                "cpu_s": round(cpu_s, 3),
            }
        )
    return _checked(trial.runs, results)


def _checked(runs: Sequence[Run], results: Sequence[RunResult]) -> list[RunResult]:
    """Each run has exactly one result, it ended, and a finished one has only numbers."""
    by_key = {result.run.key: result for result in results}
    if len(results) != len(runs) or set(by_key) != {run.key for run in runs}:
        raise RepriseError(
            f"the harness returned {len(results)} results that do not belong to the {len(runs)} runs of the trial"
        )
    for result in results:
        if result.status not in ("finished", "diverged"):
            raise RepriseError(
                f"run {result.run.key[:12]} ended with the status '{result.status}' though nobody stopped it"
            )
        for metric, statistics in result.summary.items():
            for statistic, value in statistics.items():
                if result.status == "finished" and not math.isfinite(value):
                    raise RepriseError(f"run {result.run.key[:12]}: {metric} ({statistic}) is {value}")
    return [by_key[run.key] for run in runs]


class BuildReporter:
    """A build's report: passes its progress on, not too often."""

    def __init__(self, send: Callable[[dict[str, Json]], None]) -> None:
        self.send = send
        self.began = self.last = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self.last >= REPORT_EVERY:
            self.last = now
            self.send({"step": progress.step, "steps": progress.steps, "seconds": now - self.began})


class Reporter:
    """The harness's report callback: passes progress on, not too often, and turns a scheduler's stop into StopTrial."""

    def __init__(self, folder: TrialFolder, send: Callable[[dict[str, Json]], None], log: TextIO) -> None:
        self.folder, self.send, self.log = folder, send, log
        self.before = folder.spent()
        self.wall, self.cpu = time.monotonic(), time.process_time()
        self.last = -math.inf
        self.scores: tuple[float, ...] | None = None
        self.stopped = False

    def spent(self) -> tuple[float, float]:
        """Seconds of wall and CPU time so far, those of earlier attempts included."""
        wall_s = self.before["wall_s"] + time.monotonic() - self.wall
        return wall_s, self.before["cpu_s"] + time.process_time() - self.cpu

    def __call__(self, progress: Progress) -> None:
        if progress.scores == self.scores and time.monotonic() - self.last < REPORT_EVERY:
            return
        self.last, self.scores = time.monotonic(), progress.scores
        wall_s, cpu_s = self.spent()
        self.folder.write_spent(wall_s, cpu_s)
        message: dict[str, Json] = {
            "step": progress.step,
            "steps": progress.steps,
            "seconds": wall_s,
            "percent": 100.0 * progress.step / max(1, progress.steps),
        }
        if progress.scores is not None:
            message |= {"scores": list(progress.scores), "score": sum(progress.scores) / len(progress.scores)}
        _say(self.log, " ".join(f"{name} {message[name]}" for name in ("step", "steps", "scores") if name in message))
        try:
            self.send(message)
        except SystemExit:  # how Tune ends the training thread when a scheduler stops the trial
            self.stopped = True
            raise StopTrial from None


@contextlib.contextmanager
def _logged(path: Path) -> Iterator[TextIO]:
    """What the process prints meanwhile goes to the trial's log (also its errors)."""
    with path.open("a", encoding="utf-8", buffering=1) as log:
        _say(log, f"started in process {os.getpid()}")
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            yield log
    sys.stdout.flush()


def _say(log: TextIO, text: str) -> None:
    log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
