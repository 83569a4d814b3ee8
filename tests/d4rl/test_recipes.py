from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import minari
import numpy as np
import pytest

from benchmarks.base import RepriseError, home
from benchmarks.d4rl.build_sets import build
from benchmarks.d4rl.collect import collect
from benchmarks.d4rl.datasets import load, verify
from benchmarks.d4rl.own_set import LocalSet
from benchmarks.d4rl.policies import Policy
from benchmarks.d4rl.rebuild import artifact
from benchmarks.d4rl.recipes import available, remark, segments
from benchmarks.d4rl.set_record import rank_correlation
from benchmarks.d4rl.tasks import task

ROWS = 500
MEDIUM_STEP = 40


@pytest.fixture
def behaviour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, random_policy: Callable[[str, int], Policy]) -> Path:
    """Medium, expert and three snapshots for Hopper, of which one lies after medium."""
    folder = tmp_path / "behavior"
    (folder / "hopper-snapshots").mkdir(parents=True)
    steps = {"hopper-medium": MEDIUM_STEP, "hopper-expert": 90}
    steps |= {f"hopper-snapshots/step{step:07d}": step for step in (20, 30, 60)}
    for seed, (name, step) in enumerate(steps.items()):
        policy = random_policy("hopper", seed)
        Policy(policy.weights, policy.biases, -5.0, 2.0, {**policy.meta, "step": step}).save(folder / f"{name}.npz")
    monkeypatch.setenv("REPRISE_BEHAVIOR", str(folder))
    return folder


def test_a_replay_is_the_warm_up_then_the_snapshots_before_medium_then_medium(behaviour: Path) -> None:
    chosen = segments(task("hopper-medium-replay"))
    assert [segment.about.get("step") for segment in chosen] == [None, 20, 30, MEDIUM_STEP]
    assert len({segment.stream for segment in chosen}) == 4


def test_a_replay_shares_its_rows_equally_in_the_order_of_training(
    behaviour: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = LocalSet(task("hopper-medium-replay"), ROWS, 0)
    artifact(wanted).ensure()
    data, start = load("hopper-medium-replay", rows=ROWS), 0
    manifest = wanted.manifest()
    assert manifest
    shares = [about["rows"] for about in manifest["behaviours"]]
    for number, segment in enumerate(segments(wanted.task), start=1):
        due = ROWS * number // 4 - start
        episodes = collect("hopper", segment.behaviour, segment.stream, 0, rows=due)
        assert sum(map(len, episodes[:-1])) < due <= sum(map(len, episodes))
        assert shares[number - 1] == min(sum(map(len, episodes)), ROWS - start)
        for episode in episodes:
            end = min(start + len(episode), ROWS)
            np.testing.assert_array_equal(data.actions[start:end], episode.actions[: end - start])
            start += len(episode)
    assert len(data) == ROWS
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(home() / "datasets"))
    assert "not the replay buffer" in minari.load_dataset(wanted.name).storage.metadata["description"]


def test_another_snapshot_gives_another_set(behaviour: Path) -> None:
    wanted = LocalSet(task("hopper-medium-replay"), ROWS, 0)
    before = artifact(wanted).key
    (behaviour / "hopper-snapshots" / "step0000030.npz").unlink()
    assert artifact(wanted).key != before


def test_a_replay_needs_snapshots_and_a_medium_policy(behaviour: Path) -> None:
    assert available(task("hopper-medium-replay"))
    (behaviour / "hopper-medium.npz").unlink()
    assert not available(task("hopper-medium-replay"))
    with pytest.raises(RepriseError, match="'hopper-medium-replay' cannot be built yet"):
        segments(task("hopper-medium-replay"))


def test_rank_correlation_is_spearmans() -> None:
    scipy_stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(0).integers(0, 5, 50).astype(float)  # with ties
    assert rank_correlation(values) == pytest.approx(scipy_stats.spearmanr(np.arange(50), values).statistic)
    assert rank_correlation(np.ones(5)) == 0.0


def test_sets_built_side_by_side_equal_sets_built_alone(
    behaviour: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("hopper-medium-expert", "hopper-medium-replay", "hopper-random")
    wanted = [LocalSet(task(name), ROWS, 0) for name in names]
    heard: dict[str, int] = {}
    built = list(build(wanted, lambda each, rows: heard.update({each.task.kind: rows}), cores=2))
    assert {each.set.task.kind for each in built} == {"medium", "expert", "medium-expert", "medium-replay", "random"}
    assert all(each.new for each in built)
    assert built[-1].set.task.kind == "medium-expert"
    assert heard == dict.fromkeys(heard, ROWS)
    hashes = {each.set.name: (each.set.manifest() or {})["hash"] for each in built}
    assert not any(each.new for each in build(wanted, print))
    monkeypatch.setenv("REPRISE_HOME", str(tmp_path / "alone"))
    for each in wanted:
        artifact(each).ensure()
        verify(each)
        assert (each.manifest() or {})["hash"] == hashes[each.name]


def test_nothing_is_built_where_one_set_cannot_be(behaviour: Path, tmp_path: Path) -> None:
    wanted = [LocalSet(task(name), ROWS, 0) for name in ("hopper-random", "walker2d-medium")]
    with pytest.raises(RepriseError, match="'walker2d-medium' cannot be built yet"):
        list(build(wanted, print))
    assert not wanted[0].folder.exists()


def test_a_table_is_told_of_replays_and_of_experts_below_their_aim(behaviour: Path) -> None:
    assert "not the replay buffer" in remark(task("hopper-medium-replay"))
    assert remark(task("hopper-medium")) == remark(task("hopper-expert")) == ""
    path = behaviour / "hopper-expert.npz"
    policy = Policy.load(path)
    for score, said in ((79.4, "its expert policy scores 79, short of the aim of 80"), (80.0, "")):
        Policy(policy.weights, policy.biases, -5.0, 2.0, {**policy.meta, "normalized_score": score}).save(path)
        assert [remark(task(f"hopper-{kind}")) for kind in ("expert", "medium-expert")] == [said, said]
