"""Which rows and columns a paper's table has: `results/tables/*.yaml`, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from benchmarks.base import RepriseError, unknown

FOLDER = Path(__file__).parent / "tables"

STATISTICS = {
    "last": "at the last evaluation",
    "final10": "mean of the final ten evaluations",
    "best": "at the best evaluation",
}
"""The statistics of a run that a table may show, and how its caption says so."""

Text = Annotated[str, Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class RowSpec(_Part):
    """A task of ours, and its name among the claims (None: nothing published)."""

    task: Text
    claim: str | None = None


class GroupSpec(_Part):
    """Rows that belong together, under a head if they have one."""

    label: str = ""
    rows: Annotated[list[RowSpec], Field(min_length=1)]


class TotalSpec(_Part):
    """The total's head, and its task and metric among the claims."""

    label: Text
    claim: str | None = None
    metric: str | None = None


class ColumnSpec(_Part):
    """A variant of our runs (`id`), its head, and the method's name among the claims (None: nothing published).

    An `optional` column is shown only where it has runs.
    """

    id: Text
    label: Text
    claim: str | None = None
    optional: bool = False


class ClaimsSpec(_Part):
    """Where published numbers come from: per statistic the claim tables, the first that has a number wins.

    `dataset` names the data behind them, `data_kind` the kind of data on which ours may be compared with them.
    """

    dataset: Text
    data_kind: Text
    tables: Annotated[dict[str, Annotated[list[Text], Field(min_length=1)]], Field(min_length=1)]


class TableSpec(_Part):
    """A table of a paper. The first statistic under `claims.tables` is the default one."""

    id: Text
    title: Text
    family: Text
    metric: Text
    metric_label: Text
    higher_is_better: bool
    decimals: Annotated[int, Field(ge=0, le=6)] = 1
    claims: ClaimsSpec
    groups: Annotated[list[GroupSpec], Field(min_length=1)]
    total: TotalSpec | None = None
    columns: Annotated[list[ColumnSpec], Field(min_length=1)]

    @model_validator(mode="after")
    def _once_and_known(self) -> TableSpec:
        for kind, names in (("task", self.tasks), ("column", [column.id for column in self.columns])):
            for name in names:
                if names.count(name) > 1:
                    raise ValueError(f"{kind} '{name}' is listed twice")
        for statistic in self.claims.tables:
            if statistic not in STATISTICS:
                raise ValueError(f"claims.tables has no statistic '{statistic}'; valid: {', '.join(STATISTICS)}")
        return self

    @property
    def tasks(self) -> list[str]:
        """Our tasks, in the paper's order."""
        return [row.task for group in self.groups for row in group.rows]

    def statistic(self, name: str | None) -> str:
        """The statistic asked for, or the default one; raises RepriseError where this table does not know it."""
        if name is None:
            return next(iter(self.claims.tables))
        if name not in self.claims.tables:
            raise unknown("statistic", name, self.claims.tables, f"table {self.id}")
        return name


def table_names() -> list[str]:
    """The tables of the suite."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_spec(name: str) -> TableSpec:
    """A table of the suite by its name, or anybody's by the path of its YAML file."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else FOLDER / f"{name}.yaml"
    if not path.is_file():
        if path.parent != FOLDER:
            raise RepriseError(f"no table specification at {path}")
        raise unknown("table", name, table_names())
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return TableSpec.model_validate(content)
    except yaml.YAMLError as error:
        raise RepriseError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        raise _explained(path, error) from error


def _explained(path: Path, error: ValidationError) -> RepriseError:
    """One fault of a specification, a misspelt key before what is missing because of it: file, key, nearest valid key."""
    faults = error.errors()
    fault = next((each for each in faults if each["type"] == "extra_forbidden"), faults[0])
    where = ".".join(map(str, fault["loc"])) or "the file"
    if fault["type"] == "extra_forbidden":
        return unknown("key", str(fault["loc"][-1]), _keys(fault["loc"]), f"{path}: {where}")
    return RepriseError(f"{path}: {where}: {fault['msg'].removeprefix('Value error, ')}")


def _keys(location: tuple[int | str, ...]) -> list[str]:
    """The keys that are valid where an unknown one was found."""
    parents: dict[str, type[BaseModel]] = {
        "groups": GroupSpec,
        "rows": RowSpec,
        "total": TotalSpec,
        "columns": ColumnSpec,
        "claims": ClaimsSpec,
    }
    names = [part for part in location[:-1] if isinstance(part, str)]
    part: type[BaseModel] = parents[names[-1]] if names else TableSpec
    return list(part.model_fields)
