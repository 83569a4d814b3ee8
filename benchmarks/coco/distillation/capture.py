"""The maps of a detector's neck: their strides and channels, and how they are caught during a forward pass.

Two places can be caught (specification, 1.3): `fpn_conv`, what `neck.fpn_convs.{i}.conv` puts out, and `neck`, what the neck
puts out. They differ where the neck normalises after the convolution, and where it adds a level by pooling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Self

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from benchmarks.base import RepriseError

Capture = Literal["fpn_conv", "neck"]


def strides(detector: nn.Module, capture: Capture) -> list[int]:
    """The stride of each map that can be caught, in pixels per cell, finest first; the head's prior generator knows them.

    Raises RepriseError for a detector without a neck, without `fpn_convs` where these are asked for, or without priors.
    """
    neck = _neck(detector)
    head = getattr(detector, "rpn_head", None)
    head = getattr(detector, "bbox_head", None) if head is None else head
    priors = getattr(getattr(head, "prior_generator", None), "strides", None)
    if priors is None:
        raise _refused(detector, "no head with a prior generator, so the strides of its maps are not known")
    found = [_square(detector, stride) for stride in priors]
    if capture == "neck":
        return found
    count = len(_output_convs(detector, neck))
    if count > len(found):
        raise _refused(detector, f"{count} output convolutions in its neck and a head for {len(found)} levels")
    return found[:count]


def channels(detector: nn.Module, capture: Capture) -> list[int]:
    """The channels of each map that can be caught, as many as `strides` gives. Raises RepriseError as `strides` does."""
    neck, count = _neck(detector), len(strides(detector, capture))
    if capture == "fpn_conv":
        return [int(conv.out_channels) for conv in _output_convs(detector, neck)]  # type: ignore[arg-type]
    width = getattr(neck, "out_channels", None)
    if not isinstance(width, int):
        raise _refused(detector, f"a neck ({type(neck).__name__}) that does not tell its out_channels")
    return [width] * count


class Captured:
    """While entered, keeps the maps of the detector's next forward pass; on leaving it lets go of hooks and maps.

    The hooks live only inside the `with`, so that copies of the detector carry none.
    """

    def __init__(self, detector: nn.Module, capture: Capture) -> None:
        neck = _neck(detector)
        self._detector = detector
        self._places: Sequence[nn.Module] = [neck] if capture == "neck" else _output_convs(detector, neck)
        self._levels = len(strides(detector, capture))
        self._handles: list[RemovableHandle] = []
        self._found: dict[int, tuple[Tensor, int]] = {}

    def __enter__(self) -> Self:
        for place, module in enumerate(self._places):
            self._handles.append(module.register_forward_hook(self._hook(place)))
        return self

    def __exit__(self, *error: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._found.clear()

    def maps(self) -> list[Tensor]:
        """The maps (N, C, H, W), finest first.

        Raises RepriseError where the pass left one out, and where a later module overwrote one in place.
        """
        if len(self._found) != self._levels:
            raise _refused(
                self._detector, f"{len(self._found)} maps caught in this pass, {self._levels} levels in its head"
            )
        for place, (caught, version) in self._found.items():
            if caught._version != version:
                raise _refused(
                    self._detector,
                    f"its map of level {place} overwritten in place after it was caught; try the other `capture`",
                )
        return [self._found[place][0] for place in range(self._levels)]

    def _hook(self, place: int) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, given: Any, result: Any) -> None:
            found = {place: result} if isinstance(result, Tensor) else dict(enumerate(result))
            if self._found.keys() & found.keys():
                raise _refused(self._detector, "two forward passes where one was expected")
            self._found |= {level: (value, value._version) for level, value in found.items()}

        return hook


def _neck(detector: nn.Module) -> nn.Module:
    neck = getattr(detector, "neck", None)
    if neck is None:
        raise _refused(detector, "no neck, so there are no levels to distil; choose a detector with an FPN")
    return neck


def _output_convs(detector: nn.Module, neck: nn.Module) -> list[nn.Module]:
    blocks = getattr(neck, "fpn_convs", None)
    if blocks is None or not all(hasattr(block, "conv") for block in blocks):
        raise _refused(detector, f"a neck ({type(neck).__name__}) without fpn_convs; use capture=neck")
    return [block.conv for block in blocks]


def _square(detector: nn.Module, stride: Any) -> int:
    sides = set(stride) if isinstance(stride, Sequence) else {stride}
    if len(sides) != 1:
        raise _refused(detector, f"a level whose strides differ in width and height ({stride})")
    return int(sides.pop())


def _refused(detector: nn.Module, why: str) -> RepriseError:
    return RepriseError(f"{type(detector).__name__} cannot be distilled: it has {why}")
