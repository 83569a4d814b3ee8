"""Reads the YAML file of a table or figure against its model; a fault names file, line, key and the nearest valid key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from benchmarks.base import RepriseError, unknown

Text = Annotated[str, Field(min_length=1)]

Place = tuple[int | str, ...]
"""The way to a value: keys and list positions from the top."""


class Part(BaseModel):
    """A part of a specification: every key known, every type exact."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    _path: Path | None = PrivateAttr(default=None)
    _lines: dict[Place, int] = PrivateAttr(default_factory=dict)

    def where(self, *place: int | str) -> str:
        """File and line of a place of a whole specification that was read from a file, else the place alone."""
        if self._path is None:
            return ".".join(map(str, place)) or "the specification"
        return f"{self._path}:{_nearest(self._lines, place)}"


class Misplaced(ValueError):
    """What validators of a whole specification raise: a fault, and the place at which it stands."""

    def __init__(self, message: str, *place: int | str) -> None:
        super().__init__(message)
        self.place: Place = place


PartT = TypeVar("PartT", bound=Part)


def spec_names(folder: Path) -> list[str]:
    """The specifications in a folder, by name."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def read_spec(
    model: type[PartT] | Mapping[str, type[PartT]], kind: str, name: str, folder: Path, key: str = "layout"
) -> PartT:
    """A specification by its name in the folder, or anybody's by the path of its YAML file.

    Where there are several models, the file's `key` names one of them; without that key it is the one that has a default for
    it. Raises RepriseError where there is no such file (`kind` says of what), where it is no YAML or has a key twice, and where
    it does not fit the model.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else folder / f"{name}.yaml"
    if not path.is_file():
        if path.parent != folder:
            raise RepriseError(f"no {kind} specification at {path}")
        raise unknown(kind, name, spec_names(folder))
    text = path.read_text(encoding="utf-8")
    try:
        node, content = yaml.compose(text, yaml.SafeLoader), yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise RepriseError(f"{path}:{line}: not YAML: {' '.join(str(error).split())}") from error
    lines = _lines(node, path)
    if isinstance(model, Mapping):
        model = _by_key(model, key, content, path, lines)
    try:
        spec = model.model_validate(content)
    except ValidationError as error:
        raise _explained(model, path, lines, error) from error
    spec._path, spec._lines = path, lines
    return spec


def _by_key(
    models: Mapping[str, type[PartT]], key: str, content: Any, path: Path, lines: dict[Place, int]
) -> type[PartT]:
    name = content.get(key) if isinstance(content, dict) else None
    if name is None:
        usual = [model for model in models.values() if not model.model_fields[key].is_required()]
        if not usual:
            raise RepriseError(f"{path}:{lines.get((key,), 1)}: {key}: Field required; valid: {', '.join(models)}")
        return usual[0]
    if not isinstance(name, str) or name not in models:
        raise unknown(key, str(name), models, f"{path}:{lines[key,]}")
    return models[name]


def _explained(model: type[Part], path: Path, lines: dict[Place, int], error: ValidationError) -> RepriseError:
    """One fault of a specification, a misspelt key before what is missing because of it."""
    faults = error.errors()
    fault = next((each for each in faults if each["type"] == "extra_forbidden"), faults[0])
    place: Place = fault["loc"]
    cause = fault.get("ctx", {}).get("error")
    if isinstance(cause, Misplaced):
        place += cause.place
    where = f"{path}:{_nearest(lines, place)}: {'.'.join(map(str, place)) or 'the file'}"
    if fault["type"] == "extra_forbidden":
        return unknown("key", str(place[-1]), _model_at(model, place[:-1]).model_fields, where)
    return RepriseError(f"{where}: {fault['msg'].removeprefix('Value error, ')}")


def _nearest(lines: Mapping[Place, int], place: Place) -> int:
    """The line of a place, or of the nearest one around it that stands in the file."""
    return next(lines[place[:end]] for end in range(len(place), -1, -1) if place[:end] in lines)


def _lines(node: yaml.Node | None, path: Path) -> dict[Place, int]:
    """The line of every place in a file; the file itself is the empty place."""
    lines: dict[Place, int] = {(): 1}
    for place, line in _walk(node, ()):
        if place in lines:
            raise RepriseError(
                f"{path}:{line}: {'.'.join(map(str, place))} is given twice (first on line {lines[place]})"
            )
        lines[place] = line
    return lines


def _walk(node: yaml.Node | None, place: Place) -> Iterator[tuple[Place, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (*place, key.value), key.start_mark.line + 1
            yield from _walk(value, (*place, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*place, index), value.start_mark.line + 1
            yield from _walk(value, (*place, index))


def _model_at(model: type[BaseModel], place: Place) -> type[BaseModel]:
    """The part of a model that stands at a place."""
    for name in place:
        if isinstance(name, str):
            model = next(_models(model.model_fields[name].annotation))
    return model


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models named in a type, however deep."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
