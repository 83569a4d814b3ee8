"""The batched simulation against gymnasium's own environments."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

from benchmarks.base import RepriseError
from benchmarks.d4rl.behaviour import Uniform
from benchmarks.d4rl.collect import collect
from benchmarks.d4rl.environments import LOCOMOTION, TIME_LIMIT, BatchedEnvironment, check_mujoco, environment, make

RANDOM_RETURNS = {"hopper": (18.0, 19.9, 200), "walker2d": (2.1, 7.8, 200), "halfcheetah": (-264.0, 96.0, 20)}
"""Protocol section 2, v5, uniform actions: mean, sample sd, episodes."""


@pytest.mark.parametrize("name", LOCOMOTION)
def test_steps_and_resets_are_bit_equal_to_gymnasium(name: str) -> None:
    copies, steps = 3, 400
    rng = np.random.default_rng(0)
    stock = [gymnasium.make(environment(name).gym_id) for _ in range(copies)]
    batched = BatchedEnvironment(name, copies)
    expected = np.stack([env.reset(seed=seed)[0] for seed, env in enumerate(stock)])
    np.testing.assert_array_equal(batched.reset(range(copies), range(copies)), expected)
    ended = 0
    for step in range(steps):
        actions = rng.uniform(-1, 1, (copies, environment(name).action_dim)).astype(np.float32)
        rewards = batched.step(actions)
        observations = batched.observations()
        for k, env in enumerate(stock):
            observation, reward, terminated, truncated, _ = env.step(actions[k])
            np.testing.assert_array_equal(observations[k], observation)
            assert (rewards[k], batched.terminated[k], batched.truncated[k]) == (reward, terminated, truncated)
            if terminated or truncated:
                ended += 1
                seed = 1000 * k + step
                np.testing.assert_array_equal(batched.reset([k], [seed])[0], env.reset(seed=seed)[0])
    assert (ended > 5) == (name != "halfcheetah")


@pytest.mark.parametrize("name", LOCOMOTION)
def test_reset_from_draws_like_an_environment_that_is_reset_without_a_seed(name: str) -> None:
    stock, batched = make(name), BatchedEnvironment(name, 1)
    stock.reset(seed=5)
    generator = np.random.default_rng(5)
    batched.reset_from(0, generator)
    for _ in range(3):
        batched.reset_from(0, generator)
        np.testing.assert_array_equal(batched.observations()[0], stock.reset()[0])


def test_the_time_limit_truncates_at_a_thousand_steps_and_never_terminates() -> None:
    batched = BatchedEnvironment("halfcheetah", 1)
    batched.reset([0], [0])
    for step in range(1, TIME_LIMIT + 1):
        batched.step(np.zeros((1, 6), np.float32))
        assert bool(batched.truncated[0]) == (step == TIME_LIMIT)
        assert not batched.terminated[0]


def test_threads_and_subsets_change_nothing() -> None:
    actions = np.random.default_rng(0).uniform(-1, 1, (5, 8, 3)).astype(np.float32)
    alone, threaded = BatchedEnvironment("hopper", 8), BatchedEnvironment("hopper", 8, threads=2)
    for batched in (alone, threaded):
        batched.reset(range(8), range(8))
    for step in actions:
        whole = threaded.step(step)
        parts = [alone.step(step[[k]], np.array([k]))[0] for k in reversed(range(8))]
        np.testing.assert_array_equal(whole, parts[::-1])
        np.testing.assert_array_equal(threaded.observations(), alone.observations())
    untouched = alone.observations()[0].copy()
    alone.step(actions[0][1:], np.arange(1, 8))
    np.testing.assert_array_equal(alone.observations()[0], untouched)
    threaded.close()


@pytest.mark.parametrize("name", RANDOM_RETURNS)
def test_uniform_actions_reach_the_protocols_returns(name: str) -> None:
    mean, spread, episodes = RANDOM_RETURNS[name]
    played = collect(name, Uniform(environment(name).action_dim), "anchor", 0, episodes=episodes)
    returns = np.array([episode.rewards.sum() for episode in played])
    standard_error = np.hypot(spread, returns.std(ddof=1)) / np.sqrt(episodes)
    assert abs(returns.mean() - mean) < 3 * standard_error
    assert 0.6 < returns.std(ddof=1) / spread < 1.6


def test_mujoco_4_0_0_is_refused_and_others_are_not() -> None:
    with pytest.raises(RepriseError, match=r"4\.0\.0.*pip install 'mujoco"):
        check_mujoco("4.0.0")
    assert check_mujoco("4.0.1") == "4.0.1"
    assert check_mujoco() == __import__("mujoco").__version__


def test_an_unknown_environment_names_the_nearest() -> None:
    with pytest.raises(RepriseError, match="did you mean 'walker2d'"):
        environment("walker3d")


def test_warnings_of_mujoco_leave_no_file_in_the_working_directory(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    with caplog.at_level("INFO"):
        BatchedEnvironment("halfcheetah", 1).close()
    assert "settotalmass" in caplog.text
    assert not list(tmp_path.iterdir())
