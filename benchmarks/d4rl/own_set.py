"""The suite's own data sets by what they are made of, whether or not they exist."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from benchmarks.base import Json, home
from benchmarks.d4rl.manifest import read_manifest
from benchmarks.d4rl.recipes import PARTS
from benchmarks.d4rl.tasks import TASKS, OfflineTask

MANIFEST = "manifest.json"
FLAT = "flat"


@dataclass(frozen=True)
class OwnSet(ABC):
    """A set of the suite's own, rebuilt or imported (`verb`: what `command` does to have it)."""

    task: OfflineTask
    verb: ClassVar[str]

    @property
    @abstractmethod
    def name(self) -> str:
        """The Minari id."""

    @property
    @abstractmethod
    def command(self) -> str:
        """What makes it."""

    @property
    def folder(self) -> Path:
        return home() / "datasets" / self.name

    @property
    def absence(self) -> str:
        """What to say where it does not exist."""
        return f"data set {self.name} does not exist; {self.verb} it: {self.command}"

    def manifest(self) -> dict[str, Json] | None:
        """What is written beside the data, or None while there are none."""
        path = self.folder / MANIFEST
        remedy = f"remove {self.folder} and {self.verb} it again: {self.command}"
        return read_manifest(path, remedy) if path.exists() else None


@dataclass(frozen=True)
class LocalSet(OwnSet):
    """`rows` rows of a task per behaviour policy, collected from `seed`."""

    rows: int
    seed: int
    verb: ClassVar[str] = "build"

    @property
    def name(self) -> str:
        return f"local/{self.task.name}-v5-n{self.rows}-s{self.seed}-v0"

    @property
    def parts(self) -> tuple[LocalSet, ...]:
        """The sets it is put together from; none where it is collected."""
        kinds = PARTS.get(self.task.kind, ())
        return tuple(LocalSet(TASKS[f"{self.task.environment}-{kind}"], self.rows, self.seed) for kind in kinds)

    @property
    def command(self) -> str:
        return f"reprise data build {self.task.name} --rows {self.rows} --seed {self.seed}"


@dataclass(frozen=True)
class RecordedSet(OwnSet):
    """The one set of a task that people recorded."""

    verb: ClassVar[str] = "import"

    @property
    def name(self) -> str:
        return f"recorded/{self.task.name}-v0"

    @property
    def command(self) -> str:
        return self.task.command
