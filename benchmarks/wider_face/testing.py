"""A detector tested by a protocol: every picture seen as often and as large as it says, in WIDER FACE's terms."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader, Dataset

from benchmarks.base import RepriseError
from benchmarks.detection import install_ops
from benchmarks.wider_face.multi_scale import Pass, unflipped, vote
from benchmarks.wider_face.protocols import TestProtocol
from benchmarks.wider_face.real_wider import FaceSplit

install_ops()

from mmdet.structures import DetDataSample  # noqa: E402

BATCH_PIXELS = 50 * 128**2
"""As many pictures of one size are looked at together as hold this many pixels; at least one."""

Rows = NDArray[np.float64]
"""(k, 5): x, y, w, h in pixels of the picture as it is, and score."""


class _Picture(NamedTuple):
    """A picture of the set: its key (`event/picture`) and its pixels (H, W, 3; BGR)."""

    key: str
    pixels: NDArray[Any]


class _Found(NamedTuple):
    """Boxes (k, 4; exclusive corners) in pixels of the picture as it is, and scores (k,)."""

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]


@torch.no_grad()
def detections(
    detector: nn.Module,
    split: FaceSplit,
    protocol: TestProtocol,
    said: Callable[[int, int], None] = lambda done, of: None,
    workers: int = 0,
) -> dict[str, Rows]:
    """What the detector finds in every picture of a split, by `event/picture`. Its mode is as it was before.

    `said` hears the number of pictures done and of all. Raises RepriseError for a picture that cannot be read.
    """
    training = detector.training
    detector.eval()
    found: dict[str, Rows] = {}
    try:
        with _as_protocol_says(detector, protocol):
            for pictures in _batches(split, workers):
                found |= _test(detector, pictures, protocol)
                said(len(found), len(split.sizes))
    finally:
        detector.train(training)
    return found


@contextmanager
def _as_protocol_says(detector: Any, protocol: TestProtocol) -> Iterator[None]:
    """The detector with the protocol's padding and suppression."""
    preprocessor = detector.data_preprocessor
    before = preprocessor.pad_size_divisor, detector.nms_iou
    preprocessor.pad_size_divisor = math.lcm(before[0], protocol.divisor)
    if protocol.nms_iou is not None:
        detector.nms_iou = protocol.nms_iou
    try:
        yield
    finally:
        preprocessor.pad_size_divisor, detector.nms_iou = before


def _test(detector: nn.Module, pictures: Sequence[_Picture], protocol: TestProtocol) -> dict[str, Rows]:
    """Pictures of one size, through all passes of the protocol."""
    height, width = pictures[0].pixels.shape[:2]
    parts: list[list[_Found]] = [[] for _ in pictures]
    for turn in protocol.passes(height, width):
        for own, each in zip(parts, _look(detector, pictures, turn), strict=True):
            kept = turn.keeps(each.boxes)
            own.append(_Found(each.boxes[kept], each.scores[kept]))
    return {
        picture.key: _rows(_united(own, protocol, height, width)) for picture, own in zip(pictures, parts, strict=True)
    }


def _look(detector: Any, pictures: Sequence[_Picture], turn: Pass) -> list[_Found]:
    """One pass over pictures of one size."""
    height, width = pictures[0].pixels.shape[:2]
    wide, high = max(1, round(width * turn.scale)), max(1, round(height * turn.scale))
    inputs, samples = [], []
    for picture in pictures:
        pixels: NDArray[Any] = picture.pixels[:, ::-1] if turn.flip else picture.pixels
        if (high, wide) != (height, width):
            pixels = cv2.resize(pixels, (wide, high), interpolation=cv2.INTER_LINEAR)
        inputs.append(torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))))
        factors = (wide / width, high / height)
        shapes = {"img_shape": (high, wide), "ori_shape": (height, width), "scale_factor": factors}
        samples.append(DetDataSample(metainfo={"img_id": picture.key, **shapes}))
    found = detector.test_step({"inputs": inputs, "data_samples": samples})
    return [_in_picture(sample.pred_instances, width if turn.flip else None) for sample in found]


def _in_picture(found: Any, mirrored: int | None) -> _Found:
    boxes = found.bboxes.detach().cpu().double().numpy().reshape(-1, 4)
    scores = found.scores.detach().cpu().double().numpy()
    return _Found(boxes if mirrored is None else unflipped(boxes, mirrored), scores)


def _united(parts: Sequence[_Found], protocol: TestProtocol, height: int, width: int) -> _Found:
    """All passes as one: the boxes vote where the protocol says so."""
    boxes = np.concatenate([part.boxes for part in parts])
    scores = np.concatenate([part.scores for part in parts])
    return (
        _Found(boxes, scores)
        if protocol.voting is None
        else _Found(*vote(boxes, scores, height, width, protocol.voting))
    )


def _rows(found: _Found) -> Rows:
    """x, y, w, h, score: with exclusive corners nothing is added to the differences."""
    return np.column_stack([found.boxes[:, :2], found.boxes[:, 2:] - found.boxes[:, :2], found.scores])


# -- reading -------------------------------------------------------------------------------------------------------------


class _Reader(Dataset[_Picture]):
    """Pictures of a split as a loader's workers read them."""

    def __init__(self, split: FaceSplit) -> None:
        self.split = split

    def __len__(self) -> int:
        return len(self.split.sizes)

    def __getitem__(self, place: int) -> _Picture:
        image = self.split.truth.images[place]
        pixels = cv2.imread(str(self.split.folder / image.name), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if pixels is None:
            raise RepriseError(f"{self.split.folder / image.name}: cannot be read as a picture; fetch it again")
        return _Picture(image.key, pixels)


def _batches(split: FaceSplit, workers: int) -> DataLoader[Any]:
    """Every picture once, in the set's order, neighbours of one size together."""
    groups: list[list[int]] = []
    for place, size in enumerate(split.sizes):
        room = max(1, BATCH_PIXELS // (size[0] * size[1]))
        if groups and split.sizes[groups[-1][-1]] == size and len(groups[-1]) < room:
            groups[-1].append(place)
        else:
            groups.append([place])
    return DataLoader(
        _Reader(split), batch_sampler=groups, num_workers=workers, collate_fn=list, generator=torch.Generator()
    )
