"""mmdet's packaged configurations: found by name, freed of what a run without network and worker processes cannot have, built."""

from __future__ import annotations

import copy
import importlib.util
import logging
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.logging import MMLogger
from torch import nn

from benchmarks.base import RepriseError, unknown
from benchmarks.detection.ops.extension import install_ops

FETCHED = (
    "http://",
    "https://",
    "torchvision://",
    "modelzoo://",
    "open-mmlab://",
    "openmmlab://",
    "mmcls://",
    "detectron2://",
)
"""How the name of a file begins that mmengine would fetch from a model zoo."""

LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")


@cache
def packaged_folder() -> Path:
    """Where the installed mmdet keeps its configurations; raises RepriseError where there is none.

    mmengine's own `get_config('mmdet::...')` needs pkg_resources, which current setuptools no longer has.
    """
    found = importlib.util.find_spec("mmdet")
    folder = Path(found.origin).parent / ".mim" / "configs" if found and found.origin else None
    if folder is None or not folder.is_dir():
        raise RepriseError(
            "mmdet's packaged configurations are not installed (mmdet/.mim/configs): install mmdet 3.3.0"
        )
    return folder


@cache
def packaged_names() -> tuple[str, ...]:
    """Every packaged configuration as `folder/file`, without `.py`; shared parts (`_base_`) are not models."""
    folder = packaged_folder()
    files = (path.relative_to(folder).with_suffix("") for path in folder.rglob("*.py"))
    return tuple(sorted(file.as_posix() for file in files if file.parts[0] != "_base_"))


def packaged(name: str) -> Config:
    """A packaged configuration as mmdet ships it, by `folder/file` or by the file's name alone, with or without `.py`.

    Raises RepriseError for an unknown name (with the nearest one), for a file name that several folders have, and for a
    configuration that needs a library which is not installed (mmpretrain, timm).
    """
    asked = name.removesuffix(".py")
    names = packaged_names()
    matches = [known for known in names if asked in (known, known.rsplit("/", 1)[-1])]
    if not matches:
        # Compared like with like: a bare name is nearest to a bare name.
        known = names if "/" in asked else [item.rsplit("/", 1)[-1] for item in names]
        raise unknown("packaged mmdet configuration", asked, known)
    if len(matches) > 1:
        raise RepriseError(f"packaged mmdet configuration '{name}' is ambiguous; write one of {', '.join(matches)}")
    try:
        return Config.fromfile(packaged_folder() / f"{matches[0]}.py")
    except ImportError as error:
        raise RepriseError(
            f"packaged mmdet configuration '{matches[0]}' needs a library that is not installed: {error.__cause__ or error}"
        ) from error


def local(config: Config) -> Config:
    """A copy that trains without network and worker processes.

    Weights from a model zoo become None (fresh initialisation), nothing is loaded from elsewhere, and data are read in the
    process itself: mmengine forces the start method `fork`, which is unsafe beside threads and slower for small images.
    """
    config = copy.deepcopy(config)
    for part in _parts(config._cfg_dict):
        _forget_weights(part)
    config.load_from = None
    for name in LOADERS:
        if config.get(name) is not None:
            config[name].update(num_workers=0, persistent_workers=False)
    return config


def _parts(value: Any) -> Iterator[ConfigDict]:
    """Every dictionary in a configuration, outermost first."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _parts(item)


def _forget_weights(part: ConfigDict) -> None:
    rules = part.get("init_cfg")
    if isinstance(rules, dict) and "checkpoint" in rules:
        part["init_cfg"] = None
    elif isinstance(rules, list):
        part["init_cfg"] = [rule for rule in rules if "checkpoint" not in rule] or None
    if isinstance(part.get("pretrained"), (str, bool)):
        part["pretrained"] = None if isinstance(part["pretrained"], str) else False


def build_detector(model: dict[str, Any]) -> nn.Module:
    """A detector from the `model` part of a configuration, with its weights initialised.

    Plain dictionaries are taken as well: mmdet trains with them, but its heads read test settings by attribute. Installs the
    operators and registers mmdet's modules. Raises RepriseError where a part would fetch weights from a model zoo.
    """
    install_ops()
    quiet()
    model = ConfigDict(model)
    for part in _parts(model):
        for key, value in part.items():
            if isinstance(value, str) and value.startswith(FETCHED):
                raise RepriseError(
                    f"model asks for weights from {value} ({key}); use configs.local, or give the path of a file instead"
                )
    from mmdet.registry import MODELS
    from mmdet.utils import register_all_modules

    register_all_modules(init_default_scope=True)
    detector = MODELS.build(model)
    detector.init_weights()
    return detector


def quiet() -> None:
    """mmengine's logger at ERROR: `init_weights` alone writes a line per parameter."""
    if not MMLogger.check_instance_created("mmengine"):
        MMLogger.get_instance("mmengine", log_level="ERROR")
    MMLogger.get_instance("mmengine").setLevel(logging.ERROR)
