"""The catalogue of tasks."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from benchmarks.base import RepriseError
from benchmarks.d4rl.environments import LOCOMOTION
from benchmarks.d4rl.scores import NORMALIZED_SCORE, references
from benchmarks.d4rl.tasks import KINDS, TASKS, OfflineTask, task


def locomotion() -> list[OfflineTask]:
    return [entry for entry in TASKS.values() if entry.environment in LOCOMOTION]


def test_the_catalogue_has_table_1_of_ilq_the_expert_sets_and_the_door() -> None:
    assert len(locomotion()) == 15
    assert sum(entry.kind != "expert" for entry in locomotion()) == 12
    assert {entry.kind for entry in locomotion()} == set(KINDS)
    assert [entry.name for entry in TASKS.values() if entry not in locomotion()] == ["door-human"]
    assert all(entry.metric is NORMALIZED_SCORE and entry.family == "offline_rl" for entry in TASKS.values())


def test_every_task_has_reference_scores() -> None:
    for entry in TASKS.values():
        assert references(entry.d4rl_name) == references(entry.environment)


def test_a_task_is_found_by_its_own_and_by_its_d4rl_name() -> None:
    entry = task("hopper-medium-expert")
    assert task("hopper-medium-expert-v2") is entry
    assert (entry.environment, entry.kind, entry.d4rl_name) == ("hopper", "medium-expert", "hopper-medium-expert-v2")


def test_the_door_is_recorded_and_found_by_its_d4rl_name() -> None:
    door = task("door-human-v1")
    assert door is task("door-human")
    assert (door.environment, door.kind, door.minari_id) == ("door", "human", "D4RL/door/human-v2")
    assert [entry.name for entry in TASKS.values() if entry.recorded] == ["door-human"]
    assert references("door") == references("door-human-v0") == (-56.512833, 2880.5693087298737)


@pytest.mark.parametrize("name", ["hopper-medium-v0", "door-human-v0", "door-human-v2"])
def test_another_version_of_the_data_is_another_task(name: str) -> None:
    with pytest.raises(RepriseError, match="unknown task"):
        task(name)


def test_minari_ids_of_locomotion_exist_for_medium_and_expert_only() -> None:
    assert task("walker2d-medium").minari_id == "mujoco/walker2d/medium-v0"
    assert {entry.kind for entry in locomotion() if entry.minari_id} == {"medium", "expert"}


def test_an_unknown_task_names_the_nearest() -> None:
    with pytest.raises(RepriseError, match="unknown task 'hoper-medium'; did you mean 'hopper-medium'"):
        task("hoper-medium")


def test_published_claims_of_ilq_are_about_these_tasks() -> None:
    claims = Path(__file__).parents[2] / "results" / "published" / "offline_rl.csv"
    if not claims.exists():
        pytest.skip("results/published/offline_rl.csv is not there")
    with claims.open(newline="") as file:
        named = {row["task"] for row in csv.DictReader(file) if row["method"] == "ILQ" and "-v2" in row["task"]}
    claimed = {name for name in named if name.split("-")[0] in ("hopper", "halfcheetah", "walker2d")}
    assert {entry.d4rl_name for entry in locomotion() if entry.kind != "expert"} <= claimed
