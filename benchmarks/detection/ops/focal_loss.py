"""Focal losses (Lin et al. 2017, section 3 and appendix B), forward and backward.

N rows, C classes, target (N,) with C for background. `weight` is (C,), or empty for none; background has weight 1.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from benchmarks.detection.ops.precision import full_precision, widened


def _row_weights(weight: Tensor, target: Tensor) -> Tensor | float:
    if not weight.numel():
        return 1.0
    return torch.cat([widened(weight), widened(weight).new_ones(1)])[target]


def _per_row(weight: Tensor | float) -> Tensor | float:
    return weight[:, None] if isinstance(weight, Tensor) else weight


def _is_class(target: Tensor, classes: int) -> Tensor:
    return target[:, None] == torch.arange(classes, device=target.device)


@full_precision
def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Fills `output` (N, C) with -alpha (1 - p)^gamma log p for the target's class, -(1 - alpha) p^gamma log(1 - p) elsewhere."""
    x = widened(input)
    positive = -alpha * torch.sigmoid(-x) ** gamma * logsigmoid(x)
    negative = -(1 - alpha) * torch.sigmoid(x) ** gamma * logsigmoid(-x)
    loss = torch.where(_is_class(target, x.shape[1]), positive, negative)
    output.copy_(loss * _per_row(_row_weights(weight, target)))


@full_precision
def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Fills `grad_input` (N, C) with the derivative of each loss by its logit."""
    x = widened(input)
    p, q = torch.sigmoid(x), torch.sigmoid(-x)
    positive = alpha * q**gamma * (gamma * p * logsigmoid(x) - q)
    negative = (1 - alpha) * p**gamma * (p - gamma * q * logsigmoid(-x))
    grad = torch.where(_is_class(target, x.shape[1]), positive, negative)
    grad_input.copy_(grad * _per_row(_row_weights(weight, target)))


def _target_probability(softmax: Tensor, target: Tensor) -> Tensor:
    p = widened(softmax).gather(1, target.clamp(min=0)[:, None])[:, 0]
    return p.clamp(min=torch.finfo(torch.float32).tiny)


@full_precision
def softmax_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Fills `output` (N,) with -alpha (1 - p)^gamma log p of the target's class; `input` (N, C) holds probabilities.

    Rows with a negative target have no loss.
    """
    p = _target_probability(input, target)
    loss = -alpha * (1 - p) ** gamma * p.log() * _row_weights(weight, target)
    output.copy_(loss.where(target >= 0, 0.0))


@full_precision
def softmax_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, buff: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Fills `grad_input` (N, C) with the derivative of each row's loss by its logits, `buff` (N,) with p times that by p."""
    p = _target_probability(input, target)
    by_p = alpha * (1 - p) ** (gamma - 1) * (gamma * p * p.log() - (1 - p)) * _row_weights(weight, target)
    by_p = by_p.where(target >= 0, 0.0)
    buff.copy_(by_p)
    grad_input.copy_(by_p[:, None] * (_is_class(target, input.shape[1]).to(by_p) - widened(input)))
