"""Policies as files, and playing episodes with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.base import RepriseError
from benchmarks.d4rl.environments import make
from benchmarks.d4rl.networks import TanhGaussianActor, generators
from benchmarks.d4rl.policies import Policy
from benchmarks.d4rl.rollout import play


def test_a_file_gives_the_policy_back(policy: Policy, tmp_path: Path) -> None:
    policy.save(tmp_path / "policy.npz")
    loaded = Policy.load(tmp_path / "policy.npz")
    for ours, theirs in zip((*policy.weights, *policy.biases), (*loaded.weights, *loaded.biases), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert (loaded.log_std_min, loaded.log_std_max, loaded.meta) == (-5.0, 2.0, dict(policy.meta))


def test_a_missing_or_foreign_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RepriseError, match="no such policy file"):
        Policy.load(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("not a policy")
    with pytest.raises(RepriseError, match="not a policy file"):
        Policy.load(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", values=np.zeros(3))
    with pytest.raises(RepriseError, match="not a policy file"):
        Policy.load(tmp_path / "other.npz")


def test_a_slice_of_a_stacked_actor_acts_as_the_actor_does() -> None:
    actor = TanhGaussianActor(11, 3, (16, 16), generators([1, 2]), -5.0, 2.0)
    states, noise = torch.randn(2, 9, 11), torch.randn(2, 9, 3)
    with torch.no_grad():
        modes, samples = actor.deterministic(states), actor.sample(states, noise)[0]
    for run in range(2):
        policy = Policy.of_actor(actor, run, {})
        np.testing.assert_allclose(policy.act(states[run].numpy()), modes[run], atol=2e-6)
        np.testing.assert_allclose(policy.act(states[run].numpy(), noise[run].numpy()), samples[run], atol=2e-6)


def test_one_row_gets_the_same_action_as_many(policy: Policy) -> None:
    states = np.random.default_rng(0).normal(size=(16, 11))
    together = policy.act(states)
    for k in range(16):
        np.testing.assert_array_equal(policy.act(states[[k]])[0], together[k])


@pytest.mark.parametrize("stochastic", [True, False])
def test_playing_side_by_side_equals_one_gymnasium_environment_at_a_time(policy: Policy, stochastic: bool) -> None:
    seeds = [3, 4, 5]
    returns, lengths = play("hopper", policy, seeds, stochastic)
    env = make("hopper")
    for k, seed in enumerate(seeds):
        observation, _ = env.reset(seed=seed)
        noise, total, ended, steps = np.random.default_rng(seed), 0.0, False, 0
        while not ended:
            draw = noise.standard_normal(3)[None] if stochastic else None
            observation, reward, terminated, truncated, _ = env.step(policy.act(observation[None], draw)[0])
            total, ended, steps = total + reward, terminated or truncated, steps + 1
        assert (returns[k], lengths[k]) == (total, steps)
