"""Weights in files: a strict load that stops at the first doubt, and the export of a detector that plain mmdet loads."""

from __future__ import annotations

import os
import pickle
import re
import tempfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.base import Json, RepriseError
from benchmarks.file_hash import file_hash

SHOWN = 3
"""How many keys a message names."""


def load_strict(detector: nn.Module, path: Path, trusted: bool = False) -> dict[str, Any]:
    """Load a checkpoint into a detector and return its `meta` (empty where there is none).

    The file holds a state dictionary, plain or under `state_dict`; `module.` in front of keys is dropped, and mmdet's own
    conversions of old keys apply. `trusted` admits files that hold Python objects, which run code when loaded. Raises
    RepriseError naming the file, and the first keys, for a file that is absent or damaged, for missing, unexpected and
    mis-shaped keys, and for weights that are not finite; the detector's weights are then of no use.
    """
    checkpoint = _read(path, trusted)
    content = checkpoint.get("state_dict", checkpoint)
    if not isinstance(content, Mapping) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        raise RepriseError(f"{path}: holds no weights (a dictionary of tensors, plain or under 'state_dict')")
    state = OrderedDict((key.removeprefix("module."), value) for key, value in content.items())
    if hasattr(content, "_metadata"):
        state._metadata = content._metadata  # type: ignore[attr-defined]
    try:
        detector.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise RepriseError(f"{path}: does not belong to this {type(detector).__name__}: {_reason(error)}") from error
    broken = [name for name, value in detector.state_dict().items() if not torch.isfinite(value).all()]
    if broken:
        raise RepriseError(f"{path}: {_some(broken)} not finite; the file is damaged or its training diverged")
    meta = checkpoint.get("meta", {}) if "state_dict" in checkpoint else {}
    return dict(meta) if isinstance(meta, Mapping) else {}


def export_student(student: nn.Module, path: Path, meta: Mapping[str, Json], half: bool = False) -> Path:
    """Write a detector's weights and `meta` for mmdet: plain keys, on the CPU, without optimiser, teacher and losses.

    half: weights in float16 (they are single precision again once loaded). The file appears whole or not at all. Raises
    RepriseError for weights that are not finite, in float16 if that is asked for.
    """
    source = student.state_dict()
    state = OrderedDict((key, _stored(value, half)) for key, value in source.items())
    state._metadata = source._metadata  # type: ignore[attr-defined]
    broken = [key for key, value in state.items() if not torch.isfinite(value).all()]
    if broken:
        raise RepriseError(f"{path}: not written: {_some(broken)} not finite{' in float16' if half else ''}")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    try:
        torch.save({"meta": dict(meta), "state_dict": state}, scratch)
        os.chmod(scratch, 0o644)
        os.replace(scratch, path)
    finally:
        Path(scratch).unlink(missing_ok=True)
    return path


def sha256_of(path: Path) -> str:
    """sha256 (hexadecimal) of a file's bytes. Raises RepriseError where there is no such file."""
    if not path.is_file():
        raise RepriseError(f"{path}: no such checkpoint")
    return file_hash(path)


def _read(path: Path, trusted: bool) -> dict[str, Any]:
    if not path.is_file():
        raise RepriseError(f"{path}: no such checkpoint")
    try:
        found = torch.load(path, map_location="cpu", weights_only=not trusted)
    except pickle.UnpicklingError as error:
        if "Unsupported global" in str(error):
            raise RepriseError(
                f"{path}: holds Python objects besides weights, and loading these runs code from the file; "
                "if you trust where it comes from, say so (trusted)"
            ) from error
        raise RepriseError(f"{path}: damaged, or no checkpoint; fetch or train it again") from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError, ImportError) as error:
        raise RepriseError(
            f"{path}: damaged, or no checkpoint ({type(error).__name__}: {_line(error)}); fetch or train it again"
        ) from error
    if not isinstance(found, Mapping):
        raise RepriseError(f"{path}: holds a {type(found).__name__}, not a checkpoint's dictionary")
    return dict(found) if "state_dict" in found else {"state_dict": found}


def _stored(value: Tensor, half: bool) -> Tensor:
    """On the CPU, packed, and not sharing memory with the model."""
    value = value.detach().to("cpu", copy=True).contiguous()
    return value.half() if half and value.is_floating_point() else value


def _reason(error: RuntimeError) -> str:
    """torch's account of a failed strict load, cut to the first keys of each kind."""
    text = str(error)
    found = []
    for kind, title in (("missing", "Missing"), ("unexpected", "Unexpected")):
        listed = re.search(rf"{title} key\(s\) in state_dict: (.*?)\. ?$", text, re.MULTILINE)
        keys = re.findall(r'"([^"]+)"', listed[1]) if listed else []
        if keys:
            found.append(f"{len(keys)} {kind} ({_some(keys)})")
    shapes = re.findall(
        r"size mismatch for (\S+): .*?torch\.Size\((.*?)\) from checkpoint, .*?torch\.Size\((.*?)\)", text
    )
    if shapes:
        listed_shapes = [f"{key} {stored} in the file, {here} here" for key, stored, here in shapes]
        found.append(f"{len(shapes)} of another shape ({_some(listed_shapes)})")
    return "; ".join(found) or _line(error)


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:SHOWN]) + (", ..." if len(keys) > SHOWN else "")


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["no reason given"])[0]
