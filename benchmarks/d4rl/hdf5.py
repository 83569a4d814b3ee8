"""Original D4RL files (HDF5): finding them, checking them before use, reading their rows."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np

from benchmarks.base import RepriseError, home
from benchmarks.d4rl.environments import environment
from benchmarks.d4rl.tasks import LocomotionTask

Array = np.ndarray

REQUIRED = ("observations", "actions", "rewards", "terminals")
OPTIONAL = ("next_observations", "timeouts")


def folder() -> Path:
    """Where D4RL files lie: `$REPRISE_D4RL`, by default `<home>/d4rl`."""
    chosen = os.environ.get("REPRISE_D4RL")
    return Path(chosen).expanduser().absolute() if chosen else home() / "d4rl"


def find(task: LocomotionTask) -> Path:
    """The task's file, named as D4RL does (`hopper_medium-v2.hdf5`) or as the task (`hopper-medium-v2`, `hopper-medium`)."""
    names = [
        task.d4rl_name.removesuffix("-v2").replace("-", "_") + "-v2",
        task.d4rl_name,
        task.name,
    ]
    for name in names:
        if (folder() / f"{name}.hdf5").exists():
            return folder() / f"{name}.hdf5"
    raise RepriseError(
        f"no D4RL file for '{task.name}' in {folder()} (looked for {', '.join(f'{name}.hdf5' for name in names)}); put it there, "
        f"set REPRISE_D4RL to its folder, or build a local set: reprise data build {task.name}"
    )


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
