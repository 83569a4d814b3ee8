"""Reads the YAML file of a table or figure against its model; a fault names file, line, key and the nearest valid key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmarks.base import RepriseError, unknown

Text = Annotated[str, Field(min_length=1)]

Place = tuple[int | str, ...]
"""The way to a value: keys and list positions from the top."""


class Part(BaseModel):
    """A part of a specification: every key known, every type exact."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


PartT = TypeVar("PartT", bound=Part)


def spec_names(folder: Path) -> list[str]:
    """The specifications in a folder, by name."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def read_spec(model: type[PartT] | Mapping[str, type[PartT]], kind: str, name: str, folder: Path) -> PartT:
    """A specification by its name in the folder, or anybody's by the path of its YAML file.

    Where there are several models, the file's key `layout` names one of them; without that key it is the first. Raises
    RepriseError where there is no such file (`kind` says of what), where it is no YAML or has a key twice, and where it does not
    fit the model.
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
        model = _by_layout(model, content, path, lines)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise _explained(model, path, lines, error) from error


def _by_layout(models: Mapping[str, type[PartT]], content: Any, path: Path, lines: dict[Place, int]) -> type[PartT]:
    layout = content.get("layout") if isinstance(content, dict) else None
    if layout is None:
        return next(iter(models.values()))
    if not isinstance(layout, str) or layout not in models:
        raise unknown("layout", str(layout), models, f"{path}:{lines['layout',]}")
    return models[layout]


def _explained(model: type[Part], path: Path, lines: dict[Place, int], error: ValidationError) -> RepriseError:
    """One fault of a specification, a misspelt key before what is missing because of it."""
    faults = error.errors()
    fault = next((each for each in faults if each["type"] == "extra_forbidden"), faults[0])
    place: Place = fault["loc"]
    known = next(place[:end] for end in range(len(place), -1, -1) if place[:end] in lines)
    where = f"{path}:{lines[known]}: {'.'.join(map(str, place)) or 'the file'}"
    if fault["type"] == "extra_forbidden":
        return unknown("key", str(place[-1]), _model_at(model, place[:-1]).model_fields, where)
    return RepriseError(f"{where}: {fault['msg'].removeprefix('Value error, ')}")


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
