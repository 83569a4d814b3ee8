"""Builds what runs need before they start (datasets, frozen models), each once, as Ray tasks, in the order of their needs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from benchmarks.base import Artifact, Benchmark, Json, Run
from sweeps.matrix import Matrix
from sweeps.packing import Trial
from sweeps.registry import find_benchmark, find_task
from sweeps.schema import Resources


@dataclass(frozen=True)
class Request:
    """An artifact to build and, as plain data, how a worker finds it again: builders themselves do not travel."""

    artifact: Artifact
    origin: Mapping[str, Json]

    @property
    def name(self) -> str:
        return self.artifact.label or f"{self.artifact.kind} {self.artifact.key[:8]}"


class Watcher(Protocol):
    """Who wants to know how the building goes."""

    def building(self, name: str, done: int, total: int) -> None:
        """An artifact is begun."""

    def built(self, name: str, seconds: float, failure: str | None) -> None:
        """An artifact is ready, or failed for a reason."""

    def tick(self) -> None:
        """Time passes."""


def dataset_requests(matrix: Matrix) -> list[Request]:
    """Datasets that do not exist yet and can be built."""
    resolved = [cell.resolved for cell in matrix.cells] + [search.probe for search in matrix.searches]
    found: dict[str, Request] = {}
    for item in resolved:
        artifact = item.dataset.artifact
        if item.dataset.hash is None and artifact is not None and artifact.key not in found:
            origin = {"family": item.setup.family, "task": item.task.name, "training": dict(item.training)}
            found[artifact.key] = Request(artifact, origin)
    return list(found.values())


def trial_requests(trials: Iterable[Trial], benchmark: Benchmark) -> dict[str, list[Request]]:
    """Per trial key, the artifacts that are not ready."""
    return {trial.key: run_requests(trial.runs, benchmark) for trial in trials}


def run_requests(runs: Sequence[Run], benchmark: Benchmark) -> list[Request]:
    """The artifacts of a stack of runs that are not ready."""
    origin = {"family": benchmark.family, "runs": [run.to_json() for run in runs]}
    return [Request(artifact, origin) for artifact in benchmark.artifacts(runs) if not artifact.ready()]


def find(origin: Mapping[str, Json]) -> list[Artifact]:
    """The artifacts of a request's origin."""
    benchmark = find_benchmark(origin["family"])
    if "runs" in origin:
        return benchmark.artifacts([Run.from_json(run) for run in origin["runs"]])
    artifact = benchmark.dataset(find_task(benchmark, origin["task"]), origin["training"]).artifact
    return [artifact] if artifact else []


def build(origin: Mapping[str, Json], key: str, context: Mapping[str, Any]) -> None:
    """In a Ray worker: find the artifact again and build it."""
    from sweeps.trial import enter

    enter(context)
    _closure(find(origin))[key].ensure()


def build_all(
    requests: Iterable[Request], context: Mapping[str, Any], resources: Resources, watcher: Watcher
) -> dict[str, str]:
    """Build all, each as soon as what it needs is ready; the keys of those that failed, with their reasons."""
    waiting = _with_needs(requests)
    failures: dict[str, str] = {}
    running: dict[Any, tuple[Request, float]] = {}
    total, done = len(waiting), 0
    submit = _submitter(context, resources)
    while waiting or running:
        for request in [request for request in waiting.values() if not _blocked(request, waiting, running)]:
            del waiting[request.artifact.key]
            failed = [need.label or need.kind for need in request.artifact.needs if need.key in failures]
            if failed:
                failures[request.artifact.key] = f"it needs {failed[0]}, which failed"
                continue
            watcher.building(request.name, done, total)
            running[submit(request)] = (request, time.monotonic())
        for reference, failure in _ended(list(running)):
            request, began = running.pop(reference)
            done += 1
            watcher.built(request.name, time.monotonic() - began, failure)
            if failure:
                failures[request.artifact.key] = failure
        watcher.tick()
    return failures


def _blocked(request: Request, waiting: Mapping[str, Request], running: Mapping[Any, tuple[Request, float]]) -> bool:
    unfinished = waiting.keys() | {item.artifact.key for item, _ in running.values()}
    return any(need.key in unfinished for need in request.artifact.needs)


def _submitter(context: Mapping[str, Any], resources: Resources) -> Callable[[Request], Any]:
    import ray

    remote = ray.remote(build).options(num_cpus=resources.cpu, num_gpus=resources.gpu, max_retries=0)
    return lambda request: remote.remote(request.origin, request.artifact.key, context)


def _ended(references: list[Any]) -> list[tuple[Any, str | None]]:
    """References that ended within half a second, with the reason of those that failed."""
    import ray

    if not references:
        return []
    found: list[tuple[Any, str | None]] = []
    for reference in ray.wait(references, num_returns=len(references), timeout=0.5)[0]:
        try:
            ray.get(reference)
            found.append((reference, None))
        except ray.exceptions.RayTaskError as error:
            found.append((reference, f"{type(error.cause).__name__}: {error.cause}"))
        except ray.exceptions.RayError as error:
            found.append((reference, f"its Ray worker died ({type(error).__name__})"))
    return found


def _with_needs(requests: Iterable[Request]) -> dict[str, Request]:
    """The requests and everything they need that is not ready, by key."""
    found: dict[str, Request] = {}
    for request in requests:
        for key, artifact in _closure([request.artifact]).items():
            if not artifact.ready():
                found.setdefault(key, Request(artifact, request.origin))
    return found


def _closure(artifacts: Iterable[Artifact]) -> dict[str, Artifact]:
    """The artifacts and what they need, by key."""
    found: dict[str, Artifact] = {}
    for artifact in artifacts:
        found |= _closure(artifact.needs)
        found[artifact.key] = artifact
    return found
