"""From stored transitions to the one table that minibatches are drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.base import Json
from benchmarks.d4rl import transforms
from benchmarks.d4rl.datasets import Transitions
from benchmarks.d4rl.settings import TrainingSettings


@dataclass(frozen=True)
class Prepared:
    """Rows (s, a, r, s', d) ready for training: selected, normalised, rewards transformed; float32.

    `table` is (N, sum(widths)); raw states are table states times `std` plus `mean`, transformed rewards raw rewards times
    `reward_scale` plus `reward_shift`. `record` is what the run record says of the data.
    """

    table: Tensor
    widths: tuple[int, ...]
    mean: Tensor
    std: Tensor
    reward_scale: float
    reward_shift: float
    record: Mapping[str, Json]


def prepare(data: Transitions, training: TrainingSettings) -> Prepared:
    """Apply a run's data settings in the order that counts: select, transform rewards on raw states, normalise, clip."""
    chosen = transforms.best_trajectories(data, training.trajectory_fraction, training.return_segmentation)
    ready = transforms.transform_rewards(chosen, training.reward_transform, training.return_segmentation)
    scaling = transforms.state_scaling(chosen, training.state_eps if training.normalize_states else None)
    ready = transforms.normalize_states(ready, scaling)
    ready = transforms.clip_actions(ready, training.clip_dataset_actions)
    columns = (
        ready.observations,
        ready.actions,
        ready.rewards[:, None],
        ready.next_observations,
        ready.terminals[:, None],
    )
    scale, shift = _affine(ready.meta["reward_transform"]["steps"])
    record = {**data.meta.get("loaded", {}), "rows_used": len(ready), "reward_scale": scale, "reward_shift": shift}
    return Prepared(
        table=torch.cat(columns, 1),
        widths=tuple(column.shape[1] for column in columns),
        mean=scaling.mean,
        std=scaling.scale,
        reward_scale=scale,
        reward_shift=shift,
        record=record,
    )


def _affine(steps: list[Mapping[str, Any]]) -> tuple[float, float]:
    scale, shift = 1.0, 0.0
    for step in steps:
        scale, shift = step["a"] * scale, step["a"] * shift + step["b"]
    return scale, shift
