"""MogFace's loss (specification 3.4): focal and smooth-L1, both summed over the batch and shared by its positives."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import logsigmoid, smooth_l1_loss

from benchmarks.detection.ops.precision import widened

ALPHA, GAMMA = 0.25, 2.0
BETA = 1.0 / 9.0
"""Below this the box term is quadratic (sigma = 3)."""

BOX_WEIGHT = 2.0


def focal(logits: Tensor, positive: Tensor) -> Tensor:
    """The focal loss summed over logits of any shape; positive: bool of that shape."""
    probability = logits.sigmoid()
    hit = -ALPHA * (1 - probability) ** GAMMA * logsigmoid(logits)
    miss = -(1 - ALPHA) * probability**GAMMA * logsigmoid(-logits)
    return hit.where(positive, miss).sum()


def share(images: int, positives: Tensor | int) -> float:
    """What sums over a batch are divided by: the positives, at least one per image."""
    return float(max(images, int(positives)))


def class_loss(logits: Tensor, positive: Tensor) -> Tensor:
    """Focal loss of a batch (B, N) over max(B, positives)."""
    return focal(widened(logits), positive) / share(len(logits), positive.sum())


def box_loss(codes: Tensor, targets: Tensor, images: int) -> Tensor:
    """Twice the smooth-L1 loss of the positives' box codes (P, 4) over max(B, P)."""
    return (
        BOX_WEIGHT
        * smooth_l1_loss(widened(codes), widened(targets), beta=BETA, reduction="sum")
        / share(images, len(codes))
    )


def second_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """HCAM's loss of a batch (B, N) of logits; labels 1, 0, and -1 where the cell is ignored."""
    kept = labels >= 0
    return focal(widened(logits)[kept], labels[kept] == 1) / share(len(logits), (labels == 1).sum())
