"""Weights that a packaged detector's backbone starts with, from a file on this machine and checked before anything trains."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import mmengine
import torch

from benchmarks.base import RepriseError
from benchmarks.coco.zoo import Detector, present
from benchmarks.detection import configs, install_ops

ZOO_WEIGHTS = "zoo"
FRESH = "fresh"

_TABLES = {
    "torchvision": "torchvision_0.12.json",
    "open-mmlab": "openmmlab.json",
    "openmmlab": "openmmlab.json",
}
"""Schemes of names, and mmengine's own lists of the files that they stand for."""


def backbone_weights(detector: Detector, backbone: Mapping[str, Any], chosen: str) -> Path | None:
    """The file that the backbone of a packaged configuration starts from; None for `fresh`.

    chosen: `zoo` (the file that the configuration names, in the checkpoints' folder), `fresh`, or a path. Raises RepriseError
    naming the file expected where it is missing, and the file and the tensor where it does not hold this backbone.
    """
    if chosen == FRESH:
        return None
    if chosen == ZOO_WEIGHTS:
        url = weights_url(backbone)
        path = present(PurePosixPath(urlsplit(url).path).name, f"the backbone weights of {detector.name}", url)
    else:
        path = Path(chosen).expanduser().absolute()
        if not path.is_file():
            raise RepriseError(f"{path}: no such file; backbone is '{ZOO_WEIGHTS}', '{FRESH}' or the path of a file")
    _check(path, backbone)
    return path


def weights_url(backbone: Mapping[str, Any]) -> str:
    """Where the weights that a packaged backbone names are published; raises RepriseError where it names none known."""
    asked = (backbone.get("init_cfg") or {}).get("checkpoint", "")
    scheme, found, name = asked.partition("://")
    if scheme in ("http", "https"):
        return str(asked)
    if not found or scheme not in _TABLES:
        raise RepriseError(f"the configuration names no pretrained backbone ('{asked}'); give its file, or '{FRESH}'")
    lists = Path(mmengine.__file__).parent / "hub"
    table = json.loads((lists / _TABLES[scheme]).read_text())
    renamed = json.loads((lists / "deprecated.json").read_text())
    url = table.get(renamed.get(name, name))
    if url is None:
        raise RepriseError(f"mmengine does not know '{asked}'; give the file of the backbone's weights, or '{FRESH}'")
    return str(url)


def _check(path: Path, backbone: Mapping[str, Any]) -> None:
    """Every tensor of the backbone is in the file, in its shape. mmengine itself only logs what does not fit."""
    if backbone.get("convert_weights"):  # a transformer whose file has other names; it converts them as it loads
        return
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError, ValueError, KeyError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise RepriseError(f"{path}: not readable as weights ({reason}); download it again") from error
    state = {name.removeprefix("module."): value for name, value in held.get("state_dict", held).items()}
    for name, value in _built(backbone).state_dict().items():
        # Files older than this counter do not have it.
        if name.endswith("num_batches_tracked"):
            continue
        there = state.get(name)
        if there is None or there.shape != value.shape:
            shape = f"of shape {tuple(there.shape)}" if there is not None else "missing"
            raise RepriseError(
                f"{path}: '{name}' is {shape}, and {backbone['type']}-{backbone.get('depth', '')} needs "
                f"{tuple(value.shape)}; take the weights of this backbone"
            )


def _built(backbone: Mapping[str, Any]) -> torch.nn.Module:
    install_ops()
    configs.quiet()
    from mmdet.registry import MODELS
    from mmdet.utils import register_all_modules

    register_all_modules(init_default_scope=True)
    with torch.random.fork_rng(devices=[]):
        return MODELS.build({**backbone, "init_cfg": None})
