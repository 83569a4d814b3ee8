"""What is written beside a data set: JSON files, and content hashes that its arrays are compared with before use."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.base import Json, RepriseError, content_key
from benchmarks.json_file import read_json

Arrays = Mapping[str, np.ndarray]


def record(array: np.ndarray) -> dict[str, Json]:
    """Shape, dtype and sha256 of the bytes (row-major, as in memory) of one array."""
    contiguous = np.ascontiguousarray(array)
    return {
        "shape": list(contiguous.shape),
        "dtype": contiguous.dtype.str,
        "sha256": hashlib.sha256(contiguous.view(np.uint8).reshape(-1).data).hexdigest(),
    }


def records(arrays: Arrays) -> dict[str, dict[str, Json]]:
    """`record` of every array by name; two at a time (hashlib works outside the interpreter's lock)."""
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(arrays, pool.map(record, arrays.values()), strict=True))


def content_hash(of: Mapping[str, Mapping[str, Json]]) -> str:
    """The hash of a set: sha256 over names, shapes, dtypes and digests of all its arrays."""
    return content_key({name: dict(entry) for name, entry in of.items()})


def changed(found: Mapping[str, Json], expected: Mapping[str, Json]) -> list[str]:
    """Names of the arrays whose record is not the expected one, those that are missing or new included."""
    return sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))


def read_manifest(path: Path, remedy: str) -> dict[str, Json]:
    """A JSON object in a file beside a set; raises RepriseError with the remedy where it is not one."""
    value = read_json(path, remedy)
    if not isinstance(value, dict):
        raise RepriseError(f"{path}: holds no JSON object; {remedy}")
    return value
