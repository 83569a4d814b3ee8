"""One batch for two detectors: whether student and teacher prepare images alike, and what is done where they do not.

Specification, 7.2 item 8. The student's preprocessor serves both, so a teacher trained on other means sees images it never saw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.base import RepriseError

OnMismatch = Literal["error", "ignore", "renormalise"]


class Preparation(NamedTuple):
    """What of an image preprocessor changes the numbers a detector sees; mean and std per channel, after any swap."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    swaps_channels: bool
    pad_divisor: int
    pad_value: float


NAMES = ("mean", "std", "channel order swapped", "pad_size_divisor", "pad_value")
"""Its fields, as messages name them."""


def preparation(preprocessor: nn.Module) -> Preparation:
    """Of mmdet's `DetDataPreprocessor`; without normalisation the mean is 0 and the deviation 1."""
    known: Any = preprocessor
    mean, std = (0.0,) * 3, (1.0,) * 3
    if known._enable_normalize:
        mean, std = (tuple(value.flatten().tolist()) for value in (known.mean, known.std))
    return Preparation(mean, std, bool(known._channel_conversion), int(known.pad_size_divisor), float(known.pad_value))


class Renormaliser:
    """Turns the student's batch into what the teacher's preprocessor would have made of the same images."""

    def __init__(self, student: Preparation, teacher: Preparation) -> None:
        self.student, self.teacher = student, teacher

    def __call__(self, inputs: Tensor, shapes: Sequence[tuple[int, int]]) -> Tensor:
        """A new batch (N, 3, H, W); beyond each image's shape (h, w) before padding stands the teacher's pad value."""
        own, other = self.student, self.teacher
        images = inputs * _column(own.std, inputs) + _column(own.mean, inputs)
        if own.swaps_channels != other.swaps_channels:
            images = images.flip(1)
        images = (images - _column(other.mean, inputs)) / _column(other.std, inputs)
        for image, (height, width) in zip(images, shapes, strict=True):
            image[:, height:] = other.pad_value
            image[:, :, width:] = other.pad_value
        return images


def reconciled(student: nn.Module, teacher: nn.Module, on_mismatch: OnMismatch) -> Renormaliser | None:
    """None where the teacher can take the student's batches as they are, or where it must (`ignore`).

    Raises RepriseError for differences under `error`, and under `renormalise` where the student's batches are not padded to
    the teacher's divisor, which no renormalising puts right.
    """
    own, other = preparation(student), preparation(teacher)
    if own == other or on_mismatch == "ignore":
        return None
    differ = [
        f"{name} {theirs} (student {ours})"
        for name, ours, theirs in zip(NAMES, own, other, strict=True)
        if ours != theirs
    ]
    if on_mismatch == "error":
        raise RepriseError(
            f"the teacher's images are prepared in another way than the student's: {'; '.join(differ)}; "
            "choose a pair that agrees, or set on_mismatch=renormalise (or ignore)"
        )
    if own.pad_divisor % other.pad_divisor:
        raise RepriseError(
            f"on_mismatch=renormalise: the student pads to multiples of {own.pad_divisor}, the teacher of {other.pad_divisor}; "
            "give the student's preprocessor a pad_size_divisor that serves both"
        )
    return Renormaliser(own, other)


def refuse_padding(pipeline: Sequence[Mapping[str, Any]]) -> None:
    """Raise RepriseError for a `Pad` transform, at any depth: it hides an image's own size, which boxes are drawn by.

    Specification, 1.2. The preprocessor pads batches anyway.
    """
    for transform in pipeline:
        if transform.get("type") == "Pad":
            raise RepriseError(
                "the training pipeline has a Pad transform, which sets img_shape to the padded size, so that boxes are drawn "
                "into the maps at the wrong scale; drop it (the data preprocessor pads each batch)"
            )
        for inner in transform.get("transforms", ()):
            refuse_padding([inner] if isinstance(inner, Mapping) else inner)


def _column(values: tuple[float, ...], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device).view(-1, 1, 1)
