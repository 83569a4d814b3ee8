"""Behaviour actions drawn once per stored state and looked up afterwards: the behaviour model is frozen, so this is
allowed.

A step of training then costs an index instead of K passes through the sampler. Drawing afresh at every step stays
possible (`Behavior.sample`), and is what the ILQ paper describes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from benchmarks.base import Progress, Report, RepriseError, unheard
from benchmarks.d4rl.method import FrozenModel, Source
from benchmarks.d4rl.models import building
from benchmarks.d4rl.models.behavior import Behavior, ReverseVariance
from benchmarks.d4rl.models.behavior_training import BehaviorSettings, behavior_model

VERSION = 1
"""Raised whenever the drawn actions may change."""

CHUNK = 128
"""States sampled at once: their hidden layers stay in a core's cache. Part of the definition: another value, other
actions.
"""


@dataclass(frozen=True)
class LimitActionsSettings:
    """`count` actions per stored state; `of` says whether the states are the rows' s or their s'."""

    behavior: BehaviorSettings
    count: int
    reverse_variance: ReverseVariance = "posterior"
    of: Literal["observations", "next_observations"] = "observations"


def limit_actions(settings: LimitActionsSettings, source: Source) -> FrozenModel:
    """The cache of a data set as an artifact that needs its behaviour model; loads as a tensor (N, count, A), float32."""
    behavior = behavior_model(settings.behavior, source)

    def build(folder: Path, report: Report) -> None:
        data = source.open()
        model = behavior.load(behavior.artifact.ensure())
        states = getattr(data, settings.of)
        generator = building.model_generator(f"limit.{settings.of}", data.hash)
        actions = draw_actions(model, states, settings, generator, report)
        std = actions.var(1).mean(0).sqrt() if settings.count > 1 else torch.zeros(actions.shape[-1])
        building.save(folder, "limit_actions", actions, {"sampled_std": building.floats(std)})

    artifact = building.model_artifact("limit_actions", VERSION, source, settings, build, (behavior.artifact,))
    return FrozenModel(artifact, load)


def load(folder: Path) -> Tensor:
    """The cached actions (N, count, A), mapped from the file rather than read."""
    actions: Tensor = building.load(folder, "limit_actions", mmap=True)
    return actions


def draw_actions(
    model: Behavior,
    states: Tensor,
    settings: LimitActionsSettings,
    generator: torch.Generator,
    report: Report = unheard,
) -> Tensor:
    """`count` actions per raw state (N, O): (N, count, A), in chunks of states."""
    device = building.training_device()
    model = model.to(torch.float32, device)
    actions = torch.empty(len(states), settings.count, model.action_dim)
    with building.training_conditions():
        for start in range(0, len(states), CHUNK):
            chunk = states[start : start + CHUNK]
            noise = torch.randn(model.steps, settings.count, len(chunk), model.action_dim, generator=generator)
            drawn = model.sample(chunk.to(device), noise.to(device), settings.reverse_variance)
            actions[start : start + CHUNK] = drawn.transpose(0, 1).cpu()
            report(Progress(start + len(chunk), len(states)))
    return actions


def choose(cache: Tensor, index: Tensor, start: Tensor, count: int) -> Tensor:
    """`count` neighbouring cached actions per row, beginning at `start` and wrapping: index and start (S, B) -> (S, M,
    B, A).
    """
    stored = cache.shape[1]
    offset = (start[:, None] + torch.arange(count, device=start.device)[:, None]) % stored
    flat = index[:, None] * stored + offset
    return cache.view(-1, cache.shape[-1]).index_select(0, flat.reshape(-1)).view(*flat.shape, -1)


def check_count(count: int, stored: int, name: str = "n_limit_actions") -> None:
    """Raise RepriseError where more actions are asked for (by the setting `name`) than are stored per state."""
    if not 1 <= count <= stored:
        raise RepriseError(f"{name} is {count}; give 1 to limit_cache_size ({stored}), or raise limit_cache_size")
