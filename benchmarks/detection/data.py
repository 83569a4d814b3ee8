"""Pictures and boxes for training and prediction: mmdet's COCO reader, in an order that depends on the iteration alone."""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader, Dataset, Sampler

from benchmarks.base import RepriseError
from benchmarks.detection.ops.extension import install_ops

Pipeline = Sequence[Mapping[str, Any]]


class Draw(NamedTuple):
    """A picture's place in the set, the seed of its augmentation, and the number of its batch in the whole training."""

    place: int
    seed: int
    batch: int


class Pictures(Dataset[Any]):
    """A mmdet data set whose augmentation is seeded picture by picture and leaves the process's own generators alone.

    So the data of an iteration depend neither on what the model draws nor on worker processes. The source finds the batch's
    number in its attribute `batch`.
    """

    def __init__(self, source: Any) -> None:
        self.source = source

    @property
    def metainfo(self) -> dict[str, Any]:
        """mmdet's metainfo; the runner keeps it with a checkpoint."""
        return dict(self.source.metainfo)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, draw: Draw) -> Any:
        before = random.getstate(), np.random.get_state()
        self.source.batch = draw.batch
        random.seed(draw.seed)
        np.random.seed(draw.seed % 2**32)
        try:
            return self.source[draw.place]
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])


class Batches(Sampler[list[Draw]]):
    """The batches of a training of some iterations, which may be the later part of a longer one that begins before `first`.

    Every pass over the set has an order of its own. `groups` keeps pictures of different groups apart, as mmdet does with
    upright and wide ones, which would be padded to one another's size. A run that goes on from a checkpoint sets `start` and
    sees what it would have seen.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        iterations: int,
        seed: int,
        groups: Sequence[int] | None = None,
        first: int = 0,
    ) -> None:
        if size < 1:
            raise RepriseError("no picture is left to train on; check the annotation file and the filter")
        self.size, self.batch_size, self.iterations, self.seed, self.groups = size, batch_size, iterations, seed, groups
        self.first, self.start = first, 0

    def __len__(self) -> int:
        return self.iterations - self.start

    def __iter__(self) -> Iterator[list[Draw]]:
        taken = slice(self.first + self.start, self.first + self.iterations)
        for count, batch in enumerate(itertools.islice(self._whole(), taken.start, taken.stop), taken.start):
            yield [Draw(place, self._seed("augmentation", number), count) for place, number in batch]

    def _whole(self) -> Iterator[list[tuple[int, int]]]:
        """Batches without end, each of places with their numbers in the stream of all pictures drawn."""
        waiting: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for turn in itertools.count():
            for number, place in enumerate(self._order(turn).tolist(), turn * self.size):
                batch = waiting[0 if self.groups is None else self.groups[place]]
                batch.append((place, number))
                if len(batch) == self.batch_size:
                    yield list(batch)
                    batch.clear()

    def _order(self, turn: int) -> torch.Tensor:
        return torch.randperm(self.size, generator=torch.Generator().manual_seed(self._seed("order", turn)))

    def _seed(self, purpose: str, place: int) -> int:
        digest = hashlib.sha256(f"{purpose}/{self.seed}/{place}".encode()).digest()
        return int.from_bytes(digest[:8], "big") >> 1


def coco_pictures(
    annotations: Path,
    folder: Path,
    categories: Sequence[str],
    pipeline: Pipeline,
    filter_cfg: Mapping[str, Any] | None = None,
) -> Any:
    """mmdet's CocoDataset over an annotation file that was checked before. `filter_cfg`: for training; None keeps every picture.

    Labels are the places of `categories`, whose order is the file's (mmdet orders them as the file lists them).
    """
    install_ops()
    from mmdet.datasets import CocoDataset
    from mmdet.utils import register_all_modules

    register_all_modules(init_default_scope=True)
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        return CocoDataset(
            ann_file=str(annotations),
            data_prefix={"img": str(folder)},
            metainfo={"classes": tuple(categories)},
            pipeline=list(pipeline),
            filter_cfg=dict(filter_cfg) if filter_cfg else None,
            test_mode=filter_cfg is None,
        )


def training_loader(
    source: Any, batch_size: int, iterations: int, seed: int, *, first: int = 0, workers: int = 0
) -> DataLoader[Any]:
    """Batches of a training set, upright pictures and wide ones apart (see `Batches`); `seed` fixes order and augmentation."""
    sides = [source.get_data_info(place) for place in range(len(source))]
    upright = [int(info["width"] < info["height"]) for info in sides]
    batches = Batches(len(source), batch_size, iterations, seed, upright, first)
    return DataLoader(
        Pictures(source),
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=pseudo_collate,
        generator=torch.Generator(),  # else a loader draws a seed from torch's own
    )


def prediction_loader(source: Any, batch_size: int, workers: int = 0) -> DataLoader[Any]:
    """Every picture once, in the file's order."""
    return DataLoader(
        source,
        batch_size=batch_size,
        shuffle=False,
        num_workers=workers,
        collate_fn=pseudo_collate,
        generator=torch.Generator(),
    )
