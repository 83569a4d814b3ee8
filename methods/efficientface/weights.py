"""Weights to start from, by path: the whole trunk, and of a detector whatever else fits (specification, 2.5, switch `init`)."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.base import RepriseError
from benchmarks.weights_folder import VARIABLE, checkpoints_folder
from methods.efficientface.network import Network
from methods.efficientface.settings import Settings

SHOWN = 3
"""How many keys a message names."""

WRAPPERS = ("module.", "network.", "trunk.", "backbone_net.", "backbone.", "model.")
"""What stands before a trunk's own names in files of several origins, from the outside in."""

UNCOUNTED = "num_batches_tracked"
"""A counter that older files lack and that nothing reads."""

_PORT_STEM = {"_conv_stem": "conv", "_bn0": "bn"}
_PORT_PARTS = {
    "_expand_conv": "expand_conv.conv",
    "_bn0": "expand_conv.bn",
    "_depthwise_conv": "depthwise_conv.conv",
    "_bn1": "depthwise_conv.bn",
    "_se_reduce": "se.conv1.conv",
    "_se_expand": "se.conv2.conv",
    "_project_conv": "linear_conv.conv",
    "_bn2": "linear_conv.bn",
}
"""Names of EfficientNet-PyTorch and of the EfficientDet ports built on it, which number blocks through and wrap convolutions."""

_PORT_BLOCK = re.compile(r"_blocks\.(\d+)\.(_\w+?)(?:\.conv)?\.(\w+)")
_PORT_OUTSIDE = re.compile(r"(_conv_stem|_bn0)(?:\.conv)?\.(\w+)")


class Loaded(NamedTuple):
    """Names of the network's tensors that came from the file, and of those that are new."""

    loaded: tuple[str, ...]
    new: tuple[str, ...]


def load_initial(network: Network, settings: Settings) -> Loaded:
    """Load what `init` says. imagenet: the trunk alone; coco_efficientdet: also what has the name and shape of the network's own.

    Raises RepriseError naming the file: where it is not there or not readable, where a tensor of the trunk is missing or of
    another shape, and where a weight is not finite.
    """
    own = [name for name in network.state_dict() if not name.endswith(UNCOUNTED)]
    if settings.init_file is None:
        return Loaded((), tuple(own))
    path = _found(settings.init_file, settings.init)
    state = _read(path)
    taken = _trunk(network.trunk, state, path, settings.backbone)
    if settings.init == "coco_efficientdet":
        taken |= _others(network, state)
    broken = [name for name, value in taken.items() if not torch.isfinite(value).all()]
    if broken:
        raise RepriseError(f"{path}: {_some(broken)} not finite; the file is damaged, fetch it again")
    network.load_state_dict(taken, strict=False)
    return Loaded(tuple(taken), tuple(name for name in own if name not in taken))


def _found(file: str, init: str) -> Path:
    """Relative names lie in the checkpoints' folder."""
    path = checkpoints_folder() / Path(file).expanduser()
    if path.is_file():
        return path
    raise RepriseError(
        f"{path}: no such file, and init {init} starts from it; put the weights there, give another init_file (relative names "
        f"lie in the folder that {VARIABLE} names), or set init to none and init_file to null"
    )


def _read(path: Path) -> dict[str, Tensor]:
    """Tensors by name, from a plain state dictionary or one under `state_dict`. Runs no code from the file."""
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError, ValueError, KeyError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise RepriseError(
            f"{path}: not readable as weights ({reason}); fetch it again, or save tensors alone"
        ) from error
    content = held.get("state_dict", held) if isinstance(held, Mapping) else None
    if not isinstance(content, Mapping) or not any(isinstance(value, Tensor) for value in content.values()):
        raise RepriseError(f"{path}: holds no weights (a dictionary of tensors, plain or under 'state_dict')")
    return {str(name): value for name, value in content.items() if isinstance(value, Tensor)}


def _trunk(trunk: nn.Module, state: Mapping[str, Tensor], path: Path, backbone: str) -> dict[str, Tensor]:
    """The trunk's tensors under the network's names; every one must be there."""
    places = block_places(trunk)
    named = {trunk_name(name, places): value for name, value in state.items()}
    taken = {}
    for name, value in trunk.state_dict().items():
        if name.endswith(UNCOUNTED):
            continue
        there = named.get(name)
        if there is None or there.shape != value.shape:
            said = "missing" if there is None else f"of shape {tuple(there.shape)}"
            raise RepriseError(
                f"{path}: '{name}' of the trunk is {said}, and EfficientNet-{backbone.upper()} at this width and depth needs "
                f"{tuple(value.shape)}; take the weights of this trunk"
            )
        taken[f"trunk.{name}"] = there
    return taken


def _others(network: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    own = network.state_dict()
    named = {name.removeprefix("module.").removeprefix("network."): value for name, value in state.items()}
    return {
        name: value
        for name, value in named.items()
        if name in own and not name.startswith("trunk.") and value.shape == own[name].shape
    }


def block_places(trunk: nn.Module) -> list[str]:
    """The names of the trunk's blocks, in order: `layers.1.0`, ..."""
    layers = trunk.get_submodule("layers")
    return [
        f"layers.{group}.{place}"
        for group, blocks in layers.named_children()
        if group != "0"
        for place, _ in blocks.named_children()
    ]


def trunk_name(name: str, places: list[str]) -> str:
    """A tensor's name in this trunk, from its name in mmdet, mmpretrain, EfficientNet-PyTorch or an EfficientDet port."""
    for wrapper in WRAPPERS:
        name = name.removeprefix(wrapper)
    block = _PORT_BLOCK.fullmatch(name)
    if block and block[2] in _PORT_PARTS and int(block[1]) < len(places):
        return f"{places[int(block[1])]}.{_PORT_PARTS[block[2]]}.{block[3]}"
    outside = _PORT_OUTSIDE.fullmatch(name)
    return f"layers.0.{_PORT_STEM[outside[1]]}.{outside[2]}" if outside else name


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
