"""Recorded Adroit door demonstrations in the three layouts they are passed on in, read without running any code from the file.

- arrays (`.npz`): all episodes joined (`observations`, `actions`, `rewards`) and `episode_lengths`;
- pickle: the original demonstrations, a list of one mapping per episode (`observations`, `actions`, `rewards`, ...), written by
  Python 2 or 3;
- hdf5: D4RL's `door-human-v1.hdf5`, all episodes joined, the last row of each marked in `timeouts` or `terminals`.

Every layout stores as many observations as actions: row t is what was seen before action t, `rewards` what the step then paid.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from benchmarks.base import RepriseError
from benchmarks.d4rl.environments import DOOR

Array = np.ndarray

KEYS = ("observations", "actions", "rewards")

REMEDY = (
    "give the demonstrations of Adroit's door as arrays (.npz), as the original pickle or as D4RL's door-human-v1.hdf5"
)


@dataclass(frozen=True)
class Recording:
    """One episode as recorded: T rows, in the precision of the file."""

    observations: Array  # (T, 39)
    actions: Array  # (T, 28)
    rewards: Array  # (T,)


def read(path: Path) -> tuple[str, list[Recording]]:
    """The layout of a file (`npz`, `pickle`, `hdf5`; told by its first bytes) and its episodes.

    Raises RepriseError naming file, episode and key for a file of no layout, missing keys, wrong shapes, episodes of fewer than
    two steps and values that are not finite numbers.
    """
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise RepriseError(f"{path}: cannot be read ({error.strerror}); {REMEDY}") from error
    if start.startswith(b"PK\x03\x04"):
        return "npz", _checked(path, _read_npz(path))
    if start == b"\x89HDF\r\n\x1a\n":
        return "hdf5", _checked(path, _read_hdf5(path))
    return "pickle", _checked(path, _read_pickle(path))


def _checked(path: Path, episodes: Sequence[Mapping[str, Any]]) -> list[Recording]:
    if not episodes:
        raise RepriseError(f"{path}: holds no episode; {REMEDY}")
    return [_recording(f"{path}: episode {number}", episode) for number, episode in enumerate(episodes)]


def _recording(where: str, episode: Mapping[str, Any]) -> Recording:
    arrays = {}
    for key in KEYS:
        if key not in episode:
            raise RepriseError(f"{where}: no key '{key}'; {REMEDY}")
        try:
            arrays[key] = np.asarray(episode[key], dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise RepriseError(f"{where}: '{key}' holds no numbers ({error}); {REMEDY}") from None
    steps = len(arrays["observations"]) if arrays["observations"].ndim else 0
    if steps < 2:
        raise RepriseError(f"{where}: 'observations' has {steps} rows; at least 2 make a transition")
    for key, shape in zip(KEYS, ((steps, DOOR.observation_dim), (steps, DOOR.action_dim), (steps,)), strict=True):
        if arrays[key].shape != shape:
            raise RepriseError(
                f"{where}: '{key}' has shape {arrays[key].shape}, {shape} expected for {DOOR.name}; is it another task?"
            )
        wrong = ~np.isfinite(arrays[key])
        if wrong.any():
            raise RepriseError(f"{where}: '{key}' row {int(np.argwhere(wrong)[0][0])} is not a finite number")
    return Recording(**arrays)


# ---------------------------------------------------------------------------------------------------------------------
# Joined arrays


def _read_npz(path: Path) -> list[dict[str, Array]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            joined = {key: file[key] for key in (*KEYS, "episode_lengths") if key in file.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise RepriseError(f"{path}: not a readable .npz file ({error}); {REMEDY}") from error
    if "episode_lengths" not in joined:
        raise RepriseError(f"{path}: no key 'episode_lengths', so episodes cannot be told apart; {REMEDY}")
    lengths = joined.pop("episode_lengths")
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or (lengths < 0).any():
        raise RepriseError(f"{path}: 'episode_lengths' must list the number of steps of every episode")
    return _split(path, joined, np.cumsum(lengths))


def _read_hdf5(path: Path) -> list[dict[str, Array]]:
    flags = ("timeouts", "terminals")
    try:
        with h5py.File(path, "r") as file:
            joined = {key: file[key][()] for key in (*KEYS, *flags) if isinstance(file.get(key), h5py.Dataset)}
    except (OSError, RuntimeError) as error:
        raise RepriseError(f"{path}: not a readable HDF5 file ({error}); download it again") from error
    if "timeouts" not in joined:
        raise RepriseError(f"{path}: no key 'timeouts', so episodes cannot be told apart; download door-human-v1.hdf5")
    last = np.zeros(len(joined["timeouts"]), dtype=bool)
    for key in flags:
        if key in joined:
            flag = joined.pop(key).reshape(-1)
            if flag.shape != last.shape:
                raise RepriseError(f"{path}: '{key}' has {len(flag)} rows, {len(last)} expected; download it again")
            last |= flag.astype(bool)
    if len(last) and not last[-1]:
        raise RepriseError(f"{path}: the last row of 'timeouts' ends no episode; the file was cut, download it again")
    if "rewards" in joined:
        joined["rewards"] = joined["rewards"].reshape(-1)
    return _split(path, joined, np.flatnonzero(last) + 1)


def _split(path: Path, joined: Mapping[str, Array], ends: Array) -> list[dict[str, Array]]:
    """Episodes of joined arrays, given the rows before which they end."""
    rows = int(ends[-1]) if len(ends) else 0
    for key, array in joined.items():
        if array.shape[:1] != (rows,):
            raise RepriseError(f"{path}: '{key}' has shape {array.shape}, but the episodes have {rows} rows together")
    parts = {key: np.split(array, ends[:-1]) for key, array in joined.items()}
    return [{key: part[number] for key, part in parts.items()} for number in range(len(ends))]


# ---------------------------------------------------------------------------------------------------------------------
# The original pickle

_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")
_NUMERIC = ("numpy.core.numeric", "numpy._core.numeric")
_ALLOWED = {
    **{(module, name): (_MULTIARRAY[1], name) for module in _MULTIARRAY for name in ("_reconstruct", "scalar")},
    **{(module, "_frombuffer"): (_NUMERIC[1], "_frombuffer") for module in _NUMERIC},
    ("numpy", "ndarray"): ("numpy", "ndarray"),
    ("numpy", "dtype"): ("numpy", "dtype"),
    ("_codecs", "encode"): ("_codecs", "encode"),  # how Python 3 writes bytes in the old protocols
}
"""What a demonstration pickle may name, and where that is now. Lists, mappings, numbers and texts need no name."""


class _ArraysOnly(pickle.Unpickler):
    """Rebuilds plain containers and NumPy arrays, and refuses to look up anything else: a pickle is a program."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise RepriseError(f"it names {module}.{name}, which no demonstration needs; do not open this file")
        return super().find_class(*_ALLOWED[module, name])


def _read_pickle(path: Path) -> list[Mapping[str, Any]]:
    try:
        with path.open("rb") as file:
            content = _ArraysOnly(file, encoding="latin1").load()
    except RepriseError as error:
        raise RepriseError(f"{path}: refused, {error}") from None
    except Exception as error:  # a damaged pickle raises whatever its last opcode trips over
        raise RepriseError(f"{path}: not a readable pickle ({type(error).__name__}: {error}); {REMEDY}") from error
    if not isinstance(content, (list, tuple)) or not all(isinstance(episode, Mapping) for episode in content):
        raise RepriseError(f"{path}: holds a {type(content).__name__}, a list of one mapping per episode is expected")
    return list(content)
