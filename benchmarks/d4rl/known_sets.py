"""Every data set on this machine that has a manifest, whatever it is stored as: built here, recorded, or of D4RL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.base import Json, RepriseError
from benchmarks.d4rl import datasets, import_d4rl
from benchmarks.d4rl.own_set import OwnSet
from benchmarks.d4rl.tasks import task as find_task


@dataclass(frozen=True)
class KnownSet:
    """A set by name. `source` is what a sweep calls it (`local`, `recorded`, `d4rl`).

    `verify` reads it in full and raises RepriseError where it is damaged.
    """

    name: str
    task: str
    source: str
    manifest: Callable[[], dict[str, Json]]
    verify: Callable[[], None]

    def goes_by(self, name: str) -> bool:
        """Whether a name, which may lack the folder in front, is this set's."""
        return name in (self.name, self.name.rpartition("/")[2])


def known_sets() -> list[KnownSet]:
    """The suite's own sets by name, rebuilt and recorded, then D4RL files that were imported."""
    return [*map(_own, datasets.local_sets()), *map(_d4rl, import_d4rl.imported())]


def known_set(name: str, rows: int, seed: int) -> KnownSet:
    """The set of that name; a task's name means the suite's own set of `rows` and `seed`. RepriseError where there is none."""
    for existing in known_sets():
        if existing.goes_by(name):
            return existing
    wanted = datasets.own_set(find_task(name), rows, seed)
    if wanted.manifest() is None:
        raise RepriseError(wanted.absence)
    return _own(wanted)


def _own(existing: OwnSet) -> KnownSet:
    def manifest() -> dict[str, Json]:
        found = existing.manifest()
        assert found is not None, "a known set has a manifest"
        return found

    source = "recorded" if existing.task.recorded else "local"
    return KnownSet(existing.name, existing.task.name, source, manifest, lambda: datasets.verify(existing))


def _d4rl(existing: import_d4rl.Imported) -> KnownSet:
    about = existing.manifest
    return KnownSet(existing.name, about["task"], "d4rl", lambda: about, lambda: import_d4rl.verify(existing))
