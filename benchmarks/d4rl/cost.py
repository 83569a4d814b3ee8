"""How long a run will take, from what an update of its method was measured to cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise

from benchmarks.base import Json
from benchmarks.d4rl.environments import Environment
from benchmarks.d4rl.settings import TrainingSettings

OVERHEAD_S = 1.0e-3
PRODUCTS_PER_S = 1.4e11
EPISODE_STEPS = 500
SIMULATED_PER_S = 14_000
"""Of one core: an update's share that does not depend on widths, floating-point operations of matrix products per second,
steps of an evaluation episode, steps simulated per second."""


def cpu_seconds(
    passes: float, settings: Mapping[str, Json], training: TrainingSettings, spec: Environment
) -> float | None:
    """CPU-seconds of a run trained alone; None where the method's `passes` is 0, so that nobody measured it."""
    if not passes:
        return None
    hidden = settings.get("hidden") or settings["actor_hidden"]
    products = sum(math.prod(pair) for pair in pairwise([spec.observation_dim + spec.action_dim, *hidden, 1]))
    step = OVERHEAD_S + passes * 2.0 * training.batch_size * products / PRODUCTS_PER_S
    evaluations = math.ceil(training.train_steps / training.eval_every)
    return training.train_steps * step + evaluations * training.eval_episodes * EPISODE_STEPS / SIMULATED_PER_S
