from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.base import RepriseError
from benchmarks.d4rl.behaviour import ExactPolicy, policy_folder, policy_path, snapshot_paths
from benchmarks.d4rl.choose_policies import Checkpoint, candidates, medium, read_log, write
from benchmarks.d4rl.collect import collect
from benchmarks.d4rl.environments import ENVIRONMENTS
from benchmarks.d4rl.policies import Policy
from benchmarks.d4rl.recipes import MEDIUM_THRESHOLD, available, remark
from benchmarks.d4rl.scores import normalized_score
from benchmarks.d4rl.tasks import TASKS

SCORES = {10: 1.0, 20: 30.0, 30: 81.0, 40: 47.0, 50: 52.0, 60: 92.0, 70: 92.0}


def checkpoints(scores: dict[int, float]) -> list[Checkpoint]:
    return [Checkpoint(step, score) for step, score in scores.items()]


def test_medium_is_the_first_checkpoint_at_the_threshold_that_does_not_leap_over_it() -> None:
    assert medium(checkpoints(SCORES), 45.0).step == 40
    assert medium(checkpoints({10: 44.9, 20: 45.0}), 45.0).step == 20
    assert medium(checkpoints({10: 55.0}), 45.0).step == 10


def test_a_training_without_a_medium_checkpoint_is_refused() -> None:
    with pytest.raises(RepriseError, match="between 45 and 55"):
        medium(checkpoints({10: 1.0, 20: 55.1}), 45.0)


def test_the_best_checkpoints_of_the_log_may_be_expert() -> None:
    assert [checkpoint.step for checkpoint in candidates(checkpoints(SCORES))] == [60, 70, 30]


def played(policy: Policy, step: int) -> float:
    """Mean score over 100 stochastic episodes, of the seeds that the choice uses."""
    episodes = collect("hopper", ExactPolicy(policy), f"choose/hopper/{step}", 0, episodes=100)
    return float(np.mean([normalized_score("hopper", episode.rewards.sum(dtype=np.float64)) for episode in episodes]))


def test_policies_snapshots_and_log_are_written(tmp_path: Path, random_policy: Callable[[str, int], Policy]) -> None:
    training, out = tmp_path / "seed0", tmp_path / "out"
    training.mkdir()
    for step in SCORES:
        policy = random_policy("hopper", step)
        meta = {**policy.meta, "step": step}
        Policy(policy.weights, policy.biases, -5.0, 2.0, meta).save(training / f"step{step:07d}.npz")
    with (training / "log.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["step", "normalized_score"])
        rows.writerows((float(step), score) for step, score in SCORES.items())
    middle, best = write(training, out)
    measured = {step: played(random_policy("hopper", step), step) for step in (30, 40, 60, 70)}
    assert (middle.step, best.step) == (40, max((30, 60, 70), key=lambda step: measured[step]))
    kept = Policy.load(out / "hopper-medium.npz")
    assert kept.meta["step"] == 40
    assert kept.meta["normalized_score"] == round(measured[40], 2)
    np.testing.assert_array_equal(kept.weights[0], random_policy("hopper", 40).weights[0])
    assert [path.name for path in (out / "hopper-snapshots").iterdir()] != []
    names = sorted(path.name for path in (out / "hopper-snapshots").iterdir())
    assert names == ["step0000020.npz", "step0000030.npz"]
    half = Policy.load(out / "hopper-snapshots" / names[0]).weights[0]
    np.testing.assert_array_equal(half, random_policy("hopper", 20).weights[0].astype(np.float16))
    assert (out / "hopper-training.csv").read_bytes() == (training / "log.csv").read_bytes()


def test_a_file_that_is_no_log_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("a,b\n1,2\n")
    with pytest.raises(RepriseError, match=r"log\.csv: not the log"):
        read_log(tmp_path / "log.csv")


TRAINED = sorted(path.name.removesuffix("-training.csv") for path in policy_folder().glob("*-training.csv"))


@pytest.mark.parametrize("env", TRAINED)
def test_the_committed_policies_are_what_the_rule_chooses_from_the_committed_log(env: str) -> None:
    log = read_log(policy_folder() / f"{env}-training.csv")
    middle = medium(log, MEDIUM_THRESHOLD[env]).step
    allowed = {"medium": [middle], "expert": [checkpoint.step for checkpoint in candidates(log)]}
    for level, steps in allowed.items():
        meta = Policy.load(policy_path(env, level)).meta
        assert meta["step"] in steps
        assert meta["environment"] == ENVIRONMENTS[env].gym_id
        assert isinstance(meta["normalized_score"], float)
    snapshots = [Policy.load(path).meta["step"] for path in snapshot_paths(env)]
    assert snapshots == [checkpoint.step for checkpoint in log[1:] if checkpoint.step < middle]


def test_policies_and_snapshots_stay_small() -> None:
    assert sum(path.stat().st_size for path in policy_folder().rglob("*") if path.is_file()) < 20_000_000


def test_every_locomotion_set_can_be_built_from_the_committed_policies() -> None:
    sets = [entry for entry in TASKS.values() if not entry.recorded]
    assert len(sets) == 15
    assert all(available(entry) for entry in sets)
    assert {remark(entry) for entry in sets if "expert" in entry.kind} == {""}
