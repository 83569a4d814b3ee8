"""The sources of claims: `results/published/sources.yaml`, and the bibliography of any claims as BibTeX."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
import yaml
from pydantic import Field, ValidationError

from benchmarks.base import RepriseError
from results.published import FOLDER
from results.spec_file import Part, Text

FILE = FOLDER / "sources.yaml"
FIELDS = ("author", "title", "booktitle", "year", "eprint", "archiveprefix", "note")
"""In the order in which an entry prints them."""


class Source(Part):
    """A bibliography entry, and the `names` by which tables and sources of claims mention it."""

    type: Literal["misc", "inproceedings"]
    names: Annotated[list[Text], Field(min_length=1)]
    title: Text
    author: Text | None = None
    booktitle: Text | None = None
    year: int | None = None
    eprint: Text | None = None
    archiveprefix: Text | None = None
    note: Text | None = None

    def mentioned(self, text: str) -> bool:
        """Whether a text names it, as a word of its own: `LFD README` is not in `xLFD README`."""
        return any(re.search(rf"(?<![\w+-]){re.escape(name)}(?![\w+])", text) for name in self.names)

    def bibtex(self, key: str) -> str:
        """The entry. Titles keep their capitals."""
        fields = {name: getattr(self, name) for name in FIELDS if getattr(self, name) is not None}
        fields["title"] = f"{{{self.title}}}"
        lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
        return "\n".join([f"@{self.type}{{{key},", *lines, "}"])


def load_sources(path: Path = FILE) -> dict[str, Source]:
    """Key -> entry. Raises RepriseError naming the file and the entry that is none."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise RepriseError(f"{path}: must map the key of each source to its entry")
    found = {}
    for key, entry in content.items():
        try:
            found[str(key)] = Source.model_validate(entry)
        except ValidationError as error:
            fault = error.errors()[0]
            raise RepriseError(f"{path}: {'.'.join(map(str, [key, *fault['loc']]))}: {fault['msg']}") from error
    return found


@cache
def _sources() -> dict[str, Source]:
    return load_sources()


def cited(table: str, source: str) -> list[str]:
    """The keys of what a claim of this table and source cites: its table's source first."""
    keys = [[key for key, entry in _sources().items() if entry.mentioned(text)] for text in (table, source)]
    return list(dict.fromkeys([*keys[0], *keys[1]]))


def bibliography(claims: pd.DataFrame) -> str:
    """BibTeX of everything the claims cite, by key. Raises RepriseError for a claim whose source has no entry."""
    entries = _sources()
    return "\n\n".join(entries[key].bibtex(key) for key in sorted(set(_keys(claims)))) + "\n"


def _keys(claims: pd.DataFrame) -> Iterator[str]:
    pairs: Iterable[tuple[str, str]] = set(zip(claims["table"], claims["source"], strict=True))
    for table, source in sorted(pairs):
        keys = cited(table, source)
        if not keys:
            raise RepriseError(f"{FILE}: no entry for the table '{table}' ({source}); add one with that name")
        yield from keys
