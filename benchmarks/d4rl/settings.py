"""Budget and protocol of offline training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmarks.base import RepriseError

COUNTS = (
    "train_steps",
    "schedule_steps",
    "batch_size",
    "eval_every",
    "eval_episodes",
    "last_eval_episodes",
    "dataset_rows",
)


@dataclass(frozen=True)
class TrainingSettings:
    """Budget and protocol of offline training, resolved into every run (protocol sections 3 to 5).

    train_steps and eval_every count gradient steps; schedules run over schedule_steps (None: train_steps), so that a run may
    be the first part of a longer one. last_eval_episodes (ours; None: eval_episodes) lets a short run look longer at its end.
    dataset is `local` (rebuilt: dataset_rows rows per kind from dataset_seed), `recorded` (people's demonstrations, imported),
    `minari` or `d4rl` (original HDF5 files); loader names the rule for next observations and time-outs.
    """

    train_steps: int = 1_000_000
    schedule_steps: int | None = None
    batch_size: int = 256
    eval_every: int = 5_000
    eval_episodes: int = 10
    last_eval_episodes: int | None = None
    eval_seed_mode: Literal["advance", "fixed"] = "advance"
    normalize_states: bool = False
    state_eps: float = 1e-3
    reward_transform: str = "none"
    return_segmentation: Literal["episode", "corl", "iql"] = "episode"
    trajectory_fraction: float = 1.0
    clip_dataset_actions: float | None = None
    dataset: Literal["local", "recorded", "minari", "d4rl"] = "local"
    dataset_rows: int = 1_000_000
    dataset_seed: int = 0
    loader: Literal["full", "d4rl", "kit"] = "full"
    precision: Literal["fp32", "bf16"] = "fp32"

    def __post_init__(self) -> None:
        for name in COUNTS:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise RepriseError(f"{name} is {value}; give 1 or more")
        if not 0.0 < self.trajectory_fraction <= 1.0:
            raise RepriseError(f"trajectory_fraction is {self.trajectory_fraction}; give a share above 0 and at most 1")
