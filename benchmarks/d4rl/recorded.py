"""A data set that people recorded, by its task, whether or not it was imported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.base import Json, home
from benchmarks.d4rl.local_set import MANIFEST
from benchmarks.d4rl.manifest import read_json
from benchmarks.d4rl.tasks import OfflineTask


@dataclass(frozen=True)
class RecordedSet:
    """The one recorded set of a task."""

    task: OfflineTask

    @property
    def name(self) -> str:
        return f"recorded/{self.task.name}-v0"

    @property
    def folder(self) -> Path:
        return home() / "datasets" / self.name

    @property
    def command(self) -> str:
        """What imports it."""
        return self.task.command

    def manifest(self) -> dict[str, Json] | None:
        """What is written beside the data, or None while there are none."""
        path = self.folder / MANIFEST
        return read_json(path, f"remove {self.folder} and import it again: {self.command}") if path.exists() else None
