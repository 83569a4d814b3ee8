"""Playing many episodes of a NumPy policy at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.d4rl.environments import simulation
from benchmarks.d4rl.policies import Policy

Array = np.ndarray


def play(env: str, policy: Policy, seeds: Sequence[int], stochastic: bool = True) -> tuple[Array, Array]:
    """One episode per reset seed, all side by side: undiscounted returns and lengths, (len(seeds),) each.

    Action noise of an episode comes from a generator seeded with its reset seed, so an episode does not depend on its
    neighbours.
    """
    envs = simulation(env, len(seeds))
    observations = envs.reset(range(len(seeds)), seeds)
    generators = [np.random.default_rng(seed) for seed in seeds]
    returns, active = np.zeros(len(seeds)), np.arange(len(seeds))
    while len(active):
        noise = None
        if stochastic:
            noise = np.stack([generators[i].standard_normal(envs.spec.action_dim) for i in active])
        returns[active] += envs.step(policy.act(observations[active], noise), active)
        observations = envs.observations()
        active = active[~(envs.terminated | envs.truncated)[active]]
    lengths = envs.steps.copy()
    envs.close()
    return returns, lengths
