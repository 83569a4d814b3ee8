"""Which runs enter a table or figure: of one tier, of the newest versions, and in a cell differing only in their seed."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

import numpy as np
import pandas as pd

from benchmarks.base import TIERS, Json, RepriseError, canonical_json, unknown
from results.collect import CURVE

SCORED = ("finished", "diverged")
"""The statuses of runs that have a score; a run stopped early never enters a table."""

IDENTITY = ("dataset_hash", "task_version", "method_version", "settings", "training")
"""What runs of one cell must have in common: a run key without its seed."""

DATA = ("dataset_hash", "task_version")
"""What runs of one row must have in common."""

CUT = "early"
"""The tier whose runs end long before the paper's, made for curves: beside other tiers it is shown only where it is asked for."""

MISSING = "not set"


class NothingRun(RepriseError):
    """There is no run to choose from."""


@dataclass(frozen=True)
class Condition:
    """`field=value` for the runs of one column, or of every column (`column` None).

    Fields are columns of the tidy table and `settings.<name>`, `training.<name>`. Said of every column, a condition does not
    judge runs that lack the field: methods differ in their settings.
    """

    column: str | None
    field: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Condition:
        """From `field=value` or `column:field=value`; raises RepriseError."""
        left, equals, value = text.partition("=")
        column, colon, name = left.rpartition(":")
        if not equals or not name or (colon and not column):
            raise RepriseError(f"--where '{text}': write [COLUMN:]FIELD=VALUE, such as ilq:settings.eta=0.5")
        return cls(column or None, name, value)

    def admits(self, run: Mapping[str, Json]) -> bool:
        """Whether a run may stay."""
        if self.column is None:
            return facts(run).get(self.field, self.value) == self.value
        return run["variant"] != self.column or facts(run).get(self.field) == self.value


@dataclass(frozen=True)
class Alias:
    """Runs of `variant` whose settings have these values count as runs of the variant `meant`."""

    variant: str
    settings: Mapping[str, Json]
    meant: str

    def admits(self, settings: Mapping[str, Json]) -> bool:
        """Whether a run with these settings is such a run."""
        return all(settings.get(name) == value for name, value in self.settings.items())


@dataclass(frozen=True)
class Scope:
    """What a table or figure can show: tasks and variants of a family, by one metric. `name` begins its messages."""

    name: str
    family: str
    metric: str
    tasks: Sequence[str]
    variants: Sequence[str]
    aliases: Sequence[Alias] = ()


def named_by(scope: Scope, frame: pd.DataFrame) -> pd.DataFrame:
    """The tidy table with the runs of a scope's family and tasks under the names that the scope has for them."""
    ours = (frame["family"] == scope.family) & frame["task"].isin(list(scope.tasks))
    for alias in scope.aliases:
        mine = ours & (frame["variant"] == alias.variant)
        settings = frame.loc[mine, "settings"]
        meant = [place for place, text in settings.items() if alias.admits(json.loads(str(text)))]
        frame = frame.assign(variant=frame["variant"].mask(frame.index.isin(meant), alias.meant))
    return frame


@dataclass(frozen=True)
class Choice:
    """What a user asked to see. `keys`, where given, are the only runs considered (those of one sweep)."""

    statistic: str
    tier: str | None = None
    where: Sequence[Condition] = ()
    keys: Collection[str] | None = None


@dataclass(frozen=True)
class Selection:
    """The chosen runs, one row each with its score in `value`, and what was left out and must be said."""

    runs: pd.DataFrame
    tier: str
    statistic: str
    remarks: tuple[str, ...] = field(default=())

    def of(self, task: str, variant: str) -> pd.DataFrame:
        """The runs of a cell."""
        return self.runs.take(self._places.get((task, variant), []))

    @cached_property
    def _places(self) -> dict[tuple[str, str], np.ndarray]:
        return cast("dict[tuple[str, str], np.ndarray]", self.runs.groupby(["task", "variant"]).indices)


def select(scope: Scope, frame: pd.DataFrame, choice: Choice) -> Selection:
    """The runs of the tidy table that a table or figure shows.

    Raises RepriseError where there are none, where several tiers are at hand and none was chosen, where the runs of a cell
    differ in more than their seed, or those of a row in their data.
    """
    runs = _candidates(scope, frame, choice)
    tier = _one_tier(scope, runs, choice.tier)
    runs = runs[runs["tier"] == tier]
    runs, remarks = _newest(runs)
    _refuse_mixtures(scope, runs, ["task", "variant"], IDENTITY)
    _refuse_mixtures(scope, runs, ["task"], DATA)
    _refuse_unscored(runs)
    return Selection(runs.reset_index(drop=True), tier, choice.statistic, remarks)


def facts(run: Mapping[str, Json]) -> dict[str, str]:
    """Everything a run can be chosen by, as text: its columns, settings and training."""
    known = {name: str(value) for name, value in run.items() if name not in ("settings", "training") and value != ""}
    for group in ("settings", "training"):
        known.update({f"{group}.{name}": _text(value) for name, value in json.loads(run[group]).items()})
    return known


def _candidates(scope: Scope, frame: pd.DataFrame, choice: Choice) -> pd.DataFrame:
    """Scored runs of the table's tasks and columns that the choice admits, with their score."""
    frame = named_by(scope, frame)
    ours = frame[
        (frame["family"] == scope.family)
        & frame["task"].isin(list(scope.tasks))
        & frame["variant"].isin(list(scope.variants))
        & (frame["metric"] == scope.metric)
        & frame["status"].isin(SCORED)
    ]
    if choice.keys is not None:
        ours = ours[ours["run_key"].isin(set(choice.keys))]
    if ours.empty:
        narrowed = " among the chosen ones" if choice.keys is not None else ""
        raise NothingRun(f"{scope.name}: no finished run{narrowed} for any of its cells; `reprise run` makes them")
    scored = ours[ours["statistic"] == choice.statistic]
    if scored.empty:
        raise RepriseError(
            f"{scope.name}: its runs have no statistic '{choice.statistic}' of {scope.metric}; "
            f"they have {_listed(sorted(set(ours['statistic']) - {CURVE}))}"
        )
    if "tier" not in scored:
        scored = scored.assign(tier="")
    return _admitted(scope, scored, choice.where)


def _admitted(scope: Scope, runs: pd.DataFrame, where: Sequence[Condition]) -> pd.DataFrame:
    for condition in where:
        records = _records(runs)
        if condition.column is not None and condition.column not in scope.variants:
            raise unknown("column", condition.column, scope.variants, "--where")
        known = {name for record in records for name in facts(record)}
        if condition.field not in known:
            raise unknown("field", condition.field, known, "--where")
        runs = runs[[condition.admits(record) for record in records]]
        if runs.empty:
            raise RepriseError(f"{scope.name}: no run has {condition.field}={condition.value}")
    return runs


def _one_tier(scope: Scope, runs: pd.DataFrame, tier: str | None) -> str:
    present = sorted(set(runs["tier"]), key=lambda name: (TIERS.index(name) if name in TIERS else len(TIERS), name))
    if tier is not None:
        if tier not in present:
            raise RepriseError(f"{scope.name}: no run of tier '{tier}'; there are runs of {_listed(present)}")
        return tier
    whole = [name for name in present if name != CUT] or present
    if len(whole) > 1:
        raise RepriseError(
            f"{scope.name}: there are runs of the tiers {_listed(present)}, which are never mixed; "
            "choose one with --tier"
        )
    return str(whole[0])


def foremost(tiers: Collection[str]) -> list[str]:
    """Tiers, the nearest to the paper first, and last those whose runs were cut."""
    return sorted(tiers, key=lambda name: (name == CUT, -TIERS.index(name) if name in TIERS else 1, name))


def _newest(runs: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Runs of the newest version of each task and each column's method: a version is raised to replace the last."""
    current = runs[runs["task_version"] == runs.groupby("task")["task_version"].transform("max")]
    current = current[current["method_version"] == current.groupby("variant")["method_version"].transform("max")]
    old = runs[~runs["run_key"].isin(current["run_key"])]
    remarks = [
        f"{len(group)} of {variant} (method version {versions})"
        for variant, group in old.groupby("variant", sort=True)
        for versions in [_listed(sorted(set(group["method_version"])))]
    ]
    return current, tuple(remarks)


def _refuse_mixtures(scope: Scope, runs: pd.DataFrame, place: list[str], names: Sequence[str]) -> None:
    """Raise where runs of one cell or row, those equal in `place`, differ in what they must have in common."""
    groups = runs.groupby(place, sort=False)
    if groups[list(names)].nunique(dropna=False).gt(1).any(axis=None):
        for _, found in groups:
            _refuse_mixture(scope, found, names)


def _refuse_mixture(scope: Scope, runs: pd.DataFrame, names: Sequence[str]) -> None:
    """Raise, saying in what, where some runs differ."""
    if len(runs[list(names)].drop_duplicates()) == 1:
        return
    known = [facts(record) for record in _records(runs)]
    groups = tuple(f"{name}." for name in names if name in ("settings", "training"))
    fields = sorted({name for run in known for name in run if name in names or name.startswith(groups)})
    values = {name: sorted({run.get(name, MISSING) for run in known}) for name in fields}
    faults = {name: found for name, found in values.items() if len(found) > 1}
    name, value = next((name, value) for name, found in faults.items() for value in found if value != MISSING)
    differences = "; ".join(f"{name} ({_listed(found, ' or ')})" for name, found in faults.items())
    variants, task = sorted(set(runs["variant"])), runs["task"].iloc[0]
    column = f"{variants[0]}:" if len(variants) == 1 else ""
    raise RepriseError(
        f"{scope.name}: the runs of {_listed(variants)} on {task} do not belong together, they differ in {differences}; "
        f"choose, as with --where '{column}{name}={value}', or name the runs of one sweep with --keys"
    )


def _refuse_unscored(runs: pd.DataFrame) -> None:
    bad = runs[~runs["value"].abs().lt(float("inf"))]
    if len(bad):
        run = bad.iloc[0]
        raise RepriseError(
            f"{run['place']}: run {run['run_key'][:12]} ({run['variant']} on {run['task']}, seed {run['seed']}) has the score "
            f"{run['value']}; a run without a score must not count as finished, remove it and run it again"
        )


def _records(runs: pd.DataFrame) -> list[dict[str, Json]]:
    return cast("list[dict[str, Json]]", runs.to_dict("records"))


def _text(value: Json) -> str:
    return value if isinstance(value, str) else canonical_json(value)


def _listed(values: Sequence[object], word: str = ", ") -> str:
    return word.join(map(str, values))
