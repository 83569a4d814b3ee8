"""What is done to transitions before training: selection, normalisation of states, transforms of rewards (methods, section 0).

Every function takes transitions and gives new ones. In a run, state statistics come after the selection of trajectories.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.base import RepriseError, unknown
from benchmarks.d4rl.datasets import Transitions
from benchmarks.d4rl.environments import TIME_LIMIT

Array = np.ndarray

SEGMENTATIONS = ("episode", "corl", "iql")
_REWARD_TRANSFORMS = {"none": 0, "shift": 1, "scale": 1, "affine": 2, "return_range_1000": 0}


@dataclass(frozen=True)
class StateScaling:
    """Normalised = (raw - mean) / scale per dimension, (O,) each; `scale` is the population std plus epsilon."""

    mean: Tensor
    scale: Tensor


def state_scaling(data: Transitions, epsilon: float | None) -> StateScaling:
    """Statistics of the column s (not s'), computed in float64; None means raw states: mean 0, scale 1."""
    if epsilon is None:
        return StateScaling(torch.zeros(data.observations.shape[1]), torch.ones(data.observations.shape[1]))
    states = data.observations.double()
    return StateScaling(states.mean(0).float(), (states.std(0, correction=0) + epsilon).float())


def normalize_states(data: Transitions, scaling: StateScaling) -> Transitions:
    """s and s' normalised."""
    return replace(
        data,
        observations=(data.observations - scaling.mean) / scaling.scale,
        next_observations=(data.next_observations - scaling.mean) / scaling.scale,
    )


def clip_actions(data: Transitions, limit: float | None) -> Transitions:
    """Actions clipped to [-limit, limit]; None leaves them as stored."""
    return data if limit is None else replace(data, actions=data.actions.clamp(-limit, limit))


# ---------------------------------------------------------------------------------------------------------------------
# Trajectories


def trajectory_ends(data: Transitions, segmentation: str, max_length: int = TIME_LIMIT) -> Array:
    """Last rows of all complete trajectories, ascending; rows after the last one belong to none.

    `episode`: true episode borders. `corl`: a terminal, or `max_length` rows since the last cut. `iql`: a terminal, a next row
    that differs from s' by more than 1e-6 in L2 norm, or the last row.
    """
    if segmentation == "episode":
        return np.flatnonzero((data.terminals + data.timeouts).numpy() > 0)
    if segmentation == "corl":
        return _corl_ends(data.terminals.numpy() > 0, max_length)
    if segmentation == "iql":
        jump = (data.observations[1:] - data.next_observations[:-1]).norm(dim=1) > 1e-6
        ends = torch.cat([jump | (data.terminals[:-1] > 0), torch.ones(1, dtype=torch.bool)])
        return np.flatnonzero(ends.numpy())
    raise unknown("return_segmentation", segmentation, SEGMENTATIONS)


def _corl_ends(terminals: Array, max_length: int) -> Array:
    ends: list[int] = []
    start = 0
    for terminal in [*np.flatnonzero(terminals).tolist(), len(terminals)]:
        ends.extend(range(start + max_length - 1, min(terminal, len(terminals) - 1) + 1, max_length))
        if terminal < len(terminals) and (not ends or ends[-1] != terminal):
            ends.append(terminal)
        start = terminal + 1
    return np.array(ends, dtype=np.int64)


def trajectory_returns(data: Transitions, segmentation: str, max_length: int = TIME_LIMIT) -> Array:
    """Undiscounted returns of all complete trajectories, float64; raises RepriseError where there is none."""
    ends = trajectory_ends(data, segmentation, max_length)
    if not len(ends):
        raise RepriseError(
            f"{data.name}: no complete trajectory under return_segmentation '{segmentation}'; use a larger set"
        )
    starts = np.concatenate([[0], ends[:-1] + 1])
    return np.add.reduceat(data.rewards[: ends[-1] + 1].numpy().astype(np.float64), starts)


def best_trajectories(
    data: Transitions, fraction: float, segmentation: str = "episode", max_length: int = TIME_LIMIT
) -> Transitions:
    """The best `fraction` of the trajectories by undiscounted return, at least one, in storage order; 1 keeps every row.

    Of trajectories with equal returns the later ones are kept. Rows of an incomplete trajectory are dropped.
    """
    if not 0.0 < fraction <= 1.0:
        raise RepriseError(f"trajectory_fraction is {fraction}; it must be above 0 and at most 1")
    if fraction == 1.0:
        return data
    ends = trajectory_ends(data, segmentation, max_length)
    returns = trajectory_returns(data, segmentation, max_length)
    best = np.sort(np.argsort(returns, kind="stable")[::-1][: max(1, int(fraction * len(returns)))])
    starts = np.concatenate([[0], ends[:-1] + 1])
    rows = torch.from_numpy(np.concatenate([np.arange(starts[k], ends[k] + 1) for k in best]))
    cut = torch.zeros(len(data))
    cut[torch.from_numpy(ends)] = 1.0
    timeouts = torch.maximum(data.timeouts, cut * (1.0 - data.terminals))
    columns = ("observations", "actions", "rewards", "next_observations", "terminals")
    return replace(data, timeouts=timeouts[rows], **{name: getattr(data, name)[rows] for name in columns})


# ---------------------------------------------------------------------------------------------------------------------
# Rewards


def transform_rewards(
    data: Transitions, transform: str, segmentation: str = "episode", max_length: int = TIME_LIMIT
) -> Transitions:
    """Rewards transformed by `none`, `shift:c`, `scale:c`, `affine:a:b`, `return_range_1000`, joined by `+`, left to right.

    `return_range_1000` multiplies by 1000 / (R_max - R_min) over the trajectory returns of the rewards as they are at that point,
    and warns where that factor exceeds 1. `meta["reward_transform"]` says which a and b of r <- a r + b each step was.
    Raises RepriseError for an unknown transform, for a malformed number and where all returns are equal.
    """
    steps = []
    for step in transform.split("+"):
        a, b = _coefficients(data, step, segmentation, max_length)
        rewards = a * data.rewards.double() + b
        data = replace(data, rewards=rewards.float())
        steps.append({"step": step, "a": a, "b": b})
    record: dict[str, Any] = {"transform": transform, "segmentation": segmentation, "steps": steps}
    return replace(data, meta={**data.meta, "reward_transform": record})


def check_reward_transform(transform: str) -> None:
    """Raise RepriseError for a transform that `transform_rewards` would refuse, before any data are read."""
    for step in transform.split("+"):
        _parsed(step)


def _parsed(step: str) -> tuple[str, list[float]]:
    name, *numbers = step.split(":")
    if name not in _REWARD_TRANSFORMS:
        raise unknown("reward_transform", name, _REWARD_TRANSFORMS)
    try:
        values = [float(number) for number in numbers]
    except ValueError:
        values = [math.nan]
    count = _REWARD_TRANSFORMS[name]
    if len(values) != count or not all(map(math.isfinite, values)):
        raise RepriseError(
            f"reward_transform '{step}': '{name}' takes {count} finite numbers, as in shift:-1, affine:2:-1"
        )
    return name, values


def _coefficients(data: Transitions, step: str, segmentation: str, max_length: int) -> tuple[float, float]:
    name, values = _parsed(step)
    if name == "return_range_1000":
        return _return_range_factor(data, segmentation, max_length), 0.0
    shapes = {"none": (1.0, 0.0), "shift": (1.0, *values), "scale": (*values, 0.0), "affine": tuple(values)}
    a, b = shapes[name]
    return a, b


def _return_range_factor(data: Transitions, segmentation: str, max_length: int) -> float:
    returns = trajectory_returns(data, segmentation, max_length)
    spread = float(returns.max() - returns.min())
    if spread <= 0.0:
        raise RepriseError(
            f"{data.name}: return_range_1000 needs trajectories of different returns; all are {returns[0]:.6g}"
        )
    factor = 1000.0 / spread
    if factor > 1.0:
        warnings.warn(
            f"{data.name}: return_range_1000 multiplies rewards by {factor:.3g} (returns span only {spread:.4g}); "
            f"it is meant for sets with widely spread returns",
            stacklevel=3,
        )
    return factor
