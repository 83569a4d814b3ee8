"""Original D4RL files (HDF5): finding them, checking them before use, reading their rows."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np

from benchmarks.base import Json, RepriseError, home
from benchmarks.d4rl.environments import LOCOMOTION, environment
from benchmarks.d4rl.manifest import read_manifest
from benchmarks.d4rl.tasks import OfflineTask

Array = np.ndarray

REQUIRED = ("observations", "actions", "rewards", "terminals")
OPTIONAL = ("next_observations", "timeouts")


def folder() -> Path:
    """Where D4RL files lie: `$REPRISE_D4RL`, by default `<home>/d4rl`."""
    chosen = os.environ.get("REPRISE_D4RL")
    return Path(chosen).expanduser().absolute() if chosen else home() / "d4rl"


def file_name(task: OfflineTask, version: str | None = None) -> str:
    """What D4RL calls the file of a task (`hopper_medium-v2.hdf5`, `door-human-v1.hdf5`), of its own version or another."""
    name, _, own = task.d4rl_name.rpartition("-")
    return f"{name.replace('-', '_') if task.environment in LOCOMOTION else name}-{version or own}.hdf5"


def older_versions(task: OfflineTask) -> list[str]:
    """The versions of a task's D4RL set before its own, newest first: other data, for which no claim is made."""
    own = int(task.d4rl_name.rpartition("-v")[2])
    return [f"v{number}" for number in reversed(range(own))]


def find(task: OfflineTask) -> Path:
    """The task's file, named as D4RL does (`hopper_medium-v2.hdf5`) or as the task (`hopper-medium-v2`, `hopper-medium`).

    An older version counts only where it was imported as such (it has a manifest), and only where the task's own is missing.
    """
    names = [file_name(task), f"{task.d4rl_name}.hdf5", f"{task.name}.hdf5"]
    for name in names:
        if (folder() / name).exists():
            return folder() / name
    for version in older_versions(task):
        path = folder() / file_name(task, version)
        if path.exists() and manifest_path(path).exists():
            return path
    raise RepriseError(
        f"no D4RL file for '{task.name}' in {folder()} (looked for {', '.join(names)}); import one: "
        f"reprise data import d4rl FILE, set REPRISE_D4RL to its folder, or take the suite's own set: {task.command}"
    )


def manifest_path(path: Path) -> Path:
    """Where the manifest of an imported file lies: beside it."""
    return path.with_suffix(".json")


def manifest(path: Path) -> dict[str, Json] | None:
    """What was written when a file was imported, or None for one that was put there by hand."""
    beside = manifest_path(path)
    return read_manifest(beside, f"remove {beside} and import the file again") if beside.exists() else None


def data_kind(task: OfflineTask) -> str:
    """What a table calls a task's D4RL data: `d4rl`, or `d4rl v0` where only that older version was imported."""
    try:
        about = manifest(find(task))
    except RepriseError:
        return "d4rl"
    return "d4rl" if about is None or about["dataset"] == task.d4rl_name else f"d4rl {about['version']}"


def read_rows(path: Path, env: str) -> dict[str, Array]:
    """The rows of a D4RL file as float32 and boolean arrays, checked against the environment's sizes.

    `next_observations` and `timeouts` are there where the file has them. Raises RepriseError naming file, key and row for missing
    keys, wrong shapes, values that are not finite numbers and flags other than 0 and 1.
    """
    try:
        with h5py.File(path, "r") as file:
            missing = [key for key in REQUIRED if key not in file]
            if missing:
                raise RepriseError(
                    f"{path}: no key '{missing[0]}' (has: {', '.join(sorted(file))}); download the file again"
                )
            rows = {key: _array(path, file, key) for key in (*REQUIRED, *OPTIONAL) if key in file}
    except OSError as error:
        raise RepriseError(f"{path}: not a readable HDF5 file ({error}); download it again") from error
    _check_shapes(path, rows, env)
    return {key: _checked(path, key, array) for key, array in rows.items()}


def _array(path: Path, file: h5py.File, key: str) -> Array:
    if not isinstance(file[key], h5py.Dataset):
        raise RepriseError(f"{path}: '{key}' is a group, an array is expected; download the file again")
    array = file[key][()]
    if key in ("rewards", "terminals", "timeouts") and array.ndim == 2 and array.shape[1] == 1:
        return array[:, 0]
    return array


def _check_shapes(path: Path, rows: dict[str, Array], env: str) -> None:
    spec, count = environment(env), len(rows["rewards"])
    states, actions = (spec.observation_dim,), (spec.action_dim,)
    widths = {"observations": states, "next_observations": states, "actions": actions}
    if count == 0:
        raise RepriseError(f"{path}: 'rewards' has no rows; download the file again")
    for key, array in rows.items():
        expected = (count, *widths.get(key, ()))
        if array.shape != expected:
            raise RepriseError(
                f"{path}: '{key}' has shape {array.shape}, {expected} expected for {env}; is this the file of another task?"
            )


def _checked(path: Path, key: str, array: Array) -> Array:
    if key in ("terminals", "timeouts"):
        wrong = (array != 0) & (array != 1)
        what = "neither 0 nor 1"
    else:
        array = array.astype(np.float32)
        wrong = ~np.isfinite(array)
        what = "not a finite number"
    if wrong.any():
        row = int(np.argwhere(wrong)[0][0])
        raise RepriseError(f"{path}: '{key}' row {row} is {what}; download the file again")
    return array.astype(bool) if key in ("terminals", "timeouts") else array
