"""What a detector costs: parameters, and multiply-accumulates at a stated input size, by mmengine's counter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.analysis import FlopAnalyzer
from torch import Tensor, nn

INPUT = (3, 800, 1280)
"""Channels, height, width: the size behind the figures that are usually printed for mmdet's models."""

TOOL = "mmengine FlopAnalyzer"

PRODUCTS = ("conv", "linear", "addmm")
"""The tool's names for convolutions and linear layers."""


@dataclass(frozen=True)
class Parameters:
    """How many numbers a model has, and how many of them training changes."""

    all: int
    trainable: int


@dataclass(frozen=True)
class Complexity:
    """A row's cost: parameters, multiply-accumulates of one forward pass, at which input, counted by which tool.

    `product_macs` are those of convolutions and linear layers alone, as papers on face detection count; `macs` also holds what
    the tool finds in normalisation and resizing.
    """

    parameters: Parameters
    macs: float
    product_macs: float
    input: tuple[int, int, int]
    tool: str = TOOL


def count_parameters(parameters: Iterable[nn.Parameter]) -> Parameters:
    """The sizes of some parameters, each counted once: `model.parameters()`, or those of a part."""
    kept = {id(parameter): parameter for parameter in parameters}.values()
    return Parameters(sum(p.numel() for p in kept), sum(p.numel() for p in kept if p.requires_grad))


class _TensorMode(nn.Module):
    """A detector as a function of an image alone: its raw outputs, without losses and suppression of the final boxes."""

    def __init__(self, detector: nn.Module, sample: Any) -> None:
        super().__init__()
        self.detector, self.sample = detector, sample

    def forward(self, image: Tensor) -> Any:
        return self.detector(image, data_samples=[self.sample], mode="tensor")


def measure(detector: nn.Module, size: tuple[int, int, int] = INPUT) -> Complexity:
    """The cost of one image of (channels, height, width). Papers call these multiply-accumulates FLOPs.

    One traced forward pass on the detector's own device; at 800 x 1280 on one CPU core 5 to 15 s, or 30 s with two stages.
    Deformable convolution and RoIAlign are not counted. Two-stage detectors are counted at the proposals that they find, and
    those with masks also at their detections.
    """
    from mmdet.structures import DetDataSample

    height, width = size[1:]
    shape = dict.fromkeys(("img_shape", "ori_shape", "pad_shape", "batch_input_shape"), (height, width))
    sample = DetDataSample(metainfo={**shape, "scale_factor": (1.0, 1.0)})
    parameters = list(detector.parameters())
    image = torch.zeros(1, *size, device=parameters[0].device)
    training = detector.training
    detector.eval()
    try:
        with torch.no_grad():
            counter = FlopAnalyzer(_TensorMode(detector, sample), (image,))
            counter.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
            macs = float(counter.total())
            products = float(sum(counter.by_operator()[name] for name in PRODUCTS))
    finally:
        detector.train(training)
    return Complexity(count_parameters(parameters), macs, products, size)
