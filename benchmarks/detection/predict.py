"""What a detector finds in a set of pictures, in COCO's result format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from mmengine.structures import InstanceData
from torch import nn
from torch.utils.data import DataLoader

from benchmarks.base import Json


@torch.no_grad()
def detections(
    detector: nn.Module,
    loader: DataLoader[Any],
    category_ids: Sequence[int],
    said: Callable[[int, int], None] = lambda done, of: None,
) -> list[dict[str, Json]]:
    """An entry per detection: image_id, category_id, bbox (x, y, width, height in pixels of the original image), score.

    `category_ids` maps a label to its category. `said` hears the number of pictures done and of all. The detector's mode is
    as it was before.
    """
    training = detector.training
    detector.eval()
    found: list[dict[str, Json]] = []
    done, total = 0, len(loader.dataset)  # type: ignore[arg-type]
    try:
        for batch in loader:
            for sample in detector.test_step(batch):  # type: ignore[operator]
                found += _entries(sample.pred_instances, sample.img_id, category_ids)
                done += 1
            said(done, total)
    finally:
        detector.train(training)
    return found


def _entries(found: InstanceData, image: int, category_ids: Sequence[int]) -> list[dict[str, Json]]:
    """One picture's detections, the surest first, as mmdet orders them."""
    corners = found.bboxes.detach().cpu().double()
    sides = (corners[:, 2:] - corners[:, :2]).clamp(min=0)
    boxes = torch.cat([corners[:, :2], sides], 1).tolist()
    rows = zip(boxes, found.labels.tolist(), found.scores.detach().cpu().double().tolist(), strict=True)
    return [
        {"image_id": int(image), "category_id": category_ids[label], "bbox": box, "score": score}
        for box, label, score in rows
    ]
