"""Reads YAML and remembers on which line every key stands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.base import Json, RepriseError

Place = tuple[str | int, ...]
"""The way to a value: keys and list positions from the top."""


class _Loader(yaml.SafeLoader):
    """The safe loader, reading `1e-3` as a number (YAML 1.1 wants `1.0e-3`)."""


_FLOAT = re.compile(r"[-+]?(\d[\d_]*)(\.[\d_]*)?[eE][-+]?\d+")
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789"))


@dataclass(frozen=True)
class Document:
    """The content of a YAML file and the line of every place in it (1-based)."""

    path: Path
    content: Json
    lines: dict[Place, int]

    def where(self, *place: str | int) -> str:
        """`file:line: key path` of a place, or of the nearest place above it that the file has."""
        known = place
        while known and known not in self.lines:
            known = known[:-1]
        return f"{_shown(self.path)}:{self.lines.get(known, 1)}: {dotted(place)}".removesuffix(": ")


def dotted(place: Place) -> str:
    """A place as people write it: `methods[1].settings.eta`."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def read(path: Path) -> Document:
    """Load a YAML file; RepriseError (with file and line) where it is missing, malformed or has a key twice."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RepriseError(f"{_shown(path)}: cannot read it: {error}") from error
    loader: Any = _Loader(text)
    try:
        node = loader.get_single_node()
        lines: dict[Place, int] = {}
        if node is not None:
            _note_lines(node, (), lines, path)
        content = loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise RepriseError(f"{_shown(path)}{line}: not valid YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise RepriseError(f"{_shown(path)}: not valid YAML: {error}") from error
    finally:
        loader.dispose()
    return Document(path, content, lines)


def _note_lines(node: yaml.Node, place: Place, lines: dict[Place, int], path: Path) -> None:
    lines.setdefault(place, node.start_mark.line + 1)
    if node.tag.endswith(":float") and node.value.lower().endswith((".nan", ".inf")):
        where = f"{_shown(path)}:{node.start_mark.line + 1}: {dotted(place)}"
        raise RepriseError(
            f'{where} is {node.value}, which no run key can hold; write "inf" where a setting takes infinity'
        )
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _note_lines(item, (*place, index), lines, path)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*place, str(key.value))
            if here in lines:
                line = key.start_mark.line + 1
                raise RepriseError(
                    f"{_shown(path)}:{line}: {dotted(here)} is given twice (first on line {lines[here]})"
                )
            lines[here] = key.start_mark.line + 1
            _note_lines(value, here, lines, path)


def _shown(path: Path) -> str:
    """The path as short as it can be: relative to the working directory where it lies inside."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
