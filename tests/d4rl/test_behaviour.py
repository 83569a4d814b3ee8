"""Exact evaluation of behaviour policies, and collecting episodes with them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.base import RepriseError
from benchmarks.d4rl.behaviour import ACTIVATION_UNIT, WEIGHT_UNIT, ExactPolicy, Uniform, fingerprint
from benchmarks.d4rl.collect import Episode, collect, cut
from benchmarks.d4rl.environments import make
from benchmarks.d4rl.policies import Policy


def _in_whole_numbers(policy: Policy, observations: np.ndarray) -> np.ndarray:
    """Output of the last layer in Python's unbounded integers: the sums are exact whatever their order."""

    def whole(values: np.ndarray, unit: float) -> np.ndarray:
        return np.array([round(float(value) / unit) for value in values.ravel()], dtype=object).reshape(values.shape)

    x = whole(observations.astype(np.float64), ACTIVATION_UNIT)
    for layer, (weight, bias) in enumerate(zip(policy.weights, policy.biases, strict=True)):
        z = x @ whole(weight, WEIGHT_UNIT) + whole(bias, WEIGHT_UNIT) * round(1 / ACTIVATION_UNIT)
        values = np.array([float(value) for value in z.ravel()]).reshape(z.shape) * (WEIGHT_UNIT * ACTIVATION_UNIT)
        if layer < len(policy.weights) - 1:
            x = whole(np.maximum(values, 0.0), ACTIVATION_UNIT)
    return values


def test_sums_are_exact(policy: Policy) -> None:
    observations = np.random.default_rng(1).normal(0, 2, (20, 11)).astype(np.float32)
    mean, log_std = ExactPolicy(policy).distribution(observations)
    expected = _in_whole_numbers(policy, observations)
    np.testing.assert_array_equal(mean, expected[:, :3])
    np.testing.assert_array_equal(log_std, np.clip(expected[:, 3:], -5, 2))


def test_rounding_changes_the_policy_very_little(policy: Policy) -> None:
    observations = np.random.default_rng(2).normal(0, 2, (50, 11)).astype(np.float32)
    noise = np.random.default_rng(3).normal(size=(50, 3))
    np.testing.assert_allclose(ExactPolicy(policy).act(observations, noise), policy.act(observations, noise), atol=1e-3)


def test_actions_do_not_depend_on_the_batch(policy: Policy) -> None:
    rng = np.random.default_rng(4)
    observations, noise = rng.normal(size=(64, 11)).astype(np.float32), rng.normal(size=(64, 3))
    exact = ExactPolicy(policy)
    together = exact.act(observations, noise)
    for rows in ([0], [5, 3], list(range(7)), list(range(63, -1, -1))):
        np.testing.assert_array_equal(exact.act(observations[rows], noise[rows]), together[rows])


def test_weights_too_large_for_exact_sums_are_refused(policy: Policy) -> None:
    with pytest.raises(RepriseError, match=r"huge\.npz: weights of layer 0 are too large"):
        ExactPolicy(replace(policy, weights=(policy.weights[0] * 1e6, *policy.weights[1:])), "huge.npz")


def test_the_fingerprint_follows_weights_and_not_the_description(policy: Policy) -> None:
    assert fingerprint(policy) == fingerprint(replace(policy, meta={"seed": 99}))
    assert fingerprint(policy) != fingerprint(replace(policy, biases=(policy.biases[0] + 1e-3, *policy.biases[1:])))
    assert fingerprint(policy) != fingerprint(replace(policy, log_std_max=1.0))


def _same(ours: list[Episode], theirs: list[Episode]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        for key in ("observations", "actions", "rewards"):
            np.testing.assert_array_equal(getattr(one, key), getattr(other, key))
        assert (one.seed, one.terminated, one.truncated) == (other.seed, other.terminated, other.truncated)


@pytest.mark.parametrize("kind", ["uniform", "policy"])
def test_width_and_threads_do_not_change_a_bit(kind: str, policy: Policy) -> None:
    behaviour = Uniform(3) if kind == "uniform" else ExactPolicy(policy)
    alone = collect("hopper", behaviour, "t", 0, rows=700, width=1, threads=1)
    for width, threads in ((5, 1), (32, 2)):
        _same(alone, collect("hopper", behaviour, "t", 0, rows=700, width=width, threads=threads))


def test_a_longer_collection_begins_with_a_shorter_one() -> None:
    short, long = (collect("hopper", Uniform(3), "t", 0, rows=rows) for rows in (300, 900))
    _same(short, long[: len(short)])
    assert sum(map(len, short[:-1])) < 300 <= sum(map(len, short))
    assert all(episode.complete for episode in long)


@pytest.mark.parametrize("rows", [1, 299, 300])
def test_a_cut_keeps_the_first_rows_and_only_the_last_episode_may_be_incomplete(rows: int) -> None:
    whole = collect("hopper", Uniform(3), "t", 0, rows=300)
    kept = cut(whole, rows)
    assert sum(map(len, kept)) == rows
    _same(kept[:-1], whole[: len(kept) - 1])
    length = len(kept[-1])
    assert kept[-1].complete == (length == len(whole[len(kept) - 1]))
    np.testing.assert_array_equal(kept[-1].observations, whole[len(kept) - 1].observations[: length + 1])


def test_a_cut_at_the_end_of_an_episode_changes_nothing() -> None:
    whole = collect("hopper", Uniform(3), "t", 0, rows=300)
    _same(cut(whole, sum(map(len, whole))), whole)
    _same(cut(whole, len(whole[0])), whole[:1])


def test_other_seeds_and_streams_give_other_episodes() -> None:
    firsts = [
        collect("hopper", Uniform(3), stream, seed, episodes=1)[0] for stream, seed in (("t", 0), ("t", 1), ("u", 0))
    ]
    assert len({episode.seed for episode in firsts}) == 3
    assert len({episode.actions[0].tobytes() for episode in firsts}) == 3


@pytest.mark.parametrize("name", ["hopper", "halfcheetah"])
def test_stored_seeds_and_actions_replay_the_episode(name: str) -> None:
    env = make(name)
    for episode in collect(name, Uniform(env.action_space.shape[0]), "t", 0, episodes=2):
        observations, rewards = [env.reset(seed=episode.seed)[0]], []
        for action in episode.actions:
            observation, reward, terminated, truncated, _ = env.step(action)
            observations.append(observation)
            rewards.append(reward)
        np.testing.assert_array_equal(np.float32(observations), episode.observations)
        np.testing.assert_array_equal(np.float32(rewards), episode.rewards)
        assert (terminated, truncated) == (episode.terminated, episode.truncated)
