"""Taking an original D4RL file (HDF5) into the data folder: recognised, checked whole, placed with a manifest."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from benchmarks.base import Json, RepriseError, unknown
from benchmarks.d4rl import hdf5, loaders
from benchmarks.d4rl.describe import QUANTILES
from benchmarks.d4rl.environments import LOCOMOTION, environment
from benchmarks.d4rl.manifest import changed, content_hash, records
from benchmarks.d4rl.scores import normalized_score
from benchmarks.d4rl.tasks import TASKS, OfflineTask
from benchmarks.d4rl.tasks import task as find_task

Array = np.ndarray

_NAME = re.compile(r"(?P<task>.+?)(-(?P<version>v\d+))?")
_OLD_KINDS = {"mixed": "medium-replay"}
"""What D4RL called a kind in v0."""


@dataclass(frozen=True)
class Imported:
    """A D4RL file in the data folder: its D4RL name with version, its place, its manifest, and whether it is new there."""

    name: str
    path: Path
    manifest: dict[str, Json]
    new: bool


def import_file(source: Path, task: str | None = None, version: str | None = None) -> Imported:
    """Place a D4RL file under D4RL's name in the folder where `dataset: d4rl` looks, whole or not at all.

    Task and version come from the file's name (`hopper_medium-v2.hdf5`) unless given. An older version than the task's must be
    asked for: it keeps its own name, and tables never call it the newer one. Raises RepriseError for a file that is not of the
    task (keys, shapes, values, flags), for a version that name and content do not bear out, and where another file is in the
    way.
    """
    if not source.is_file():
        raise RepriseError(f"{source}: no such file")
    known, said = _recognised(source, task)
    rows = hdf5.read_rows(source, known.environment)
    chosen, why = _version(source, known, version, said, "next_observations" in rows)
    target = hdf5.folder() / hdf5.file_name(known, chosen)
    about = {**_manifest(source, known, chosen, rows), "version_from": why}
    digest = about["source"]["sha256"]
    if target.exists() and _sha256(target) != digest:
        raise RepriseError(
            f"{target} exists and is another file; remove it and {hdf5.manifest_path(target).name} first"
        )
    stored = hdf5.manifest(target) if target.exists() else None
    if stored is not None and stored["source"]["sha256"] == digest:
        return Imported(stored["dataset"], target, stored, False)
    _place(source, target, about)
    return Imported(about["dataset"], target, about, True)


def _recognised(source: Path, task: str | None) -> tuple[OfflineTask, str | None]:
    """The task, and the version that the name given or the file's name says."""
    match = _NAME.fullmatch((task or source.stem).replace("_", "-"))
    assert match is not None
    name = match["task"]
    for old, new in _OLD_KINDS.items():
        if name.endswith(f"-{old}"):
            name = name.removesuffix(old) + new
    if task is None and name not in TASKS:
        raise unknown("task", name, TASKS, f"{source}: its name does not say the task; say it with --task")
    found = find_task(name)
    by_file = _NAME.fullmatch(source.stem.replace("_", "-"))
    return found, match["version"] or (by_file["version"] if by_file else None)


def _version(source: Path, task: OfflineTask, asked: str | None, said: str | None, with_next: bool) -> tuple[str, str]:
    """The version of the file, `v2`, and what says so: the option, else the name where that means the task's own.

    D4RL's v0 files of the locomotion tasks have no version in their names and no next_observations; later ones have both.
    """
    own, older = task.d4rl_name.rpartition("-")[2], hdf5.older_versions(task)
    if asked is not None:
        if asked not in (own, *older):
            raise unknown(f"version of {task.d4rl_name.rpartition('-')[0]}", asked, (own, *older))
        return asked, "--version says so"
    keep = f"to keep it under that name, say --version {{}}; tables will call it so and never {task.d4rl_name}"
    if said is not None and said != own:
        raise RepriseError(
            f"{source}: D4RL {said}, but '{task.name}' and its published numbers mean {task.d4rl_name}, which is other data; "
            f"get {hdf5.file_name(task)}, or, {keep.format(said)}"
        )
    if task.environment in LOCOMOTION and not with_next:
        raise RepriseError(
            f"{source}: no 'next_observations', which every {task.d4rl_name} file of D4RL has; its v0 files lack it. Get "
            f"{hdf5.file_name(task)}, or, {keep.format('v0')}. Where you know that it is {own}, say --version {own}"
        )
    return own, "its name says so" if said else "its name says no version, and its arrays are those of that version"


def _manifest(source: Path, task: OfflineTask, version: str, rows: Mapping[str, Array]) -> dict[str, Json]:
    """What is known of a file: the keys of a local set's manifest where they mean something here, and the file itself.

    `arrays` and `hash` are those of the rows as they are read (float32 and flags), `returns` those of complete episodes.
    """
    entries = records(rows)
    returns, lengths, terminated = _episodes(rows, environment(task.environment).time_limit)
    scores = normalized_score(task.d4rl_name, returns)
    count = len(returns)
    return {
        "dataset": f"{task.d4rl_name.rpartition('-')[0]}-{version}",
        "task": task.name,
        "version": version,
        "source": {"file": source.name, "size": source.stat().st_size, "sha256": _sha256(source)},
        "keys": _keys(source),
        "optional_keys": [key for key in hdf5.OPTIONAL if key in rows],
        "rows": len(rows["rewards"]),
        "episodes": count,
        "rows_after_last_episode": len(rows["rewards"]) - int(lengths.sum()),
        "hash": content_hash(entries),
        "arrays": entries,
        "mean_return": float(returns.mean()) if count else None,
        "mean_normalized_return": {"d4rl_references": float(scores.mean()) if count else None},
        "return_quantiles": {str(q): float(np.quantile(returns, q)) for q in QUANTILES} if count else None,
        "terminal_share": float(terminated.mean()) if count else None,
        "returns": [round(value, 4) for value in returns.tolist()],
        "lengths": lengths.tolist(),
    }


def _episodes(rows: Mapping[str, Array], time_limit: int) -> tuple[Array, Array, Array]:
    """Undiscounted returns, lengths and terminal flags of the complete episodes; time-outs by count where none are stored."""
    terminals = rows["terminals"]
    timeouts = rows.get("timeouts")
    if timeouts is None:
        timeouts = loaders.step_timeouts(terminals, time_limit, 0)
    ends = np.flatnonzero(terminals | timeouts)
    sums = np.concatenate([[0.0], np.cumsum(rows["rewards"], dtype=np.float64)])
    return np.diff(sums[[0, *(ends + 1)]]), np.diff(ends, prepend=-1), terminals[ends]


def _keys(source: Path) -> list[str]:
    """Every array of the file by its path in it, such as `infos/qpos`."""
    found: list[str] = []
    with h5py.File(source, "r") as file:
        file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    return sorted(found)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _place(source: Path, target: Path, about: Mapping[str, Json]) -> None:
    """Manifest first, then the file, each renamed when whole: what `dataset: d4rl` finds always has its manifest."""
    target.parent.mkdir(parents=True, exist_ok=True)
    manifest, scratch = hdf5.manifest_path(target), target.with_name(f".importing-{os.getpid()}-{target.name}")
    note = scratch.with_suffix(".json")
    try:
        if not target.exists():
            _linked_or_copied(source.resolve(), scratch)
            if _sha256(scratch) != about["source"]["sha256"]:
                raise RepriseError(f"{source}: changed while it was imported; import it again")
        note.write_text(json.dumps(about, indent=1))
        note.rename(manifest)
        if scratch.exists():
            scratch.rename(target)
    except OSError as error:
        raise RepriseError(f"{target}: could not be written ({error}); nothing was imported") from error
    finally:
        scratch.unlink(missing_ok=True)
        note.unlink(missing_ok=True)


def _linked_or_copied(source: Path, scratch: Path) -> None:
    try:
        os.link(source, scratch)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, scratch)


def imported() -> list[Imported]:
    """The D4RL files that were imported, by name."""
    found = []
    for path in sorted(hdf5.folder().glob("*.hdf5")):
        about = hdf5.manifest(path)
        if about is not None:
            found.append(Imported(about["dataset"], path, about, False))
    return found


def verify(one: Imported) -> None:
    """Read a file in full; raises RepriseError naming the arrays whose hash is not the manifest's, or the file itself."""
    remedy = "import the original file again"
    env = find_task(one.manifest["task"]).environment
    entries = records(hdf5.read_rows(one.path, env))
    expected = one.manifest["arrays"]
    altered = changed(entries, expected)
    if altered:
        raise RepriseError(
            f"{one.path}: the hash of {one.name} differs from its manifest ({', '.join(altered)} changed); it was altered or "
            f"damaged. Remove it, {remedy}"
        )
    if _sha256(one.path) != one.manifest["source"]["sha256"]:
        raise RepriseError(
            f"{one.path}: its rows agree with the manifest, other parts of the file do not; remove it, {remedy}"
        )
