"""What runs need before they start (datasets, frozen models): found, put in order, and built in workers like trials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.base import Artifact, Benchmark, Json, Report, Run
from sweeps.matrix import Matrix
from sweeps.packing import Trial
from sweeps.registry import find_benchmark, find_task


@dataclass(frozen=True)
class Request:
    """An artifact to build and, as plain data, how a worker finds it again: builders themselves do not travel."""

    artifact: Artifact
    origin: Mapping[str, Json]

    @property
    def key(self) -> str:
        return self.artifact.key

    @property
    def name(self) -> str:
        return self.artifact.label or f"{self.artifact.kind} {self.artifact.key[:8]}"

    @property
    def waits(self) -> bool:
        """Whether something that it needs is still to be built."""
        return any(not need.ready() for need in self.artifact.needs)


def dataset_requests(matrix: Matrix) -> list[Request]:
    """Datasets that do not exist yet and can be built, with what they need."""
    resolved = [cell.resolved for cell in matrix.cells] + [search.probe for search in matrix.searches]
    found: list[Request] = []
    for item in resolved:
        artifact = item.dataset.artifact
        if item.dataset.hash is None and artifact is not None:
            origin = {"family": item.setup.family, "task": item.task.name, "training": dict(item.training)}
            found.append(Request(artifact, origin))
    return in_order(found)


def trial_requests(trials: Iterable[Trial], benchmark: Benchmark) -> list[Request]:
    """The artifacts of trials that are not ready, with what they need."""
    return in_order([request for trial in trials for request in run_requests(trial.runs, benchmark)])


def run_requests(runs: Sequence[Run], benchmark: Benchmark) -> list[Request]:
    """The artifacts of a stack of runs that are not ready."""
    origin = {"family": benchmark.family, "runs": [run.to_json() for run in runs]}
    return [Request(artifact, origin) for artifact in benchmark.artifacts(runs) if not artifact.ready()]


def in_order(requests: Iterable[Request]) -> list[Request]:
    """Each request and all it needs once, needs first; among those that could start, the longest chains go first."""
    found: dict[str, Request] = {}
    for request in requests:
        for key, artifact in closure([request.artifact]).items():
            if not artifact.ready():
                found.setdefault(key, Request(artifact, request.origin))
    return sorted(found.values(), key=lambda request: (_depth(request.artifact), -_height(request.key, found)))


def build(origin: Mapping[str, Json], key: str, report: Report) -> None:
    """In a worker: find an artifact again and build it. What it needs is built first, or waited for while others build it."""
    closure(_artifacts(origin))[key].ensure(report)


def closure(artifacts: Iterable[Artifact]) -> dict[str, Artifact]:
    """The artifacts and what they need, by key."""
    found: dict[str, Artifact] = {}
    for artifact in artifacts:
        found |= closure(artifact.needs)
        found[artifact.key] = artifact
    return found


def _artifacts(origin: Mapping[str, Json]) -> list[Artifact]:
    benchmark = find_benchmark(origin["family"])
    if "runs" in origin:
        return benchmark.artifacts([Run.from_json(run) for run in origin["runs"]])
    artifact = benchmark.dataset(find_task(benchmark, origin["task"]), origin["training"]).artifact
    return [artifact] if artifact else []


def _depth(artifact: Artifact) -> int:
    """How many artifacts must be built one after the other before this one."""
    return max((1 + _depth(need) for need in artifact.needs if not need.ready()), default=0)


def _height(key: str, found: Mapping[str, Request]) -> int:
    """How many artifacts wait one after the other for this one."""
    waiting = [other.key for other in found.values() if key in {need.key for need in other.artifact.needs}]
    return max((1 + _height(other, found) for other in waiting), default=0)
