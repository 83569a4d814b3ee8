"""Recorded demonstrations as a data set: imported from any layout, read by stock Minari, loaded, never loaded when altered."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import minari
import numpy as np
import pytest

from benchmarks.base import RepriseError, home
from benchmarks.d4rl import import_adroit, minari_store
from benchmarks.d4rl.datasets import dataset_ref, load, local_sets, verify
from benchmarks.d4rl.environments import DOOR
from benchmarks.d4rl.import_adroit import import_file
from benchmarks.d4rl.own_set import RecordedSet
from benchmarks.d4rl.scores import normalized_score

Demos = list[dict[str, Any]]
Write = Callable[[Path, str, Demos], Path]


@pytest.fixture
def imported(door_demos: Demos, write_demos: Write, tmp_path: Path) -> RecordedSet:
    return import_file(write_demos(tmp_path / "door_demos", "pickle", door_demos))


def about(recorded: RecordedSet) -> dict[str, Any]:
    manifest = recorded.manifest()
    assert manifest is not None
    return manifest


def test_rows_are_the_recorded_steps_but_the_last_of_every_episode(imported: RecordedSet, door_demos: Demos) -> None:
    data, start = load("door-human", "recorded"), 0
    for demo in door_demos:
        rows = slice(start, start + len(demo["rewards"]) - 1)
        np.testing.assert_array_equal(data.observations[rows], np.float32(demo["observations"][:-1]))
        np.testing.assert_array_equal(data.next_observations[rows], np.float32(demo["observations"][1:]))
        np.testing.assert_array_equal(data.actions[rows], np.float32(demo["actions"][:-1].clip(-1, 1)))
        np.testing.assert_array_equal(data.rewards[rows], np.float32(demo["rewards"][:-1]))
        assert data.timeouts[rows].tolist() == [0.0] * (len(demo["rewards"]) - 2) + [1.0]
        start = rows.stop
    assert len(data) == start == 8 + 1 + 13
    assert not data.terminals.any()
    assert data.name == imported.name == "recorded/door-human-v0"


def test_the_same_episodes_give_the_same_hashes_in_every_layout(
    door_demos: Demos, write_demos: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifests = []
    for number, layout in enumerate(("npz", "pickle", "python 2", "hdf5")):
        monkeypatch.setenv("REPRISE_HOME", str(tmp_path / str(number)))
        manifests.append(about(import_file(write_demos(tmp_path / f"demos{number}", layout, door_demos))))
    first = manifests[0]
    for key in ("hash", "arrays", "returns", "lengths", "open_loop", "acceptance"):
        assert [manifest[key] for manifest in manifests] == [first[key]] * 4
    assert [manifest["source"]["layout"] for manifest in manifests] == ["npz", "pickle", "pickle", "hdf5"]
    assert [manifest["clipped_actions"] > 0 for manifest in manifests] == [True, True, True, False]


def test_the_set_loads_as_d4rls_loader_loads_d4rls_file(
    imported: RecordedSet, door_demos: Demos, write_demos: Write
) -> None:
    folder = home() / "d4rl"
    folder.mkdir()
    write_demos(folder / "door-human-v1.hdf5", "hdf5", door_demos)
    ours, d4rl = load("door-human", "recorded"), load("door-human", "d4rl", loader="d4rl")
    for key in ("observations", "actions", "rewards", "next_observations", "terminals", "timeouts"):
        np.testing.assert_array_equal(getattr(ours, key), getattr(d4rl, key))


def test_a_d4rl_file_without_timeouts_is_cut_at_the_doors_time_limit() -> None:
    rows = 450
    (home() / "d4rl").mkdir()
    with h5py.File(home() / "d4rl" / "door-human-v1.hdf5", "w") as file:
        file["observations"], file["actions"] = np.zeros((rows, 39)), np.zeros((rows, 28))
        file["rewards"], file["terminals"] = np.arange(float(rows)), np.zeros(rows, bool)
    kept = load("door-human", "d4rl", loader="d4rl").rewards.tolist()
    assert sorted(set(range(rows)) - set(map(int, kept))) == [199, 399, 449]


def test_the_manifest_says_what_was_recorded_and_what_was_left_out(imported: RecordedSet, door_demos: Demos) -> None:
    manifest = about(imported)
    returns = [demo["rewards"][:-1].sum() for demo in door_demos]
    np.testing.assert_allclose(manifest["returns"], returns, atol=1e-3)
    assert (manifest["rows"], manifest["episodes"], manifest["lengths"]) == (22, 3, [8, 1, 13])
    np.testing.assert_allclose(manifest["left_out"]["rewards"], [demo["rewards"][-1] for demo in door_demos])
    assert manifest["mean_normalized_return"]["d4rl_references"] == pytest.approx(
        normalized_score("door", np.mean(returns)), abs=1e-4
    )
    assert manifest["clipped_actions"] == sum((np.abs(demo["actions"][:-1]) > 1).sum() for demo in door_demos)
    assert "-0.1*|palm - handle|" in manifest["reward_rule"]
    assert manifest["acceptance"]["met"]
    assert manifest["source"]["file"] == "door_demos"
    assert manifest["versions"].keys() >= {"gymnasium-robotics", "mujoco"}
    assert manifest["environment"] == DOOR.gym_id


def test_rewards_by_another_rule_are_not_accepted(door_demos: Demos, write_demos: Write, tmp_path: Path) -> None:
    stock = []
    for demo in door_demos:
        distance = np.linalg.norm(demo["observations"][1:, 35:38], axis=1)
        stock.append({**demo, "rewards": demo["rewards"] + 0.2 * np.append(distance, 0.0)})
    assert not about(import_file(write_demos(tmp_path / "demos", "pickle", stock)))["acceptance"]["met"]


def test_stock_minari_reads_the_set_and_starts_its_episodes(
    imported: RecordedSet, door_demos: Demos, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(home() / "datasets"))
    assert imported.name in minari.list_local_datasets()
    dataset = minari.load_dataset(imported.name)
    env = dataset.recover_environment()
    metadata = list(dataset.storage.get_episode_metadata(range(3)))
    for episode, demo, known in zip(dataset.iterate_episodes(), door_demos, metadata, strict=True):
        np.testing.assert_array_equal(episode.observations, np.float32(demo["observations"]))
        assert dataset.observation_space.contains(episode.observations[0])
        assert all(dataset.action_space.contains(action) for action in episode.actions)
        assert (episode.truncations[-1], episode.terminations.any()) == (True, False)
        assert "seed" not in known
        observation, _ = env.reset(options=known["options"])
        np.testing.assert_allclose(observation, demo["observations"][0], atol=1e-6)
        _, reward, *_ = env.step(episode.actions[0])
        assert reward == pytest.approx(demo["rewards"][0], abs=1e-4)


def test_the_environment_is_recovered_by_a_program_that_imports_minari_alone(imported: RecordedSet) -> None:
    program = (
        "import os, minari; env = minari.load_dataset('recorded/door-human-v0').recover_environment(); "
        "print(type(env.unwrapped).__name__, env.spec.max_episode_steps)"
    )
    root = Path(__file__).parents[2]
    variables = {"MINARI_DATASETS_PATH": str(home() / "datasets"), "PYTHONPATH": str(root), "PATH": "/usr/bin"}
    done = subprocess.run([sys.executable, "-c", program], env=variables, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["AdroitDoor", "200"], done.stderr


def test_the_same_file_again_changes_nothing_and_another_file_replaces_the_set(
    imported: RecordedSet, door_demos: Demos, write_demos: Write, tmp_path: Path
) -> None:
    before = (imported.folder / minari_store.HDF5).stat().st_mtime_ns
    import_file(tmp_path / "door_demos")
    assert (imported.folder / minari_store.HDF5).stat().st_mtime_ns == before
    import_file(write_demos(tmp_path / "fewer", "npz", door_demos[:2]))
    assert about(imported)["episodes"] == 2
    assert len(load("door-human", "recorded")) == 9


def test_nothing_half_written_remains_when_an_import_fails(
    door_demos: Demos, write_demos: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_demos(tmp_path / "demos", "pickle", door_demos)

    def full_disk(*_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(import_adroit.flat, "write", full_disk)
        with pytest.raises(OSError, match="no space left"):
            import_file(path)
    assert [each for each in (home() / "datasets" / "recorded").iterdir() if each.is_dir()] == []
    assert local_sets() == []
    assert len(load("door-human", "recorded") if import_file(path) else []) == 22


def test_an_altered_set_is_noticed_on_load_and_by_verify(imported: RecordedSet) -> None:
    assert local_sets() == [imported]
    verify(imported)
    with h5py.File(imported.folder / minari_store.HDF5, "a") as file:
        file["episode_2/rewards"][3] += 1.0
    for look in (lambda: verify(imported), lambda: load("door-human", "recorded")):
        with pytest.raises(RepriseError, match=r"recorded/door-human-v0 differs from its manifest \(rewards changed\)"):
            look()


@pytest.mark.parametrize(
    ("task", "source", "message"),
    [
        ("door-human", "recorded", "does not exist; import it: reprise data import adroit FILE"),
        ("door-human", "local", "are recorded, not rebuilt; use dataset: recorded .*reprise data import adroit FILE"),
        (
            "hopper-medium",
            "recorded",
            "are rebuilt, not recorded; use dataset: local .*reprise data build hopper-medium",
        ),
        ("door-human", "minari", "reprise data fetch D4RL/door/human-v2, or .*reprise data import adroit FILE"),
        ("door-human", "d4rl", r"no D4RL file .*door-human-v1\.hdf5.*reprise data import adroit FILE"),
    ],
)
def test_a_set_that_is_not_there_says_what_to_do(task: str, source: str, message: str) -> None:
    with pytest.raises(RepriseError, match=message):
        load(task, source)
    ref = dataset_ref(task, source)
    assert (ref.hash, ref.artifact) == (None, None)
    with pytest.raises(RepriseError, match=message):
        raise RepriseError(ref.remedy)
