"""A local data set by what it is made of, whether or not it exists."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.base import Json, home
from benchmarks.d4rl.manifest import read_json
from benchmarks.d4rl.recipes import PARTS
from benchmarks.d4rl.tasks import TASKS, OfflineTask

MANIFEST = "manifest.json"
FLAT = "flat"


@dataclass(frozen=True)
class LocalSet:
    """`rows` rows of a task per behaviour policy, collected from `seed`."""

    task: OfflineTask
    rows: int
    seed: int

    @property
    def name(self) -> str:
        return f"local/{self.task.name}-v5-n{self.rows}-s{self.seed}-v0"

    @property
    def folder(self) -> Path:
        return home() / "datasets" / self.name

    @property
    def parts(self) -> tuple[LocalSet, ...]:
        """The sets it is put together from; none where it is collected."""
        kinds = PARTS.get(self.task.kind, ())
        return tuple(LocalSet(TASKS[f"{self.task.environment}-{kind}"], self.rows, self.seed) for kind in kinds)

    @property
    def command(self) -> str:
        """What builds it."""
        return f"reprise data build {self.task.name} --rows {self.rows} --seed {self.seed}"

    def manifest(self) -> dict[str, Json] | None:
        """What is written beside the data, or None while there are none."""
        path = self.folder / MANIFEST
        return read_json(path, f"remove {self.folder} and build it again: {self.command}") if path.exists() else None
