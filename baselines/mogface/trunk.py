"""MogFace's trunk: mmdet's ResNet with every batch norm trained, and its weights from a file."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import nn

from baselines.mogface.settings import Settings
from benchmarks.base import RepriseError
from benchmarks.detection import install_ops

install_ops()

from mmdet.models.backbones.resnet import Bottleneck, ResNet  # noqa: E402

FRESH = "fresh"


class ReleasedResNet152(ResNet):
    """What the released code calls ResNet-152: four blocks in the second stage instead of eight (D11)."""

    arch_settings = {152: (Bottleneck, (3, 4, 36, 3))}


def build_trunk(settings: Settings) -> Any:
    """C2..C5 at strides 4 to 32, the stride in the 3x3 convolution. Weights are drawn by `init_weights`."""
    kind = ReleasedResNet152 if settings.r152_stage2 == "released" else ResNet
    return kind(
        depth=settings.depth,
        base_channels=settings.width,
        stem_channels=settings.width,
        out_indices=(0, 1, 2, 3),
        style="pytorch",
        frozen_stages=-1,
        norm_cfg={"type": "BN", "requires_grad": True},
        norm_eval=False,
    )


def trunk_channels(settings: Settings) -> list[int]:
    """Channels of C2 to C5."""
    expansion = 4 if settings.depth >= 50 else 1
    return [settings.width * expansion * 2**stage for stage in range(4)]


def load_trunk(trunk: nn.Module, file: str) -> None:
    """Fill a trunk from a file of ImageNet weights with torchvision's names; the classifier in it is not used.

    Raises RepriseError, naming the file and the tensor, where it is absent, not readable, or of another trunk.
    """
    path = Path(file).expanduser().absolute()
    if not path.is_file():
        raise RepriseError(f"{path}: no such file; trunk_weights is '{FRESH}' or the path of a file")
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
        state = {name.removeprefix("module."): value for name, value in held.get("state_dict", held).items()}
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError, ValueError, KeyError, AttributeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise RepriseError(f"{path}: not readable as weights ({reason}); download it again") from error
    wanted = {n: value for n, value in trunk.state_dict().items() if not n.endswith("num_batches_tracked")}
    for name, value in wanted.items():
        there = state.get(name)
        if there is None or there.shape != value.shape:
            found = f"of shape {tuple(there.shape)}" if there is not None else "missing"
            raise RepriseError(
                f"{path}: '{name}' is {found}, and this trunk needs {tuple(value.shape)}; take the weights of this ResNet"
            )
    trunk.load_state_dict({name: state[name] for name in wanted}, strict=False)
