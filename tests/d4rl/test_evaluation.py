"""Batched evaluation against episodes played one at a time on stock gymnasium."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.base import stream_seed
from benchmarks.d4rl.environments import make
from benchmarks.d4rl.evaluation import Evaluator, statistics
from benchmarks.d4rl.networks import TanhGaussianActor, generators
from benchmarks.d4rl.scores import references

MEAN, STD = np.linspace(-0.1, 0.1, 11), np.linspace(0.8, 1.2, 11)


def actor() -> TanhGaussianActor:
    return TanhGaussianActor(11, 3, [16], generators([0, 1]), -5.0, 2.0)


def episode(policy: TanhGaussianActor, run: int, seed: int) -> float:
    """One episode on the stock environment, normalising states in the plainest way."""
    env = make("hopper")
    observation, _ = env.reset(seed=seed)
    total, done = 0.0, False
    while not done:
        state = torch.from_numpy((observation - MEAN) / STD).float().expand(2, 1, 11)
        with torch.no_grad():
            action = policy.deterministic(state)[run, 0].numpy()
        observation, reward, terminated, truncated, _ = env.step(action)
        total, done = total + float(reward), terminated or truncated
    return total


def test_returns_equal_those_of_single_stock_environments() -> None:
    policy, seeds = actor(), [4, 9]
    with torch.no_grad():
        returns, broken = Evaluator("hopper", "hopper-medium", seeds, 3).evaluate(policy.deterministic, MEAN, STD, 2)
    assert not broken.any()
    for run, seed in enumerate(seeds):
        for number in range(3):
            wanted = episode(policy, run, stream_seed("evaluation", "hopper-medium", seed, 2, number))
            assert returns[run, number] == pytest.approx(wanted, rel=1e-3)


def test_threads_change_nothing() -> None:
    policy = actor()
    with torch.no_grad():
        one = Evaluator("hopper", "t", [0, 1], 4).evaluate(policy.deterministic, MEAN, STD, 0)[0]
        two = Evaluator("hopper", "t", [0, 1], 4, threads=2).evaluate(policy.deterministic, MEAN, STD, 0)[0]
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(("mode", "same"), [("fixed", True), ("advance", False)])
def test_seed_mode_says_whether_evaluations_share_starting_states(mode: str, same: bool) -> None:
    policy = actor()
    evaluator = Evaluator("hopper", "t", [0, 1], 3, mode)
    with torch.no_grad():
        first = evaluator.evaluate(policy.deterministic, MEAN, STD, 0)[0]
        second = evaluator.evaluate(policy.deterministic, MEAN, STD, 1)[0]
    assert np.array_equal(first, second) == same


def test_a_policy_that_is_not_finite_scores_the_reference_minimum_and_is_flagged() -> None:
    policy = actor()
    with torch.no_grad():
        policy.net.weights[0][1] = float("nan")
        returns, broken = Evaluator("hopper", "t", [0, 1], 2).evaluate(policy.deterministic, MEAN, STD, 0)
    assert broken.tolist() == [False, True]
    assert (returns[1] == references("hopper")[0]).all()
    assert (returns[0] != references("hopper")[0]).all()


def test_statistics_of_a_curve() -> None:
    values = [float(v) for v in (5, 90, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)]
    assert statistics(values) == {"last": 10.0, "best": 90.0, "final10": 5.5}
    assert "final10" not in statistics(values[:9])
