"""Flat copies of data sets: one `.npy` file per array, read in one go, and hashed every time they are read.

Minari sets of many short episodes take a fifth of a millisecond per episode to read; a flat copy of a million rows takes a
fraction of a second. A copy knows the file it was made from by size and modification time.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.base import Json, RepriseError
from benchmarks.d4rl.manifest import Arrays, content_hash, read_manifest, records

_INDEX = "index.json"


def stamp(path: Path) -> dict[str, int]:
    """Size in bytes and modification time in nanoseconds of the file a copy is made from."""
    status = path.stat()
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns}


@dataclass(frozen=True)
class FlatCopy:
    """The arrays of one set with their records. `source` is the stamp of the file they were read from."""

    folder: Path
    hash: str
    arrays: Mapping[str, Mapping[str, Json]]
    source: Mapping[str, int]

    @classmethod
    def open(cls, folder: Path) -> FlatCopy | None:
        """The copy in a folder, or None where there is none."""
        if not (folder / _INDEX).exists():
            return None
        index = read_manifest(folder / _INDEX, _remedy(folder))
        try:
            return cls(folder, index["hash"], index["arrays"], index["source"])
        except KeyError as error:
            raise RepriseError(f"{folder / _INDEX}: no {error}; {_remedy(folder)}") from None

    def read(self) -> dict[str, np.ndarray]:
        """All arrays; raises RepriseError where a file is missing or differs from its record."""
        try:
            arrays = {name: np.load(self.folder / f"{name}.npy", allow_pickle=False) for name in self.arrays}
        except (OSError, ValueError) as error:
            raise RepriseError(f"{self.folder}: unreadable flat copy ({error}); {_remedy(self.folder)}") from error
        for name, entry in records(arrays).items():
            if entry != self.arrays[name]:
                file = self.folder / f"{name}.npy"
                raise RepriseError(
                    f"{file}: its hash differs from its manifest, so it was altered or damaged; {_remedy(self.folder)}"
                )
        return arrays


def _remedy(folder: Path) -> str:
    return f"remove {folder}, it is made again from the data set"


def write(folder: Path, arrays: Arrays, source: Path) -> FlatCopy:
    """Write a copy, whole or not at all, in place of an older one. The caller holds the lock where others may write too."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder.parent))
    try:
        with ThreadPoolExecutor(2) as pool:
            saving = [
                pool.submit(np.save, scratch / f"{name}.npy", np.ascontiguousarray(arrays[name])) for name in arrays
            ]
            entries = records(arrays)
            for job in saving:
                job.result()
        copy = FlatCopy(folder, content_hash(entries), entries, stamp(source))
        index = {"hash": copy.hash, "arrays": copy.arrays, "source": copy.source}
        (scratch / _INDEX).write_text(json.dumps(index, indent=1))
        shutil.rmtree(folder, ignore_errors=True)
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return copy
