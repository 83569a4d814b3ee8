"""What a sweep's YAML and a family's tiers may say. Every key is checked; errors name file, line, key and the nearest key."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from benchmarks.base import TIERS, Json, RepriseError, unknown
from sweeps.yaml_lines import Document, dotted, read

CONFIGS = Path(__file__).with_name("configs")
TIER_FILES = Path(__file__).with_name("tiers")


class _Checked(BaseModel):
    """A mapping whose unknown keys are errors with the nearest valid key."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        valid = [field.alias or name for name, field in cls.model_fields.items()]
        for key in value:
            if key not in valid:
                context = {"key": str(key), "problem": str(unknown("key", str(key), valid))}
                raise PydanticCustomError("unknown_key", "{problem}", context)
        return value


def _listed(value: Any) -> Any:
    """A single name stands for a list of one."""
    return [value] if isinstance(value, str) else value


def _counted(value: Any) -> Any:
    """`3` stands for the seeds 0, 1, 2."""
    if isinstance(value, bool):
        raise PydanticCustomError("seeds", "a number of seeds or a list of seeds")
    return list(range(value)) if isinstance(value, int) else value


def _distinct(values: list[Any]) -> list[Any]:
    for position, value in enumerate(values):
        if value in values[:position]:
            raise PydanticCustomError("twice", "{value} is listed twice; remove one", {"value": repr(value)})
    return values


def _tier_name(value: str) -> str:
    if value not in TIERS:
        raise PydanticCustomError("unknown", "{problem}", {"problem": str(unknown("tier", value, TIERS))})
    return value


TierName = Annotated[str, AfterValidator(_tier_name)]
Seed = Annotated[int, Field(ge=0, strict=True)]
Values = Annotated[list[Json], Field(min_length=1)]


class Domain(_Checked):
    """A Ray search space of one setting: exactly one of the forms below (bounds: low, high)."""

    uniform: tuple[float, float] | None = None
    loguniform: tuple[float, float] | None = None
    randint: tuple[int, int] | None = None
    choice: Values | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Domain:
        given = [(name, value) for name, value in self if value is not None]
        if len(given) != 1:
            raise PydanticCustomError("domain", "give exactly one of uniform, loguniform, randint, choice")
        name, value = given[0]
        if name != "choice" and not (value[0] < value[1] and all(map(math.isfinite, value))):
            raise PydanticCustomError("bounds", "bounds must be [low, high] with low < high")
        if name == "loguniform" and value[0] <= 0:
            raise PydanticCustomError("bounds", "loguniform needs bounds above 0")
        return self


class MethodEntry(_Checked):
    """A method of the sweep: a preset, changed settings, and settings that run through several values.

    `as` names the variant (default: the method's name), `label` its column. `grid` makes runs of every combination of its
    values; `search` lets the sweep's search algorithm choose.
    """

    method: str
    preset: str | None = None
    variant: str | None = Field(default=None, alias="as")
    label: str | None = None
    settings: dict[str, Json] = {}
    training: dict[str, Json] = {}
    grid: dict[str, Annotated[Values, BeforeValidator(_listed)]] = {}
    search: dict[str, Domain] = {}

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        return {"method": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _set_once(self) -> MethodEntry:
        for values in self.grid.values():
            _distinct(values)
        kinds: list[Mapping[str, Any]] = [self.settings, self.training, self.grid, self.search]
        seen: set[str] = set()
        for name in [name for kind in kinds for name in kind]:
            if name in seen:
                message = "'{name}' is set twice (in settings, training, grid or search)"
                raise PydanticCustomError("twice", message, {"name": name})
            seen.add(name)
        return self


class Resources(_Checked):
    """What one trial occupies: CPU cores (also its torch threads) and GPUs (fractions share a GPU)."""

    cpu: Annotated[int, Field(ge=1)] = 1
    gpu: Annotated[float, Field(ge=0)] = 0


class Asha(_Checked):
    """Asynchronous successive halving (Li et al. 2020) over trials of the same task and method, by the stack's mean score.

    `grace_period` is the percentage of training before which no trial stops.
    """

    grace_period: Annotated[float, Field(gt=0, lt=100)] = 10
    reduction_factor: Annotated[float, Field(gt=1)] = 3
    brackets: Annotated[int, Field(ge=1)] = 1


class Scheduler(_Checked):
    """A Ray scheduler that may stop trials early."""

    asha: Asha


class Search(_Checked):
    """Who chooses the values of `search:` settings, and how many samples per task and method."""

    algorithm: Literal["random", "optuna"] = "random"
    samples: Annotated[int, Field(ge=1)]
    seed: int = 0


class SweepFile(_Checked):
    """A sweep: tasks x methods x seeds, the tier, and how runs share trials."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    family: str
    about: str = ""
    tier: TierName | None = None
    tasks: Annotated[list[str], Field(min_length=1), BeforeValidator(_listed)]
    seeds: Annotated[list[Seed], Field(min_length=1), BeforeValidator(_counted)]
    methods: Annotated[list[MethodEntry], Field(min_length=1)]
    training: dict[str, Json] = {}
    stack: Annotated[list[str], BeforeValidator(_listed)] = []
    resources: Resources = Resources()
    scheduler: Scheduler | None = None
    search: Search | None = None

    @model_validator(mode="after")
    def _whole(self) -> SweepFile:
        if self.search is None and any(entry.search for entry in self.methods):
            raise PydanticCustomError(
                "search", "a method has search spaces, so the sweep needs 'search: {samples: ...}'"
            )
        if self.search is not None and not any(entry.search for entry in self.methods):
            raise PydanticCustomError("search", "'search' is given, but no method has search spaces")
        return self


class Tier(_Checked):
    """What a tier sets: training overrides, and the preset of every method (`presets` before `preset` before its first)."""

    about: str = ""
    training: dict[str, Json] = {}
    preset: str | None = None
    presets: dict[str, str] = {}


class TierFile(_Checked):
    """The tiers of a family."""

    family: str
    tiers: dict[TierName, Tier]


ModelT = TypeVar("ModelT", bound=BaseModel)


def load_sweep(name: str) -> tuple[SweepFile, Document]:
    """A sweep by the name of a file in `sweeps/configs` or by path."""
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        path = CONFIGS / f"{name}.yaml"
        if not path.exists():
            raise unknown("sweep", name, sweep_names(), "sweeps/configs (a path must end in .yaml)")
    document = read(path)
    sweep = _validated(SweepFile, document)
    for place, values in (("seeds", sweep.seeds), ("tasks", sweep.tasks), ("stack", sweep.stack)):
        check_distinct(values, document.where(place))
    return sweep, document


def check_distinct(values: list[Any], where: str) -> None:
    """Raise RepriseError where a value is listed twice."""
    for position, value in enumerate(values):
        if value in values[:position]:
            raise RepriseError(f"{where}: {value!r} is listed twice; remove one")


def sweep_names() -> list[str]:
    """Names of the sweeps in `sweeps/configs`."""
    return sorted(path.stem for path in CONFIGS.glob("*.yaml"))


@cache
def load_tiers(path: Path, family: str) -> tuple[TierFile, Document]:
    """A family's tiers."""
    document = read(path)
    tiers = _validated(TierFile, document)
    if tiers.family != family:
        raise RepriseError(
            f"{document.where('family')}: is '{tiers.family}', but this file holds the tiers of '{family}'"
        )
    return tiers, document


def _validated(model: type[ModelT], document: Document) -> ModelT:
    if not isinstance(document.content, Mapping):
        raise RepriseError(f"{document.where()}: expected a mapping of keys to values")
    try:
        return model.model_validate(document.content)
    except ValidationError as error:
        raise RepriseError("\n".join(_line(item, document) for item in error.errors())) from None


def _line(item: Any, document: Document) -> str:
    place = item["loc"] + ((item["ctx"]["key"],) if item["type"] == "unknown_key" else ())
    if item["type"] == "missing":
        return f"{document.where(*place[:-1])}: key '{dotted(place)}' is missing"
    shown = "" if item["type"] in ("unknown_key", "unknown", "twice", "search") else f" (got {item['input']!r})"
    return f"{document.where(*place)}: {item['msg']}{shown}"
