"""What building a frozen model needs whatever the model: its key, its random numbers, its precision, its files."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.base import Artifact, Json, Report, RepriseError, stream_seed
from benchmarks.d4rl.method import Source
from benchmarks.memory import keep_freed_memory

METRICS = "metrics.json"


def model_artifact(
    kind: str,
    version: int,
    source: Source,
    settings: Any,
    build: Callable[[Path, Report], None],
    needs: tuple[Artifact, ...] = (),
) -> Artifact:
    """An artifact named by the data's hash, every field of the settings dataclass and the model's version."""
    values = {name: _plain(value) for name, value in dataclasses.asdict(settings).items()}
    identity = {"dataset_hash": source.dataset_hash, "version": version, "settings": values}
    return Artifact(kind, identity, build, needs, label=f"{kind} of {source.task}")


def _plain(value: Json) -> Json:
    return list(value) if isinstance(value, tuple) else value


def model_generator(purpose: str, dataset_hash: str) -> torch.Generator:
    """The random numbers of a model's training: they depend on the purpose and on the data alone."""
    return torch.Generator().manual_seed(stream_seed(f"model.{purpose}", dataset_hash, 0))


def training_device() -> torch.device:
    """CUDA where there is one. Not part of a model's key, as a device is not part of a run's."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def training_conditions() -> Iterator[None]:
    """Full single-precision products inside, and an allocator that keeps what it freed.

    A shared model must not depend on the precision of the run that happened to build it.
    """
    keep_freed_memory()
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def save(folder: Path, name: str, state: Any, metrics: Mapping[str, Json]) -> None:
    """Write a model's state (`<name>.pt`) and what was measured while it was made (`metrics.json`)."""
    torch.save(state, folder / f"{name}.pt")
    (folder / METRICS).write_text(json.dumps(dict(metrics), indent=1))


def load(folder: Path, name: str, mmap: bool = False) -> Any:
    """Read what `save` wrote; raises RepriseError where the file is missing or not such a file."""
    path = folder / f"{name}.pt"
    try:
        return torch.load(path, weights_only=True, map_location="cpu", mmap=mmap)
    except Exception as error:
        raise RepriseError(
            f"{path}: not a readable model ({error}); remove the folder {folder} to build it again"
        ) from error


def floats(tensor: Tensor) -> list[float]:
    """A one-dimensional tensor as JSON."""
    return [float(value) for value in tensor]


def moved(value: Any, dtype: torch.dtype, device: torch.device) -> Any:
    """A tensor or a list of tensors on another device, floating-point ones in another precision."""
    if isinstance(value, list):
        return [moved(item, dtype, device) for item in value]
    return value.to(device, dtype) if value.is_floating_point() else value.to(device)
