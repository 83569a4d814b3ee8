"""Online SAC: it learns nothing here, but it walks the whole way and resumes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from baselines.sac import SAC, Settings
from benchmarks.base import Progress, RepriseError, Run, registered_methods
from benchmarks.d4rl.method import Batch, Problem
from benchmarks.d4rl.online import OnlineTrainer, OnlineTraining, Replay
from benchmarks.d4rl.online_benchmark import BENCHMARK
from benchmarks.d4rl.policies import Policy

SHORT = OnlineTraining(
    train_steps=60, batch_size=8, warmup_steps=20, eval_every=30, eval_episodes=2, checkpoint_every=30
)


def trainer(folder: Path, seeds: list[int]) -> OnlineTrainer:
    return OnlineTrainer(SAC, [Settings(hidden=(16, 16))] * len(seeds), "hopper", seeds, SHORT, folder)


def ignore(progress: Progress) -> None:
    pass


def test_snapshots_and_logs_appear_for_every_seed(tmp_path: Path) -> None:
    trainer(tmp_path, [0, 5]).train(ignore)
    for seed in (0, 5):
        folder = tmp_path / f"seed{seed}"
        assert sorted(p.name for p in folder.glob("*.npz")) == ["step0000030.npz", "step0000060.npz"]
        assert len((folder / "log.csv").read_text().splitlines()) == 3
        policy = Policy.load(folder / "step0000060.npz")
        assert policy.meta["step"] == 60
        assert np.abs(policy.act(np.zeros((4, 11)))).max() <= 1.0


def test_an_agent_trains_the_same_alone_and_in_a_stack(tmp_path: Path) -> None:
    alone, stacked = trainer(tmp_path / "a", [5]), trainer(tmp_path / "b", [0, 5])
    alone.train(ignore)
    stacked.train(ignore)
    torch.testing.assert_close(alone.replay.rows[0, :40], stacked.replay.rows[1, :40], rtol=0, atol=1e-4)


def test_training_goes_on_from_a_checkpoint(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop_late(progress: Progress) -> None:
        if progress.step == 60:
            raise Stop

    first = trainer(tmp_path, [0])
    with pytest.raises(Stop):
        first.train(stop_late)
    second = trainer(tmp_path, [0])
    steps: list[int] = []
    second.train(lambda progress: steps.append(progress.step))
    assert steps == [60]
    assert second.replay.size == 60
    torch.testing.assert_close(second.replay.rows[:, :30], first.replay.rows[:, :30])


def test_replay_draws_only_stored_rows() -> None:
    replay = Replay(2, 10, 3, 1)
    for value in range(4):
        replay.add([np.full((2, 3), value), np.zeros((2, 1)), np.zeros(2), np.zeros((2, 3)), np.zeros(2)])
    batch = replay.batch(torch.tensor([[0.0, 0.25, 0.999], [0.5, 0.75, 0.1]]))
    assert batch.states[0, :, 0].tolist() == [0.0, 1.0, 3.0]
    assert batch.states[1, :, 0].tolist() == [2.0, 3.0, 0.0]


def test_critic_target_of_sac_follows_its_formula() -> None:
    zeros = torch.zeros(3, dtype=torch.float64)
    problem = Problem("t", "hopper", 3, 2, 10, 5, zeros, zeros + 1, dtype=torch.float64)
    agent = SAC([Settings(hidden=(8,), discount=0.9)], problem, [0])
    batch = Batch(
        torch.randn(1, 5, 3, dtype=torch.float64),
        torch.rand(1, 5, 2, dtype=torch.float64),
        torch.randn(1, 5, dtype=torch.float64),
        torch.randn(1, 5, 3, dtype=torch.float64),
        torch.tensor([[0.0, 1.0, 0.0, 1.0, 0.0]], dtype=torch.float64),
        torch.zeros(1, 5, dtype=torch.long),
    )
    noise = {name: torch.randn(1, 5, 2, dtype=torch.float64) for name in agent.draws()}
    with torch.no_grad():
        action, log_pi = agent.actor.sample(batch.next_states, noise["next"])
        next_q = agent.target(batch.next_states, action).min(1).values
        y = batch.rewards + 0.9 * (1 - batch.dones) * (next_q - 1.0 * log_pi)
        wanted = sum(((agent.critics(batch.states, batch.actions)[:, j] - y) ** 2).mean() for j in range(2))
    assert agent.update(batch, noise)["critic_loss"].item() == pytest.approx(float(wanted), abs=1e-12)


def test_the_family_turns_logs_into_results(tmp_path: Path) -> None:
    task = BENCHMARK.tasks()["online/hopper"]
    method = registered_methods("online_rl")["sac"]
    overrides = {
        "train_steps": 40,
        "warmup_steps": 10,
        "eval_every": 20,
        "eval_episodes": 1,
        "hidden": [8],
        "batch_size": 4,
    }
    settings, training = BENCHMARK.resolve(task, method, None, overrides, "test")
    run = Run("online_rl", task.name, 1, "none", "none", "sac", 1, settings, training, 0)
    result = BENCHMARK.train([run], tmp_path, ignore)[0]
    assert result.status == "finished"
    assert [p.step for p in result.curve if p.metric == "normalized_score"] == [20, 40]
    with pytest.raises(RepriseError, match="did you mean 'warmup_steps'"):
        BENCHMARK.resolve(task, method, None, {"warmup": 3}, "test")
