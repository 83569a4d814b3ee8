"""The door with D4RL's reward: its rule, many doors at once, and the state behind an observation."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium_robotics.envs.adroit_hand.adroit_door import AdroitHandDoorEnv

from benchmarks.base import stream_seed
from benchmarks.d4rl.adroit import AdroitDoor, DoorSimulation, observable_reward
from benchmarks.d4rl.environments import DOOR, make, simulation, versions
from benchmarks.d4rl.evaluation import Evaluator
from benchmarks.d4rl.models.termination import termination
from benchmarks.d4rl.policies import Policy
from benchmarks.d4rl.rollout import play


def rule(observation: np.ndarray, velocity: np.ndarray) -> float:
    """D4RL's reward, term by term."""
    palm, handle, hinge = observation[29:32], observation[32:35], observation[28]
    reward = -0.1 * sum((p - h) ** 2 for p, h in zip(palm, handle, strict=True)) ** 0.5
    reward -= 0.1 * (hinge - 1.57) ** 2
    reward -= 1e-5 * sum(v * v for v in velocity)
    for angle, bonus in ((0.2, 2), (1.0, 8), (1.35, 10)):
        if hinge > angle:
            reward += bonus
    return reward


def opened(env: AdroitHandDoorEnv, hinge: float) -> np.ndarray:
    """One step from a state with the door ajar."""
    state = {"qpos": np.zeros(30), "qvel": np.full(30, 0.1), "door_body_pos": np.array([-0.2, 0.3, 0.3])}
    state["qpos"][28] = hinge
    env.reset(seed=0)
    env.set_env_state(state)
    return np.zeros(28, np.float32)


@pytest.mark.parametrize("hinge", [0.0, 0.5, 1.15, 1.45])
def test_the_reward_is_d4rls_and_the_stock_environment_pays_the_distance_with_the_wrong_sign(hinge: float) -> None:
    ours, stock = AdroitDoor(), AdroitHandDoorEnv()
    for env in (ours, stock):
        action = opened(env, hinge)
    rng = np.random.default_rng(0)
    for _ in range(3):
        observation, reward, *_ = ours.step(action)
        stocks, paid, *_ = stock.step(action)
        np.testing.assert_array_equal(observation, stocks)
        assert reward == pytest.approx(rule(observation, ours.data.qvel), abs=1e-12)
        distance = np.sqrt(((observation[29:32] - observation[32:35]) ** 2).sum())
        assert paid - reward == pytest.approx(0.2 * distance, abs=1e-9)
        assert distance > 0.05
        assert observable_reward(observation) - reward == pytest.approx(1e-5 * (ours.data.qvel**2).sum(), abs=1e-9)
        action = rng.uniform(-1, 1, 28).astype(np.float32)


def test_steps_and_resets_are_bit_equal_to_environments_of_their_own() -> None:
    copies = 3
    own, together = [AdroitDoor() for _ in range(copies)], DoorSimulation(copies)
    expected = np.stack([env.reset(seed=seed)[0] for seed, env in enumerate(own)])
    np.testing.assert_array_equal(together.reset(range(copies), range(copies)), expected)
    rng = np.random.default_rng(0)
    for step in range(60):
        actions = rng.uniform(-1.2, 1.2, (copies, 28)).astype(np.float32)
        rewards = together.step(actions)
        observations = together.observations()
        for k, env in enumerate(own):
            observation, reward, *_ = env.step(actions[k])
            np.testing.assert_array_equal(observations[k], observation)
            assert rewards[k] == reward
        if step == 30:
            np.testing.assert_array_equal(together.reset([1], [77])[0], own[1].reset(seed=77)[0])
    assert together.steps.tolist() == [60, 29, 60]
    together.close()


def test_threads_and_subsets_change_nothing() -> None:
    actions = np.random.default_rng(0).uniform(-1, 1, (5, 5, 28)).astype(np.float32)
    alone, threaded = DoorSimulation(5), DoorSimulation(5, threads=2)
    for together in (alone, threaded):
        together.reset(range(5), range(5))
    for step in actions:
        whole = threaded.step(step)
        parts = [alone.step(step[[k]], np.array([k]))[0] for k in reversed(range(5))]
        np.testing.assert_array_equal(whole, parts[::-1])
        np.testing.assert_array_equal(threaded.observations(), alone.observations())
    before = alone.observations()
    alone.step(actions[0][1:], np.arange(1, 5))
    np.testing.assert_array_equal(alone.observations()[0], before[0])
    threaded.close()


def test_an_episode_is_cut_after_200_steps_and_never_terminates() -> None:
    env, together = make("door"), simulation("door", 1)
    env.reset(seed=0)
    together.reset([0], [0])
    for step in range(1, 201):
        *_, terminated, truncated, _ = env.step(np.zeros(28, np.float32))
        together.step(np.zeros((1, 28), np.float32))
        assert bool(together.truncated[0]) == truncated == (step == DOOR.time_limit)
        assert not terminated
        assert not together.terminated[0]
    together.reset([0], [0])
    assert not together.truncated[0]
    states = torch.randn(4, 39)
    assert not termination("door")(states * 100).any()


def test_evaluation_plays_the_episodes_that_single_environments_play() -> None:
    direction = torch.from_numpy(np.random.default_rng(0).normal(size=(39, 28)) / 10).float()
    evaluator = Evaluator("door", "door-human", [0, 1], 1)
    returns, broken = evaluator.evaluate(lambda states: torch.tanh(states @ direction), np.zeros(39), np.ones(39), 0)
    env = make("door")
    for slot, seed in enumerate((0, 1)):
        observation, _ = env.reset(seed=stream_seed("evaluation", "door-human", seed, 0, 0))
        total, done = 0.0, False
        while not done:
            states = torch.from_numpy(np.stack([observation, observation])).float()
            observation, reward, _, done, _ = env.step(torch.tanh(states @ direction)[0].numpy())
            total += reward
        assert returns[slot, 0] == pytest.approx(total, rel=1e-5)
    assert not broken.any()
    evaluator.close()


def test_numpy_policies_play_the_door() -> None:
    policy = Policy((np.zeros((39, 56), np.float32),), (np.zeros(56, np.float32),), -5.0, 2.0, {})
    returns, lengths = play("door", policy, [0, 1], stochastic=False)
    assert lengths.tolist() == [200, 200]
    assert -120 < returns.mean() < 0


def test_a_state_at_rest_is_found_again_from_what_it_shows() -> None:
    env, rng = AdroitDoor(), np.random.default_rng(0)
    for seed in range(4):
        env.reset(seed=seed)
        state = {**env.get_env_state(), "qpos": rng.uniform(-0.2, 0.2, 30)}
        env.set_env_state(state)
        found = env.state_at(env._get_obs())
        for key, value in state.items():
            np.testing.assert_allclose(found[key], value, atol=1e-9)


def test_an_observation_of_a_rebuilt_state_is_the_one_it_was_rebuilt_from() -> None:
    env = AdroitDoor()
    env.reset(seed=0)
    seen, *_ = env.step(np.full(28, 0.5, np.float32))
    again, _ = env.reset(seed=1, options={"initial_state_dict": env.state_at(seen)})
    np.testing.assert_allclose(again[:28], seen[:28], atol=1e-12)
    np.testing.assert_allclose(again, seen, atol=0.05)  # palm and handle are shown as they were one substep before


def test_the_environment_is_known_to_gymnasium_and_named_in_labels() -> None:
    assert isinstance(gymnasium.make(DOOR.gym_id).unwrapped, AdroitDoor)
    assert versions("door").startswith("reprise/AdroitHandDoor-D4RL-v1, gymnasium ")
    assert "gymnasium-robotics " in versions("door")
    assert "robotics" not in versions("hopper")


def test_gymnasium_robotics_is_imported_only_where_the_door_is_used() -> None:
    program = (
        "import sys, benchmarks.d4rl.benchmark; from benchmarks.d4rl.environments import simulation; "
        "simulation('hopper', 1); print('gymnasium_robotics' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
