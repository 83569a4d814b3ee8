"""The loss-scale report (specification, 8.2): how strong distillation is beside the task when training starts."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from benchmarks.base import Json

PUBLISHED_RANGE = (0.1, 2.0)
"""Healthy ratios of the distillation losses' sum to the task's at published sizes."""


class LossScale:
    """Gathers losses and gradients of the iterations below `iterations`; `to_json` gives means and warnings.

    Gradients on the student's maps are taken at every `gradient_every`-th iteration, by a backward pass of their own that
    stops at the maps: no parameter's gradient and no random number is touched.
    """

    def __init__(
        self, kd_ratio_range: tuple[float, float] = PUBLISHED_RANGE, iterations: int = 100, gradient_every: int = 10
    ) -> None:
        self.kd_ratio_range = kd_ratio_range
        self.iterations = iterations
        self.gradient_every = gradient_every
        self._seen: list[int] = []
        self._task: dict[str, list[float]] = defaultdict(list)
        self._distilled: dict[str, list[float]] = defaultdict(list)
        self._gradients: dict[int, list[tuple[float, float]]] = defaultdict(list)
        self._figures: dict[str, float] = {}

    def wants(self, iteration: int) -> bool:
        """Whether the iteration belongs to the report."""
        return iteration < self.iterations

    def add(
        self,
        iteration: int,
        task: Mapping[str, Tensor | Sequence[Tensor]],
        distilled: Mapping[str, Tensor],
        maps: Mapping[int, Tensor],
        figures: Mapping[str, float],
    ) -> None:
        """One iteration: losses as the model returns them, and the student's maps (N, C, H, W) by stride, before backward."""
        task_terms = {key: _scalar(value) for key, value in task.items() if "loss" in key}
        self._seen.append(iteration)
        for terms, kept in ((task_terms, self._task), (distilled, self._distilled)):
            for key, value in terms.items():
                kept[key].append(float(value.detach()))
        self._figures = dict(figures)
        if iteration % self.gradient_every == 0:
            kd, own = _norms(distilled, maps), _norms(task_terms, maps)
            for stride in maps:
                self._gradients[stride].append((kd[stride], own[stride]))

    def to_json(self) -> dict[str, Json]:
        """Means over the iterations seen; a mean that is not a number is None.

        `ratio` is the distillation losses' sum over the task's; `gradients` holds, by stride, the L2 norms of both sums'
        gradients on the student's map and their ratio; `figures` are those of the last iteration (fusion weights).
        """
        kd, task = _total(self._distilled), _total(self._task)
        return {
            "iterations": len(self._seen),
            "first": self._seen[0] if self._seen else None,
            "kd_ratio_range": list(self.kd_ratio_range),
            "task": {key: _number(_mean(values)) for key, values in self._task.items()},
            "distillation": {key: _number(_mean(values)) for key, values in self._distilled.items()},
            "task_sum": _number(task),
            "distillation_sum": _number(kd),
            "ratio": _number(_ratio(kd, task)),
            "gradients": {str(stride): _gradients(values) for stride, values in sorted(self._gradients.items())},
            "figures": {key: _number(value) for key, value in self._figures.items()},
            "warnings": self.warnings(),
        }

    def warnings(self) -> list[str]:
        """What is wrong with the losses' scale, in words; empty where nothing is."""
        if not self._seen:
            return []
        kd, task = _total(self._distilled), _total(self._task)
        ratio, (low, high) = _ratio(kd, task), self.kd_ratio_range
        if math.isfinite(ratio) and low <= ratio <= high:
            return []
        span = f"iterations {self._seen[0]} to {self._seen[-1]}"
        return [
            f"the distillation losses sum to {kd:.3g}, {ratio:.3g} times the task's {task:.3g} ({span}); "
            f"{low:g} to {high:g} times is healthy: scale the weights together, keeping their ratios"
        ]


def _scalar(value: Tensor | Sequence[Tensor]) -> Tensor:
    """A loss as mmengine sums it."""
    return value.mean() if isinstance(value, Tensor) else torch.stack([part.mean() for part in value]).sum()


def _norms(terms: Mapping[str, Tensor], maps: Mapping[int, Tensor]) -> dict[int, float]:
    """L2 norm of the gradient of the terms' sum on each map."""
    live = [value for value in terms.values() if value.requires_grad]
    if not live:
        return dict.fromkeys(maps, 0.0)
    found = torch.autograd.grad(sum(live[1:], live[0]), list(maps.values()), retain_graph=True, allow_unused=True)
    return {
        stride: 0.0 if gradient is None else float(gradient.float().norm())
        for stride, gradient in zip(maps, found, strict=True)
    }


def _gradients(values: list[tuple[float, float]]) -> dict[str, Json]:
    kd, task = (_mean([pair[side] for pair in values]) for side in (0, 1))
    return {"distillation": _number(kd), "task": _number(task), "ratio": _number(_ratio(kd, task))}


def _total(terms: Mapping[str, list[float]]) -> float:
    return math.fsum(_mean(values) for values in terms.values()) if all(map(_clean, terms.values())) else math.nan


def _clean(values: list[float]) -> bool:
    return all(map(math.isfinite, values))


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values) if _clean(values) and values else math.nan


def _ratio(kd: float, task: float) -> float:
    return kd / task if task else math.nan


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
