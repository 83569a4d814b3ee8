"""The house's vocabulary: Task, Metric, Run and its key, seed streams, Artifact, the method contract and its registry."""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, TypeVar

from filelock import FileLock

TIERS = ("smoke", "demo", "mini", "early", "paper")

Json = Any
"""A value that JSON can hold: None, bool, int, float, str, and lists and string-keyed mappings of these."""


class RepriseError(Exception):
    """Bad input. The message says what is wrong, where, and what to do; commands print it alone and exit with status 2."""


def unknown(kind: str, name: str, valid: Iterable[str], where: str = "") -> RepriseError:
    """The error for a name that does not exist, with the nearest one that does."""
    return RepriseError(f"{where + ': ' if where else ''}unknown {kind} '{name}'; {near(name, valid)}")


def near(name: str, valid: Iterable[str]) -> str:
    """Which name that exists may have been meant, else all of them."""
    valid = sorted(valid)
    found = difflib.get_close_matches(name, valid, n=1, cutoff=0.4)
    return f"did you mean '{found[0]}'?" if found else f"valid: {', '.join(valid) or 'none'}"


@dataclass(frozen=True)
class Metric:
    """What a task is scored by. `margin` maps a published value to the equivalence margin of the verdicts.

    `test` says how a published figure is judged (statistics specification, section 3): by the `spread` over seeds; as `exact`, a
    figure without chance; or only as a `ratio` of two methods measured together. `bounds` are the values it can have at all.
    """

    name: str
    unit: str
    higher_is_better: bool
    margin: Callable[[float], float] = field(repr=False)
    test: Literal["spread", "exact", "ratio"] = "spread"
    bounds: tuple[float, float] = (-math.inf, math.inf)

    @property
    def seeds_needed(self) -> int:
        """Below this many runs of ours nothing is said of a published figure."""
        return 1 if self.test == "exact" else 3


@dataclass(frozen=True)
class Task:
    """A row of a paper's table. `version` is raised whenever the task's numbers may change."""

    name: str
    family: str
    version: int
    metric: Metric


def home() -> Path:
    """The one folder for data, artifacts, tracking and results: `REPRISE_HOME`, by default `.reprise` here (absolute)."""
    return Path(os.environ.get("REPRISE_HOME") or ".reprise").expanduser().absolute()


# ---------------------------------------------------------------------------------------------------------------------
# Keys and seeds


def canonical_json(value: Json) -> str:
    """One text per value: sorted keys, no spaces, shortest round-trip floats; integral floats are written as integers.

    Raises ValueError for NaN and infinities in the value (write them as strings) and TypeError for anything JSON lacks.
    """
    return json.dumps(_canonical(value), sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def _canonical(item: Json) -> Json:
    """A value with text keys and integers for integral floats. What occurs most is asked for first."""
    kind = type(item)
    if kind is str or kind is int or kind is bool or item is None:
        return item
    if kind is dict or isinstance(item, Mapping):
        return {str(key): _canonical(value) for key, value in item.items()}
    if isinstance(item, (list, tuple)):
        return [_canonical(value) for value in item]
    if isinstance(item, float) and item.is_integer() and abs(item) < 2**53:
        return int(item)
    return item


def content_key(value: Json) -> str:
    """sha256 (hexadecimal) over the canonical JSON of a value."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def stream_seed(purpose: str, task: str, seed: int, *index: int) -> int:
    """A 63-bit seed for one purpose (`init.actor`, `batches`, `noise`, `evaluation`, `data`), task, seed index and position.

    The method takes no part: methods share data order and starting states, and a new method changes nobody's numbers.
    """
    text = "/".join([purpose, task, str(seed), *map(str, index)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


@dataclass(frozen=True)
class Run:
    """The unit of everything: one task, method, setting and seed; one MLflow run; one row of the evidence.

    `settings` are the method's resolved hyperparameters, `training` the harness's resolved budget and protocol (steps,
    batch size, data, evaluation, precision). `labels` name the run for people (tier, sweep, preset, variant, method label)
    and, like device, threads and stack, take no part in its key.
    """

    family: str
    task: str
    task_version: int
    dataset: str
    dataset_hash: str
    method: str
    method_version: int
    settings: Mapping[str, Json]
    training: Mapping[str, Json]
    seed: int
    labels: Mapping[str, str] = field(default_factory=dict, compare=False)

    @cached_property
    def key(self) -> str:
        """sha256 over everything that determines the result: the `content_key` of its identity."""
        known = {"settings": self.settings_json, "training": self.training_json}
        parts = (
            f'"{name}":{known.get(name) or canonical_json(value)}' for name, value in sorted(self.identity().items())
        )
        return hashlib.sha256(f"{{{','.join(parts)}}}".encode()).hexdigest()

    @cached_property
    def settings_json(self) -> str:
        """The settings as canonical JSON; kept, for key and tables both need it."""
        return canonical_json(self.settings)

    @cached_property
    def training_json(self) -> str:
        """The training as canonical JSON."""
        return canonical_json(self.training)

    def identity(self) -> dict[str, Json]:
        """What the key is made of, as JSON. The dataset counts by its hash, not by its name."""
        return {
            "task": self.task,
            "task_version": self.task_version,
            "dataset_hash": self.dataset_hash,
            "method": self.method,
            "method_version": self.method_version,
            "settings": dict(self.settings),
            "training": dict(self.training),
            "seed": self.seed,
        }

    def to_json(self) -> dict[str, Json]:
        """All fields; `Run.from_json` is the inverse."""
        return {item.name: _copied(getattr(self, item.name)) for item in fields(self)}

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> Run:
        """A run from `to_json`'s form."""
        return cls(**value)


def _copied(value: Json) -> Json:
    return dict(value) if isinstance(value, Mapping) else value


# ---------------------------------------------------------------------------------------------------------------------
# Progress


@dataclass(frozen=True)
class Progress:
    """What a trial or a build says while it works: the step of how many, and one score per run of the stack (None before
    the first, and for builds).
    """

    step: int
    steps: int
    scores: tuple[float, ...] | None = None


Report = Callable[[Progress], None]
"""Hears of progress. What calls it may do so at every step; what hears it decides how often to act."""


class StopTrial(Exception):
    """Raised by a report callback to end a trial early (a scheduler's decision); the harness returns `stopped_early` results."""


def unheard(progress: Progress) -> None:
    """The report nobody listens to."""


# ---------------------------------------------------------------------------------------------------------------------
# Artifacts


@dataclass(frozen=True)
class Artifact:
    """Something runs need that is itself computed: a dataset, a frozen model, a teacher.

    `identity` determines its content and so its key; `build(folder, report)` fills an empty folder. `needs` are built before it.
    """

    kind: str
    identity: Mapping[str, Json]
    build: Callable[[Path, Report], None] = field(repr=False, compare=False)
    needs: tuple[Artifact, ...] = field(default=(), repr=False, compare=False)
    label: str = ""

    @property
    def key(self) -> str:
        return content_key({"kind": self.kind, **self.identity})

    @property
    def folder(self) -> Path:
        """Where it lies once built: `<home>/artifacts/<kind>/<first 20 digits of the key>`."""
        return home() / "artifacts" / self.kind / self.key[:20]

    def ready(self) -> bool:
        return (self.folder / "artifact.json").exists()

    def ensure(self, report: Report = unheard) -> Path:
        """Build once, under a file lock, in a temporary folder renamed when whole; return the folder.

        `report` hears of its own build, not of those of its needs.
        """
        if self.ready():
            return self.folder
        for need in self.needs:
            need.ensure()
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(str(self.folder) + ".lock"):
            if self.ready():
                return self.folder
            scratch = Path(tempfile.mkdtemp(prefix=".building-", dir=self.folder.parent))
            try:
                self.build(scratch, report)
                record = {"kind": self.kind, "key": self.key, "label": self.label, "identity": dict(self.identity)}
                (scratch / "artifact.json").write_text(json.dumps(record, indent=1))
                shutil.rmtree(self.folder, ignore_errors=True)
                scratch.rename(self.folder)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
        return self.folder


# ---------------------------------------------------------------------------------------------------------------------
# Results of a run


class Point(NamedTuple):
    """One value on a curve of a run."""

    metric: str
    step: int
    value: float


@dataclass
class RunResult:
    """What training one run gave: the evidence that trials leave behind and that tracking and records keep.

    `summary` maps metric -> statistic (`last`, `final10`, `best`) -> value; `status` is `finished`, `diverged` (kept, scored
    as specified) or `stopped_early` (never enters a table); `extra` is further JSON evidence (episode returns, ...);
    `provenance` says how it was made (commit, versions, device, threads, times), filled by the launcher.
    """

    run: Run
    status: str
    curve: list[Point]
    summary: dict[str, dict[str, float]]
    extra: dict[str, Json] = field(default_factory=dict)
    provenance: dict[str, Json] = field(default_factory=dict)

    def to_json(self) -> dict[str, Json]:
        """All fields as JSON; points as [metric, step, value]."""
        return {
            "key": self.run.key,
            "run": self.run.to_json(),
            "status": self.status,
            "curve": [[point.metric, point.step, point.value] for point in self.curve],
            "summary": self.summary,
            "extra": self.extra,
            "provenance": self.provenance,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> RunResult:
        """The inverse of `to_json`; raises RepriseError where the key stored does not belong to the run stored."""
        run = Run.from_json(value["run"])
        if run.key != value["key"]:
            raise RepriseError(
                f"record {value['key'][:12]}: its run has the key {run.key[:12]}; the record was altered, remove it"
            )
        curve = [Point(metric, int(step), float(number)) for metric, step, number in value["curve"]]
        return cls(run, value["status"], curve, value["summary"], value["extra"], value["provenance"])


class Tag:
    """Names under which tracking writes and results read. A run's labels become tags `reprise.label.<name>`.

    NOTE is MLflow's own, for the description of an experiment or a run, in Markdown.
    """

    RUN_KEY = "reprise.run_key"
    TRIAL_KEY = "reprise.trial_key"
    STATUS = "reprise.status"
    FAMILY = "reprise.family"
    TASK = "reprise.task"
    METHOD = "reprise.method"
    SEED = "reprise.seed"
    LABEL = "reprise.label."
    PROVENANCE = "reprise.provenance."
    RECORD = "record.json"
    RECORD_HASH = "reprise.record_sha256"
    SCHEMA = "reprise.schema"
    IMPORTED = "reprise.imported"
    DOCUMENT = "reprise.document"
    NOTE = "mlflow.note.content"


SCHEMA_VERSION = 2
"""Of the member runs in MLflow. 1: without the tags SCHEMA and RECORD_HASH, read as they are; 2: with them."""


# ---------------------------------------------------------------------------------------------------------------------
# Benchmarks (families) and methods


class Benchmark(Protocol):
    """A family: its tasks and the harness that trains every method of the family."""

    family: str
    reuse_workers: bool
    """Whether a process may train one stack after another. It saves seconds a trial; not where state stays behind."""

    def tasks(self) -> Mapping[str, Task]:
        """Every task by name."""

    def resolve(
        self, task: Task, method: type[Method], preset: str | None, overrides: Mapping[str, Json], where: str
    ) -> tuple[dict[str, Json], dict[str, Json]]:
        """Resolved (settings, training) of a run: defaults, then preset, then overrides; raises on an unknown key."""

    def dataset(self, task: Task, training: Mapping[str, Json]) -> DatasetRef:
        """The dataset a run would train on (name, hash if it exists, how to build it)."""

    def describe(
        self, task: Task, method: type[Method], settings: Mapping[str, Json], training: Mapping[str, Json]
    ) -> dict[str, str]:
        """Labels a table must state with the numbers: dataset, environment version, protocol."""

    def stack_signature(self, run: Run) -> str:
        """Runs with equal signatures may train together as one stack."""

    def artifacts(self, runs: Sequence[Run]) -> list[Artifact]:
        """What must exist before these runs start."""

    def train(self, runs: Sequence[Run], folder: Path, report: Report, cpus: int = 1) -> list[RunResult]:
        """Train a stack on `cpus` cores. `folder` keeps checkpoints: called again after a crash, it goes on from the last."""

    def cost(self, run: Run) -> float | None:
        """Expected CPU-seconds of the run trained alone, or None where nobody measured."""


NO_DATA = "none"
"""The dataset's name where a run needs no data."""


@dataclass(frozen=True)
class DatasetRef:
    """A dataset by name. `hash` is None while it does not exist; `artifact` builds it, or `remedy` says what the user must do."""

    name: str
    hash: str | None
    artifact: Artifact | None = None
    remedy: str = ""


class Method:
    """A column of a table. Methods under test and baselines have the same contract and differ only in their folder.

    Class attributes every method declares: `name` (in YAML), `label` (in tables), `family`, `version` (raised whenever its
    numbers may change), `paper`, `reconstruction` (True where no public code exists), `Settings` (a frozen dataclass of
    hyperparameters with defaults), `presets` (name -> function of the task's name giving hyperparameters; the first is the
    default), `stackable` (settings that may differ along a stack).
    """

    name: ClassVar[str]
    label: ClassVar[str]
    family: ClassVar[str]
    version: ClassVar[int]
    paper: ClassVar[str]
    reconstruction: ClassVar[bool] = False
    Settings: ClassVar[type]
    presets: ClassVar[Mapping[str, Callable[[str], Mapping[str, Json]]]]
    stackable: ClassVar[frozenset[str]] = frozenset()


MethodT = TypeVar("MethodT", bound=Method)
BenchmarkT = TypeVar("BenchmarkT", bound=Benchmark)

_METHODS: dict[tuple[str, str], type[Method]] = {}
_BENCHMARKS: dict[str, Benchmark] = {}


def register(method: type[MethodT]) -> type[MethodT]:
    """Class decorator: make a method known under its name."""
    key = (method.family, method.name)
    known = _METHODS.get(key)
    if known is not None and known.__qualname__ + known.__module__ != method.__qualname__ + method.__module__:
        raise RepriseError(
            f"method '{method.name}' is registered twice: {known.__module__} and {method.__module__}; rename one"
        )
    _METHODS[key] = method
    return method


def register_benchmark(benchmark: BenchmarkT) -> BenchmarkT:
    """Make a family known."""
    _BENCHMARKS[benchmark.family] = benchmark
    return benchmark


def registered_methods(family: str | None = None) -> dict[str, type[Method]]:
    """Registered methods by name, all families or one."""
    return {name: method for (owner, name), method in sorted(_METHODS.items()) if family in (None, owner)}


def registered_benchmarks() -> dict[str, Benchmark]:
    """Registered families by name."""
    return dict(sorted(_BENCHMARKS.items()))
