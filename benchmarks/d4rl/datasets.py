"""Offline data as one flat table of transitions, whatever it was stored as."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from benchmarks.base import DatasetRef, Json, RepriseError, content_key, home, unknown
from benchmarks.d4rl import flat, hdf5, loaders, minari_store, rebuild
from benchmarks.d4rl.environments import environment
from benchmarks.d4rl.manifest import changed, content_hash, read_manifest, records
from benchmarks.d4rl.own_set import FLAT, MANIFEST, LocalSet, OwnSet, RecordedSet
from benchmarks.d4rl.tasks import OfflineTask
from benchmarks.d4rl.tasks import task as find_task

SOURCES = ("local", "recorded", "minari", "d4rl")
DEFAULT_ROWS = 100_000


@dataclass(frozen=True)
class Transitions:
    """N transitions in storage order, raw (no normalisation, no reward transform), float32 on the CPU.

    `terminals` is 1 only at a true terminal; `timeouts` is 1 where an episode was cut by the time limit (under loaders that drop
    the row at the limit: on the last row that is left). Every episode's rows are contiguous and end in a row with `terminals` or
    `timeouts` set (the last row may lack both). `meta` is the manifest.
    """

    name: str
    hash: str
    observations: Tensor  # (N, O)
    actions: Tensor  # (N, A)
    rewards: Tensor  # (N,)
    next_observations: Tensor  # (N, O)
    terminals: Tensor  # (N,)
    timeouts: Tensor  # (N,)
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rewards)


def load(
    task: OfflineTask | str, source: str = "local", rows: int = DEFAULT_ROWS, seed: int = 0, loader: str = "full"
) -> Transitions:
    """A task's transitions from a set that exists; its arrays are compared with their hashes on every load.

    `source` is `local` (built here; `rows` and `seed` name one), `recorded` (people's demonstrations, imported), `minari` (stock
    Minari sets) or `d4rl` (original HDF5 files); `loader` is one of `loaders.LOADERS`. `meta` is the set's manifest;
    `meta["loaded"]` holds what a run record wants: loader, rows, mean reward, hash of each array. Raises RepriseError where the
    set is missing or altered.
    """
    rule = loaders.check(loader)
    task = find_task(task) if isinstance(task, str) else task
    chosen = _stored(task, source, rows, seed)
    copy, stored = chosen.rows()
    arrays = loaders.apply(rule, stored, chosen.name, environment(task.environment).time_limit)
    loaded = {
        "loader": rule,
        "rows": len(arrays["rewards"]),
        "mean_reward": float(arrays["rewards"].mean(dtype=np.float64)),
        "arrays": dict(copy.arrays) if rule == "full" else records(arrays),
    }
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array)).to(torch.float32) for name, array in arrays.items()}
    return Transitions(chosen.name, _loaded_hash(copy.hash, rule), **tensors, meta={**chosen.about(), "loaded": loaded})


def dataset_ref(
    task: OfflineTask | str, source: str = "local", rows: int = DEFAULT_ROWS, seed: int = 0, loader: str = "full"
) -> DatasetRef:
    """Name and hash of what `load` would give; where it does not exist, how it is built or what the user must do.

    A local set that other behaviour policies made counts as missing: its artifact builds it anew.
    """
    rule = loaders.check(loader)
    task = find_task(task) if isinstance(task, str) else task
    if source == "local" and not task.recorded:
        return _local_ref(LocalSet(task, rows, seed), rule)
    try:
        chosen = _stored(task, source, rows, seed)
    except _Missing as error:
        return DatasetRef(f"{source}/{task.name}", None, None, str(error))
    return DatasetRef(chosen.name, _loaded_hash(chosen.copy().hash, rule))


def _local_ref(wanted: LocalSet, rule: str) -> DatasetRef:
    manifest = wanted.manifest()
    found = _loaded_hash(manifest["hash"], rule) if manifest else None
    try:
        artifact = rebuild.artifact(wanted)
    except RepriseError as error:  # no behaviour policy here: a set that was built elsewhere is taken as it is
        return DatasetRef(wanted.name, found, None, str(error))
    return DatasetRef(wanted.name, found if artifact.ready() else None, artifact, wanted.command)


def verify(wanted: OwnSet) -> None:
    """Read the Minari set and the flat copy of a set in full; raises RepriseError where a hash is not the manifest's."""
    chosen = _own(wanted)
    manifest = chosen.about()
    _check_hash(chosen.name, chosen.file, minari_store.read_rows(wanted.folder), manifest["hash"], manifest["arrays"])
    chosen.copy().read()


def own_set(task: OfflineTask, rows: int = DEFAULT_ROWS, seed: int = 0) -> OwnSet:
    """The suite's own set of a task, whether or not it exists; `rows` and `seed` name one of the rebuilt ones."""
    return RecordedSet(task) if task.recorded else LocalSet(task, rows, seed)


def local_sets() -> list[OwnSet]:
    """The suite's own sets that exist, rebuilt and imported, by name."""
    sets: list[OwnSet] = []
    for path in sorted((home() / "datasets").glob(f"*/*/{MANIFEST}")):
        manifest = read_manifest(path, f"remove {path.parent} and build or import the set again")
        sets.append(own_set(find_task(manifest["task"]), manifest.get("rows_wanted", 0), manifest.get("seed", 0)))
    return sets


# ---------------------------------------------------------------------------------------------------------------------


class _Missing(RepriseError):
    """The set is not there."""


@dataclass(frozen=True)
class _Stored:
    """A set that exists: its file, where its flat copy lies, how its rows are read, and the hash they must have (if known)."""

    name: str
    file: Path
    folder: Path
    read: Callable[[], dict[str, np.ndarray]]
    about: Callable[[], dict[str, Json]]
    expected: Callable[[], tuple[str, Mapping[str, Json]] | None]

    def copy(self) -> flat.FlatCopy:
        """The flat copy, made anew where there is none or the file changed since; raises RepriseError where the rows changed."""
        return self._opened()[0]

    def rows(self) -> tuple[flat.FlatCopy, dict[str, np.ndarray]]:
        """The flat copy and all its rows, compared with their hashes."""
        copy, rows = self._opened()
        return copy, copy.read() if rows is None else rows

    def _opened(self) -> tuple[flat.FlatCopy, dict[str, np.ndarray] | None]:
        expected, rows = self.expected(), None
        found = flat.FlatCopy.open(self.folder)
        if found is None or found.source != flat.stamp(self.file):
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self.folder}.lock"):
                found = flat.FlatCopy.open(self.folder)
                if found is None or found.source != flat.stamp(self.file):
                    rows = self.read()
                    _check_hash(
                        self.name, self.file, rows, *(expected or (found and found.hash, found.arrays if found else {}))
                    )
                    found = flat.write(self.folder, rows, self.file)
        if expected and found.hash != expected[0]:
            raise RepriseError(
                f"{self.folder}: this flat copy is not of {self.name}; remove the folder, it is made again"
            )
        return found, rows


def _check_hash(
    name: str, file: Path, rows: Mapping[str, np.ndarray], expected: str | None, arrays: Mapping[str, Json]
) -> None:
    if expected is None:
        return
    entries = records(rows)
    if content_hash(entries) != expected:
        altered = ", ".join(changed(entries, arrays))
        raise RepriseError(
            f"{file}: the hash of {name} differs from its manifest ({altered} changed); it was altered or damaged. "
            f"Remove it and build, import or fetch it again"
        )


def _stored(task: OfflineTask, source: str, rows: int, seed: int) -> _Stored:
    if source not in SOURCES:
        raise unknown("dataset source", source, SOURCES)
    if source in ("local", "recorded"):
        if task.recorded != (source == "recorded"):
            right = "recorded, not rebuilt" if task.recorded else "rebuilt, not recorded"
            fitting = "recorded" if task.recorded else "local"
            raise _Missing(f"the data of '{task.name}' are {right}; use dataset: {fitting} ({task.command})")
        return _own(own_set(task, rows, seed))
    return _minari(task) if source == "minari" else _d4rl(task)


def _own(wanted: OwnSet) -> _Stored:
    manifest = wanted.manifest()
    if manifest is None:
        raise _Missing(wanted.absence)
    return _Stored(
        wanted.name,
        wanted.folder / minari_store.HDF5,
        wanted.folder / FLAT,
        lambda: minari_store.read_rows(wanted.folder),
        lambda: manifest,
        lambda: (manifest["hash"], manifest["arrays"]),
    )


def _minari(task: OfflineTask) -> _Stored:
    if task.minari_id is None:
        raise _Missing(f"there is no Minari set for '{task.name}'; make one of our own: {task.command}")
    folder = minari_store.root() / task.minari_id
    if not (folder / minari_store.HDF5).exists():
        raise _Missing(
            f"Minari set {task.minari_id} is not in {minari_store.root()}; fetch it: reprise data fetch {task.minari_id}, "
            f"or make a set of our own: {task.command}"
        )
    return _Stored(
        task.minari_id,
        folder / minari_store.HDF5,
        home() / "flat" / task.minari_id,
        lambda: minari_store.read_rows(folder),
        lambda: {
            "dataset": task.minari_id,
            "minari": read_manifest(folder / minari_store.METADATA, "fetch the set again"),
        },
        lambda: None,
    )


def _d4rl(task: OfflineTask) -> _Stored:
    try:
        path = hdf5.find(task)
    except RepriseError as error:
        raise _Missing(str(error)) from None
    about = hdf5.manifest(path)
    name = about["dataset"] if about else task.d4rl_name
    return _Stored(
        name,
        path,
        home() / "flat" / "d4rl" / f"{path.stem}-{content_key(str(path))[:8]}",
        lambda: hdf5.read_rows(path, task.environment),
        lambda: {**(about or {}), "dataset": name, "file": str(path)},
        lambda: (about["hash"], about["arrays"]) if about else None,
    )


def _loaded_hash(stored: str, rule: str) -> str:
    """The hash of what a loader gives: that of the set itself for `full`, else of the set and the rule."""
    return stored if rule == "full" else content_key({"set": stored, "loader": rule})
