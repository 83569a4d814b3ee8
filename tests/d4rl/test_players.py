"""Who acts: policies and restored runs play as they were evaluated, on the stock environment."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.base import RepriseError, Run, RunResult, stream_seed
from benchmarks.d4rl import players
from benchmarks.d4rl.benchmark import BENCHMARK
from benchmarks.d4rl.own_set import LocalSet
from benchmarks.d4rl.policies import Policy
from benchmarks.d4rl.rebuild import artifact
from benchmarks.d4rl.rollout import play
from benchmarks.d4rl.scores import normalized_score
from benchmarks.d4rl.tasks import task
from benchmarks.d4rl.training import CHECKPOINT, read_checkpoint
from sweeps.registry import discover, find_method

TASK = task("hopper-random")
BUDGET = {
    "hidden": [16],
    "train_steps": 20,
    "eval_every": 10,
    "eval_episodes": 3,
    "batch_size": 32,
    "dataset": "local",
    "dataset_rows": 400,
}


@pytest.fixture(autouse=True)
def _small_policies(behaviour_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRISE_BEHAVIOR", str(behaviour_folder))


def trained(method: str, folder: Path, **training: object) -> tuple[list[Run], list[RunResult]]:
    """A stack of two runs."""
    discover()
    kind = find_method("offline_rl", method)
    overrides = {**BUDGET, **training}
    settings, resolved = BENCHMARK.resolve(TASK, kind, "small", overrides, "test")
    artifact(LocalSet(TASK, 400, 0)).ensure()
    data = BENCHMARK.dataset(TASK, resolved)
    runs = [
        Run("offline_rl", TASK.name, 1, data.name, data.hash or "", method, kind.version, settings, resolved, seed)
        for seed in (0, 1)
    ]
    return runs, BENCHMARK.train(runs, folder, lambda progress: None)


@pytest.mark.parametrize("method", ["bc", "iql", "td3_bc"])
@pytest.mark.parametrize("normalize", [True, False])
def test_a_restored_run_earns_what_it_earned_when_it_was_evaluated(
    method: str, normalize: bool, tmp_path: Path
) -> None:
    runs, results = trained(method, tmp_path, normalize_states=normalize)
    for run, result in zip(runs, results, strict=True):
        player = BENCHMARK.player(runs, run, tmp_path)
        seeds = [stream_seed("evaluation", run.task, run.seed, 1, i) for i in range(3)]
        outcomes = list(players.episodes(player, seeds, stochastic=False))
        np.testing.assert_allclose([each.total for each in outcomes], result.extra["episode_returns"]["20"], rtol=1e-3)
        assert f"{run.method} on hopper-random, seed {run.seed}, step 20" == player.label
        with pytest.raises(RepriseError, match=r"acts deterministically.*leave --stochastic out"):
            next(players.episodes(player, seeds, stochastic=True))


def test_a_run_whose_checkpoint_is_gone_or_foreign_is_not_played(tmp_path: Path) -> None:
    runs, _ = trained("td3_bc", tmp_path, normalize_states=True)
    with pytest.raises(RepriseError, match=r"checkpoint\.pt: no such checkpoint; `reprise clean` deletes those"):
        BENCHMARK.player(runs, runs[0], tmp_path / "elsewhere")
    others = [dataclasses.replace(run, seed=run.seed + 5) for run in runs]
    with pytest.raises(RepriseError, match="belongs to other runs"):
        BENCHMARK.player(others, others[0], tmp_path)


def test_a_checkpoint_without_statistics_of_states_takes_them_from_the_data(tmp_path: Path) -> None:
    runs, _ = trained("td3_bc", tmp_path, normalize_states=True)
    observation = np.random.default_rng(0).normal(size=11)
    before = BENCHMARK.player(runs, runs[1], tmp_path).act(observation, None)
    state = read_checkpoint(tmp_path, runs, torch.device("cpu"))
    del state["state_mean"], state["state_std"]
    torch.save(state, tmp_path / CHECKPOINT)
    after = BENCHMARK.player(runs, runs[1], tmp_path).act(observation, None)
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("stochastic", [False, True])
def test_a_policy_plays_the_episodes_of_the_batched_simulation(policy: Policy, stochastic: bool) -> None:
    outcomes = list(players.episodes(players.of_policy(policy, "mine"), [3, 4], stochastic))
    for outcome in outcomes:
        (total,), (steps,) = play("hopper", policy, [outcome.seed], stochastic)
        assert (outcome.steps, outcome.end) == (steps, "terminal")
        assert outcome.total == pytest.approx(total, rel=1e-9)
        assert outcome.score == pytest.approx(normalized_score("hopper", total))
    assert len({outcome.total for outcome in outcomes}) == 2


def test_a_policy_of_no_known_environment_is_refused(policy: Policy) -> None:
    with pytest.raises(RepriseError, match="mine: its environment is 'Ant-v5', not one of Hopper-v5"):
        players.of_policy(dataclasses.replace(policy, meta={"environment": "Ant-v5"}), "mine")


def test_behaviour_policies_are_known_by_name() -> None:
    assert set(players.behaviours()) == {"hopper-medium", "hopper-expert"}
    assert players.of_behaviour("hopper-medium").environment == "hopper"
    with pytest.raises(RepriseError, match="unknown behaviour policy 'hopper-mediun'; did you mean 'hopper-medium'"):
        players.of_behaviour("hopper-mediun")
