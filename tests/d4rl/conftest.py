"""Small random behaviour policies, so that data sets can be built without the committed ones."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from benchmarks.d4rl.environments import environment
from benchmarks.d4rl.policies import Policy


def make_policy(env: str, seed: int, hidden: int = 32) -> Policy:
    """A tanh-Gaussian policy with two hidden layers and weights of ordinary size."""
    spec, rng = environment(env), np.random.default_rng(seed)
    sizes = [spec.observation_dim, hidden, hidden, 2 * spec.action_dim]
    weights = [rng.normal(0, 1 / np.sqrt(n), (n, m)).astype(np.float32) for n, m in pairwise(sizes)]
    biases = [rng.normal(0, 0.1, m).astype(np.float32) for m in sizes[1:]]
    return Policy(tuple(weights), tuple(biases), -5.0, 2.0, {"environment": spec.gym_id, "seed": seed, "step": 7})


@pytest.fixture(scope="session")
def random_policy() -> Callable[[str, int], Policy]:
    return make_policy


@pytest.fixture
def policy() -> Policy:
    return make_policy("hopper", 0)


@pytest.fixture(scope="session")
def behaviour_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a medium and an expert policy for Hopper; REPRISE_BEHAVIOR must point to it."""
    folder = tmp_path_factory.mktemp("behavior")
    for seed, level in enumerate(("medium", "expert")):
        make_policy("hopper", seed).save(folder / f"hopper-{level}.npz")
    return folder
