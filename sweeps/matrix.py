"""From a sweep's YAML to its run matrix: tasks x methods x grid values x seeds, each cell a run with its content key."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from benchmarks.base import (
    Benchmark,
    DatasetRef,
    Json,
    Method,
    RepriseError,
    Run,
    Task,
    canonical_json,
    content_key,
    registered_methods,
    unknown,
)
from sweeps.registry import find_benchmark, find_method, find_task
from sweeps.schema import TIER_FILES, MethodEntry, Resources, SweepFile, Tier, check_distinct, load_tiers
from sweeps.yaml_lines import Document

Axes = Mapping[str, Json]
"""The values of one combination: setting name -> value."""


@dataclass(frozen=True)
class Setup:
    """A method entry of a sweep on one task: everything about its runs but the values of its axes and their seeds."""

    family: str
    task: str
    method: str
    preset: str | None
    overrides: Mapping[str, Json]
    variant: str
    label: str
    labels: Mapping[str, str]
    where: str

    def resolve(self, axes: Axes) -> Resolved:
        """Settings, training and dataset for one combination of axis values; raises RepriseError for a bad key or value."""
        benchmark = find_benchmark(self.family, self.where)
        task = find_task(benchmark, self.task, self.where)
        method = find_method(self.family, self.method, self.where)
        settings, training = benchmark.resolve(task, method, self.preset, {**self.overrides, **axes}, self.where)
        return Resolved(self, dict(axes), benchmark, task, method, settings, training)

    def to_json(self) -> dict[str, Json]:
        """All fields; `Setup(**value)` is the inverse."""
        return {**vars(self), "overrides": dict(self.overrides), "labels": dict(self.labels)}


@dataclass(frozen=True)
class Resolved:
    """A setup with the values of its axes: runs that differ in their seeds alone."""

    setup: Setup
    axes: Axes
    benchmark: Benchmark = field(repr=False)
    task: Task
    method: type[Method]
    settings: Mapping[str, Json]
    training: Mapping[str, Json]

    @cached_property
    def dataset(self) -> DatasetRef:
        return self.benchmark.dataset(self.task, self.training)

    @property
    def variant(self) -> str:
        """`ilq`, or with axis values `ilq[delta=-2]`."""
        return self.setup.variant + (f"[{_shown(self.axes)}]" if self.axes else "")

    def identity(self, seed: int) -> str:
        """What makes two cells the same run, known before the dataset exists."""
        return canonical_json([self.task.name, self.method.name, self.settings, self.training, seed])

    def run(self, seed: int, **labels: str) -> Run:
        """The run of one seed; RepriseError while its dataset does not exist."""
        reference = self.dataset
        if reference.hash is None:
            remedy = reference.remedy or "`reprise run` builds it"
            raise RepriseError(f"{self.task.name}: dataset {reference.name} does not exist; {remedy}")
        label = self.setup.label + (f" ({_shown(self.axes)})" if self.axes else "")
        described = self.benchmark.describe(self.task, self.method, self.settings, self.training)
        return Run(
            family=self.setup.family,
            task=self.task.name,
            task_version=self.task.version,
            dataset=reference.name,
            dataset_hash=reference.hash,
            method=self.method.name,
            method_version=self.method.version,
            settings=self.settings,
            training=self.training,
            seed=seed,
            labels={**described, **self.setup.labels, "variant": self.variant, "label": label, **labels},
        )


@dataclass(frozen=True)
class Cell:
    """One place of the matrix: a resolved setup and a seed."""

    resolved: Resolved
    seed: int

    @cached_property
    def run(self) -> Run:
        return self.resolved.run(self.seed)


@dataclass(frozen=True)
class SearchPlan:
    """A search: values that an algorithm picks for one setup; each sample is one trial with all seeds of the sweep."""

    setup: Setup
    space: Mapping[str, Mapping[str, Json]]
    seeds: Sequence[int]
    samples: int
    seed: int
    probe: Resolved = field(repr=False)

    @property
    def key(self) -> str:
        """What identifies the search across restarts: everything but the values picked and how many."""
        fixed = {
            name: value
            for name, value in {**self.probe.settings, **self.probe.training}.items()
            if name not in self.space
        }
        return content_key(
            {
                "task": [self.probe.task.name, self.probe.task.version, self.probe.dataset.hash],
                "method": [self.probe.method.name, self.probe.method.version],
                "fixed": fixed,
                "space": self.space,
                "seeds": list(self.seeds),
                "seed": self.seed,
            }
        )


@dataclass(frozen=True)
class Matrix:
    """An expanded sweep: its fixed cells and its searches."""

    sweep: SweepFile
    benchmark: Benchmark
    cells: list[Cell]
    searches: list[SearchPlan]

    def datasets(self) -> list[DatasetRef]:
        """Every dataset the sweep needs, by name once."""
        found = {cell.resolved.dataset.name: cell.resolved.dataset for cell in self.cells}
        found |= {search.probe.dataset.name: search.probe.dataset for search in self.searches}
        return list(found.values())


@dataclass(frozen=True)
class Campaign:
    """A sweep as asked for: the file's, narrowed by the command line."""

    sweep: SweepFile
    document: Document

    def matrix(self) -> Matrix:
        """The sweep expanded now; a dataset built since then gives its cells their keys."""
        return expand(self.sweep, self.document)


def narrow(
    sweep: SweepFile,
    *,
    tier: str | None = None,
    seeds: Sequence[int] | None = None,
    tasks: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    cpus: int | None = None,
    gpus: float | None = None,
) -> SweepFile:
    """The sweep with the command line's choices: another tier, other seeds, tasks, methods, and resources of a trial."""
    changes: dict[str, object] = {}
    if cpus is not None or gpus is not None:
        cpu = sweep.resources.cpu if cpus is None else cpus
        changes["resources"] = Resources(cpu=cpu, gpu=sweep.resources.gpu if gpus is None else gpus)
    if tier is not None:
        changes["tier"] = tier
    if seeds is not None:
        check_distinct(list(seeds), "--seeds")
        changes["seeds"] = list(seeds)
    if tasks is not None:
        check_distinct(list(tasks), "--tasks")
        changes["tasks"] = list(tasks)
    if methods is not None:
        check_distinct(list(methods), "--methods")
        entries = [entry for name in methods for entry in _entries(sweep, name)]
        changes["methods"] = [entry for place, entry in enumerate(entries) if entry not in entries[:place]]
    narrowed = sweep.model_copy(update=changes)
    if not any(entry.search for entry in narrowed.methods):
        narrowed = narrowed.model_copy(update={"search": None})
    return narrowed


def _entries(sweep: SweepFile, name: str) -> list[MethodEntry]:
    """Entries with that variant, else with that method, else the method as it is where the family has it."""
    found = [entry for entry in sweep.methods if (entry.variant or entry.method) == name]
    found = found or [entry for entry in sweep.methods if entry.method == name]
    if not found:
        methods = registered_methods(sweep.family)
        if name not in methods:
            variants = [entry.variant for entry in sweep.methods if entry.variant]
            raise unknown("method", name, [*methods, *variants], "--methods")
        found = [MethodEntry(method=name)]
    return found


def expand(sweep: SweepFile, document: Document) -> Matrix:
    """All cells of a sweep; raises RepriseError (with file and line) for anything unknown or given twice."""
    benchmark = find_benchmark(sweep.family, document.where("family"))
    _check_stack(sweep, document)
    tier, tier_where = _tier(sweep, benchmark, document)
    cells: list[Cell] = []
    searches: list[SearchPlan] = []
    for task in sweep.tasks:
        find_task(benchmark, task, document.where("tasks", _position(document, "tasks", task)))
        for entry in sweep.methods:
            setup = _setup(sweep, document, tier, tier_where, task, entry)
            if entry.search and sweep.search is not None and sweep.search.algorithm == "optuna":
                searches.append(_search_plan(sweep, setup, entry))
                continue
            for axes in _combinations(sweep, entry):
                resolved = setup.resolve(axes)
                cells += [Cell(resolved, seed) for seed in sweep.seeds]
    _check_cells(cells)
    return Matrix(sweep, benchmark, cells, searches)


def _tier(sweep: SweepFile, benchmark: Benchmark, document: Document) -> tuple[Tier, str]:
    if sweep.tier is None:
        return Tier(), document.where("tier")
    path = Path(getattr(benchmark, "tier_file", TIER_FILES / f"{sweep.family}.yaml"))
    if not path.exists():
        where = document.where("tier")
        raise RepriseError(
            f"{where}: family '{sweep.family}' has no tiers ({path.name} does not exist); remove the key"
        )
    tiers, tier_document = load_tiers(path, sweep.family)
    if sweep.tier not in tiers.tiers:
        raise unknown("tier", sweep.tier, tiers.tiers, document.where("tier"))
    tier = tiers.tiers[sweep.tier]
    for method in tier.presets:
        find_method(sweep.family, method, tier_document.where("tiers", sweep.tier, "presets", method))
    return tier, tier_document.where("tiers", sweep.tier)


def _setup(sweep: SweepFile, document: Document, tier: Tier, tier_where: str, task: str, entry: MethodEntry) -> Setup:
    place = _entry_place(sweep, document, entry)
    method = find_method(sweep.family, entry.method, place)
    of_tier = tier.presets.get(entry.method, tier.preset)
    preset = entry.preset or of_tier or next(iter(method.presets), None)
    if preset is not None and preset not in method.presets:
        where = place if entry.preset else tier_where
        raise unknown(f"preset of {method.name}", preset, method.presets, where)
    return Setup(
        family=sweep.family,
        task=task,
        method=entry.method,
        preset=preset,
        overrides={**tier.training, **sweep.training, **entry.training, **entry.settings},
        variant=entry.variant or entry.method,
        label=entry.label or method.label,
        labels={
            "tier": sweep.tier or "none",
            "sweep": sweep.name,
            "preset": preset or "none",
            "paper": method.paper,
            "reconstruction": str(method.reconstruction).lower(),
        },
        where=place,
    )


def _entry_place(sweep: SweepFile, document: Document, entry: MethodEntry) -> str:
    """Where an entry stands in the file; an entry that `--methods` added stands on the command line."""
    content = document.content["methods"]
    for position, written in enumerate(content):
        if MethodEntry.model_validate(written) == entry:
            return document.where("methods", position)
    return f"--methods {entry.method}"


def _position(document: Document, key: str, value: str) -> int:
    listed = document.content[key]
    return listed.index(value) if isinstance(listed, list) and value in listed else 0


def _check_stack(sweep: SweepFile, document: Document) -> None:
    axes = {"seed"} | {name for entry in sweep.methods for name in [*entry.grid, *entry.search]}
    for position, name in enumerate(sweep.stack):
        where = document.where("stack", position)
        if name not in axes:
            raise unknown("axis", name, axes, where)
        for entry in sweep.methods:
            method = find_method(sweep.family, entry.method, where)
            if name in entry.grid and name not in method.stackable:
                valid = ", ".join(sorted({"seed", *method.stackable}))
                raise RepriseError(f"{where}: '{name}' of {method.name} cannot differ within a stack; can: {valid}")


def _combinations(sweep: SweepFile, entry: MethodEntry) -> list[dict[str, Json]]:
    """Grid values in all combinations, each with every sample of a random search."""
    grids = [dict(zip(entry.grid, values, strict=True)) for values in itertools.product(*entry.grid.values())]
    if not entry.search or sweep.search is None:
        return grids
    from sweeps.search import drawn

    space = {name: domain.model_dump(exclude_none=True) for name, domain in entry.search.items()}
    samples = drawn(space, sweep.search.samples, sweep.search.seed)
    return [{**grid, **sample} for grid in grids for sample in samples]


def _search_plan(sweep: SweepFile, setup: Setup, entry: MethodEntry) -> SearchPlan:
    assert sweep.search is not None
    if entry.grid:
        raise RepriseError(
            f"{setup.where}: 'grid' beside an optuna search; put the values into 'search: {{choice: [...]}}'"
        )
    if len(sweep.seeds) > 1 and "seed" not in sweep.stack:
        raise RepriseError(f"{setup.where}: a search scores a sample by the mean over seeds, so write 'stack: [seed]'")
    space = {name: domain.model_dump(exclude_none=True) for name, domain in entry.search.items()}
    first = {name: next(iter(domain.values()))[0] for name, domain in space.items()}
    return SearchPlan(setup, space, sweep.seeds, sweep.search.samples, sweep.search.seed, setup.resolve(first))


def _check_cells(cells: Iterable[Cell]) -> None:
    """A run listed twice, or one variant name for two settings, would make a table ambiguous."""
    seen: dict[str, Cell] = {}
    variants: dict[tuple[str, str], Resolved] = {}
    for cell in cells:
        resolved = cell.resolved
        twin = seen.setdefault(resolved.identity(cell.seed), cell)
        if twin is not cell:
            raise RepriseError(
                f"{resolved.setup.where}: '{resolved.variant}' is the same run as '{twin.resolved.variant}' of"
                f" {twin.resolved.setup.where} (task {resolved.task.name}, seed {cell.seed}); remove one"
            )
        other = variants.setdefault((resolved.task.name, resolved.variant), resolved)
        if other is not resolved:
            raise RepriseError(
                f"{resolved.setup.where}: the variant name '{resolved.variant}' is taken by {other.setup.where}; give it"
                " another with 'as: NAME'"
            )


def _shown(axes: Axes) -> str:
    return ", ".join(
        f"{name}={value if isinstance(value, str) else canonical_json(value)}" for name, value in axes.items()
    )
