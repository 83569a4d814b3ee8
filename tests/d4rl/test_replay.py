"""What the real door demonstrations allow (protocol, section 8): the rebuilt first state, the agreed prefix, the reward rule."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.base import home
from benchmarks.d4rl import minari_store
from benchmarks.d4rl.adroit import AdroitDoor
from benchmarks.d4rl.collect import Episode
from benchmarks.d4rl.datasets import load
from benchmarks.d4rl.import_adroit import import_file
from benchmarks.d4rl.replay import open_loop


@pytest.fixture(scope="module")
def real_home(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the real demonstrations imported."""
    folder = tmp_path_factory.mktemp("real")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPRISE_HOME", str(folder))
        import_file(shared_data / "offline_rl" / "door_human_demos.npz")
    return folder


@pytest.fixture
def demos(shared_data: Path) -> dict[str, np.ndarray]:
    with np.load(shared_data / "offline_rl" / "door_human_demos.npz") as file:
        return dict(file)


@pytest.fixture
def _real(real_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRISE_HOME", str(real_home))


@pytest.mark.usefixtures("_real")
def test_the_set_holds_all_steps_with_a_recorded_next_observation(demos: dict[str, np.ndarray]) -> None:
    data = load("door-human", "recorded")
    lengths = demos["episode_lengths"]
    assert (len(lengths), lengths.sum(), len(data)) == (25, 6729, 6729 - 25)
    last = np.cumsum(lengths) - 1
    kept = np.setdiff1d(np.arange(6729), last)
    np.testing.assert_array_equal(data.observations, np.float32(demos["observations"][kept]))
    np.testing.assert_array_equal(data.next_observations, np.float32(demos["observations"][kept + 1]))
    np.testing.assert_array_equal(data.rewards, np.float32(demos["rewards"][kept]))
    assert data.actions.abs().max() == 1.0
    np.testing.assert_array_equal(np.flatnonzero(data.timeouts), last - np.arange(1, 26))


@pytest.mark.usefixtures("_real")
def test_the_replays_agree_as_far_as_the_protocol_measured() -> None:
    found = load("door-human", "recorded").meta["open_loop"]
    assert max(found["first_error"]) < 1e-6
    near, far = np.array(found["agreed_within_0.01"]), np.array(found["agreed_within_0.1"])
    assert len(near) == 25
    assert near.min() > 30  # the first observation and 30 steps
    assert near.max() < 100
    assert far.min() >= 90
    assert far.max() == 300
    recorded, replayed = np.array(found["recorded_returns"]), np.array(found["replayed_returns"])
    whole = far == found["observations"]
    assert whole.sum() >= 3
    np.testing.assert_allclose(replayed[whole], recorded[whole], rtol=0.05)


@pytest.mark.usefixtures("_real")
def test_a_replay_counts_what_a_loop_over_steps_counts() -> None:
    episode = minari_store.read_episodes(home() / "datasets" / "recorded" / "door-human-v0")[3]
    (found,) = open_loop([episode])
    env = AdroitDoor()
    state = env.state_at(episode.observations[0].astype(np.float64))
    observation, _ = env.reset(seed=0, options={"initial_state_dict": state})
    agreed, parted, total = 0, False, 0.0
    for step, recorded in enumerate(episode.observations):
        parted = parted or max(abs(a - b) for a, b in zip(observation, recorded, strict=True)) > 0.01
        agreed += not parted
        if step < len(episode):
            observation, reward, *_ = env.step(episode.actions[step])
            total += reward
    assert found.agreed[0.01] == agreed < len(episode) + 1
    assert found.replayed_return == pytest.approx(total)
    assert found.recorded_return == pytest.approx(episode.rewards.sum(), rel=1e-6)


def test_a_replay_of_simulated_steps_agrees_to_the_end() -> None:
    env, rng = AdroitDoor(), np.random.default_rng(0)
    observation, _ = env.reset(seed=3)
    seen, rewards, actions = [observation], [], rng.uniform(-1, 1, (20, 28)).astype(np.float32)
    for action in actions:
        observation, reward, *_ = env.step(action)
        seen.append(observation)
        rewards.append(reward)
    (found,) = open_loop([Episode(None, np.float32(seen), actions, np.float32(rewards), False, True)])
    assert found.agreed == {0.01: 21, 0.1: 21}
    assert found.replayed_return == pytest.approx(found.recorded_return, abs=1e-3)


def test_the_rebuilt_door_stands_where_the_recording_says(demos: dict[str, np.ndarray]) -> None:
    env = AdroitDoor()
    starts = np.cumsum([0, *demos["episode_lengths"][:-1]])
    for start, position in zip(starts, demos["init_door_body_pos"], strict=True):
        state = env.state_at(demos["observations"][start])
        np.testing.assert_allclose(state["door_body_pos"], position, atol=1e-6)
        observation, _ = env.reset(seed=0, options={"initial_state_dict": state})
        np.testing.assert_allclose(observation, demos["observations"][start], atol=6e-8)
    assert not demos["init_qpos"].any()


def test_recorded_rewards_follow_d4rls_rule_up_to_the_velocity_cost(demos: dict[str, np.ndarray]) -> None:
    left = []
    for end, length in zip(np.cumsum(demos["episode_lengths"]), demos["episode_lengths"], strict=True):
        for row in range(end - length, end - 1):
            after = demos["observations"][row + 1]
            distance, hinge = np.sqrt(((after[29:32] - after[32:35]) ** 2).sum()), after[28]
            bonus = 20 if hinge > 1.35 else 10 if hinge > 1.0 else 2 if hinge > 0.2 else 0
            left.append(demos["rewards"][row] - (bonus - 0.1 * distance - 0.1 * (hinge - 1.57) ** 2))
    assert min(left) == pytest.approx(-0.0232, abs=5e-5)
    assert max(left) == pytest.approx(-2.2e-5, abs=5e-7)
