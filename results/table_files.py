"""The specifications of tables: `results/tables/*.yaml`, whose key `layout` says how a table is arranged."""

from __future__ import annotations

from pathlib import Path

from results.method_spec import MethodTableSpec
from results.spec_file import read_spec, spec_names
from results.table_spec import PaperSpec, TableSpec

FOLDER = Path(__file__).parent / "tables"

LAYOUTS: dict[str, type[PaperSpec]] = {"tasks": TableSpec, "methods": MethodTableSpec}
"""What the rows of a table are -> the model of its specification; a file that does not say has rows of tasks."""


def table_names() -> list[str]:
    """The tables of the suite."""
    return spec_names(FOLDER)


def load_spec(name: str) -> PaperSpec:
    """A table of the suite by its name, or anybody's by the path of its YAML file; raises RepriseError."""
    return read_spec(LAYOUTS, "table", name, FOLDER)
