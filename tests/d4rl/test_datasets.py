"""Local sets: built, read by stock Minari, loaded, and never loaded when altered."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import h5py
import minari
import numpy as np
import pytest
import torch

from benchmarks.base import RepriseError, home
from benchmarks.d4rl import loaders, minari_store
from benchmarks.d4rl.behaviour import ExactPolicy, Uniform
from benchmarks.d4rl.collect import collect, cut
from benchmarks.d4rl.datasets import Transitions, dataset_ref, load, local_sets, verify
from benchmarks.d4rl.policies import Policy
from benchmarks.d4rl.rebuild import EPISODES, LocalSet, artifact
from benchmarks.d4rl.scores import normalized_score
from benchmarks.d4rl.tasks import task

ROWS = 600
KINDS = ("hopper-random", "hopper-medium", "hopper-expert", "hopper-medium-expert")


@pytest.fixture(scope="module")
def built_home(behaviour_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the four Hopper sets."""
    folder = tmp_path_factory.mktemp("built") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPRISE_HOME", str(folder))
        patch.setenv("REPRISE_BEHAVIOR", str(behaviour_folder))
        for name in KINDS:
            artifact(LocalSet(task(name), ROWS, 0)).ensure()
    return folder


@pytest.fixture
def sets(built_home: Path, behaviour_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of local sets in a copy of that home, in use."""
    shutil.copytree(built_home, tmp_path / "home")
    monkeypatch.setenv("REPRISE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("REPRISE_BEHAVIOR", str(behaviour_folder))
    return tmp_path / "home" / "datasets" / "local"


def folder_of(name: str) -> Path:
    return LocalSet(task(name), ROWS, 0).folder


def episodes_of(data: Transitions) -> list[slice]:
    ends = np.flatnonzero((data.terminals + data.timeouts).numpy())
    return [slice(a, b + 1) for a, b in zip([0, *(ends[:-1] + 1)], ends, strict=True)]


@pytest.mark.parametrize("name", KINDS)
def test_rows_are_the_collected_episodes_in_order(
    name: str, sets: Path, random_policy: Callable[[str, int], Policy]
) -> None:
    sources = {
        "random": Uniform(3),
        "medium": ExactPolicy(random_policy("hopper", 0)),
        "expert": ExactPolicy(random_policy("hopper", 1)),
    }
    kinds = ("medium", "expert") if name == "hopper-medium-expert" else (task(name).kind,)
    data, start = load(name, rows=ROWS), 0
    for position, kind in enumerate(kinds):
        episodes = cut(collect("hopper", sources[kind], f"hopper-{kind}", 0, rows=ROWS), ROWS)
        if position < len(kinds) - 1:
            episodes = [episode for episode in episodes if episode.complete]
        for episode in episodes:
            rows = slice(start, start + len(episode))
            np.testing.assert_array_equal(data.observations[rows], episode.observations[:-1])
            np.testing.assert_array_equal(data.next_observations[rows], episode.observations[1:])
            np.testing.assert_array_equal(data.actions[rows], episode.actions)
            np.testing.assert_array_equal(data.rewards[rows], episode.rewards)
            assert data.terminals[rows].tolist() == [0.0] * (len(episode) - 1) + [float(episode.terminated)]
            assert data.timeouts[rows].tolist() == [0.0] * (len(episode) - 1) + [float(episode.truncated)]
            start += len(episode)
    assert len(data) == start
    if len(kinds) == 1:
        assert len(data) == ROWS
    assert all(column.dtype == torch.float32 for column in (data.observations, data.rewards, data.terminals))


def test_the_same_policies_and_seed_give_the_same_hash(
    sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = {name: dataset_ref(name, rows=ROWS).hash for name in KINDS}
    monkeypatch.setenv("REPRISE_HOME", str(tmp_path / "elsewhere"))
    for name in KINDS:
        artifact(LocalSet(task(name), ROWS, 0)).ensure()
    assert {name: dataset_ref(name, rows=ROWS).hash for name in KINDS} == here
    artifact(LocalSet(task("hopper-random"), ROWS, 1)).ensure()
    assert len({*here.values(), dataset_ref("hopper-random", rows=ROWS, seed=1).hash}) == 5


@pytest.mark.parametrize("name", KINDS)
def test_stock_minari_reads_a_set(name: str, sets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(home() / "datasets"))
    identity = LocalSet(task(name), ROWS, 0).name
    assert identity in minari.list_local_datasets()
    dataset, data = minari.load_dataset(identity), load(name, rows=ROWS)
    assert dataset.spec.total_steps == len(data)
    start = 0
    for episode in dataset.iterate_episodes():
        rows = slice(start, start + len(episode))
        np.testing.assert_array_equal(episode.observations[:-1], data.observations[rows])
        np.testing.assert_array_equal(episode.observations[1:], data.next_observations[rows])
        np.testing.assert_array_equal(episode.terminations, data.terminals[rows] > 0)
        np.testing.assert_array_equal(episode.truncations, data.timeouts[rows] > 0)
        assert dataset.observation_space.contains(episode.observations[0])
        start += len(episode)
    assert start == len(data)


def test_an_episode_is_replayed_from_what_minari_stores(sets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(home() / "datasets"))
    dataset = minari.load_dataset(LocalSet(task("hopper-medium"), ROWS, 0).name)
    episode, metadata = dataset[2], next(iter(dataset.storage.get_episode_metadata([2])))
    env = dataset.recover_environment()
    observations = [env.reset(seed=metadata["seed"])[0]]
    rewards = []
    for action in episode.actions:
        observation, reward, *_ = env.step(action)
        observations.append(observation)
        rewards.append(reward)
    np.testing.assert_array_equal(np.float32(observations), episode.observations)
    np.testing.assert_array_equal(np.float32(rewards), episode.rewards)


@pytest.mark.parametrize("name", KINDS)
def test_the_manifest_says_what_the_rows_say(name: str, sets: Path) -> None:
    data = load(name, rows=ROWS)
    meta, spans = data.meta, episodes_of(data)
    returns = [data.rewards[span].double().sum().item() for span in spans]
    np.testing.assert_allclose(meta["returns"], returns, atol=1e-4)
    assert meta["lengths"] == [span.stop - span.start for span in spans]
    assert (meta["rows"], meta["episodes"]) == (len(data), len(spans))
    assert meta["rows_after_last_episode"] == len(data) - spans[-1].stop
    assert meta["mean_normalized_return"]["d4rl_references_on_v5"] == pytest.approx(
        normalized_score("hopper", np.mean(returns))
    )
    low, high = (meta["own_references"][kind]["mean_return"] for kind in ("random", "expert"))
    assert meta["mean_normalized_return"]["own_references"] == pytest.approx(
        100 * (np.mean(returns) - low) / (high - low)
    )
    assert {kind: entry["episodes"] for kind, entry in meta["own_references"].items()} == EPISODES
    assert meta["versions"].keys() >= {"mujoco", "gymnasium", "minari", "numpy"}
    assert meta["terminal_share"] == pytest.approx(float(data.terminals.sum()) / len(spans))


def test_a_random_set_is_accepted_where_its_mean_return_is_the_protocols(sets: Path) -> None:
    meta = load("hopper-random", rows=ROWS).meta
    returns = np.array(meta["returns"])
    error = np.sqrt(19.9**2 / 200 + returns.var(ddof=1) / len(returns))
    assert meta["acceptance"]["standard_error"] == pytest.approx(error, rel=1e-3)
    assert meta["acceptance"]["met"]
    assert abs(returns.mean() - 18.0) < 3 * error


def test_the_manifest_names_the_behaviour_policies_and_their_checkpoints(sets: Path) -> None:
    both = load("hopper-medium-expert", rows=ROWS).meta["behaviours"]
    assert [entry["policy"] for entry in both] == ["hopper-medium.npz", "hopper-expert.npz"]
    assert [entry["step"] for entry in both] == [7, 7]
    medium = load("hopper-medium", rows=ROWS).meta["acceptance"]
    assert medium == {"threshold": 45.0, "tolerance": 10.0, "met": False}


@pytest.mark.parametrize("rule", ["d4rl", "kit"])
def test_rules_of_other_loaders_apply_to_local_sets(rule: str, sets: Path) -> None:
    full, other = load("hopper-medium", rows=ROWS), load("hopper-medium", rows=ROWS, loader=rule)
    columns = {
        key: getattr(full, key).numpy()
        for key in ("observations", "actions", "rewards", "next_observations", "terminals", "timeouts")
    }
    expected = loaders.apply(rule, columns, "set")
    np.testing.assert_array_equal(other.next_observations, expected["next_observations"])
    assert len(other) == other.meta["loaded"]["rows"] == ROWS - 1
    assert other.hash == dataset_ref("hopper-medium", rows=ROWS, loader=rule).hash != full.hash


def test_a_missing_set_says_which_command_builds_it() -> None:
    with pytest.raises(RepriseError, match="reprise data build hopper-medium --rows 123 --seed 4"):
        load("hopper-medium", rows=123, seed=4)
    assert dataset_ref("hopper-random", rows=123).hash is None


def test_a_set_without_policy_says_which_sets_can_be_built(
    behaviour_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRISE_BEHAVIOR", str(behaviour_folder))
    for name in ("hopper-medium-replay", "walker2d-medium", "walker2d-medium-expert"):
        with pytest.raises(
            RepriseError,
            match=r"cannot be built yet.*hopper-expert, hopper-medium, hopper-medium-expert, hopper-random",
        ):
            artifact(LocalSet(task(name), ROWS, 0))
        ref = dataset_ref(name, rows=ROWS)
        assert (ref.hash, ref.artifact) == (None, None)
        assert "cannot be built yet" in ref.remedy


def test_other_behaviour_policies_make_a_set_stale(
    sets: Path, tmp_path: Path, random_policy: Callable[[str, int], Policy], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = dataset_ref("hopper-medium", rows=ROWS)
    others = tmp_path / "others"
    others.mkdir()
    for level, seed in (("medium", 5), ("expert", 1)):
        random_policy("hopper", seed).save(others / f"hopper-{level}.npz")
    monkeypatch.setenv("REPRISE_BEHAVIOR", str(others))
    stale = dataset_ref("hopper-medium", rows=ROWS)
    assert stale.hash is None
    assert stale.artifact is not None
    stale.artifact.ensure()
    assert dataset_ref("hopper-medium", rows=ROWS).hash not in (None, old.hash)
    assert dataset_ref("hopper-expert", rows=ROWS).hash is not None


def test_a_set_from_elsewhere_is_used_where_its_policy_is_not_at_hand(
    sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRISE_BEHAVIOR", str(tmp_path / "empty"))
    ref = dataset_ref("hopper-medium", rows=ROWS)
    assert ref.hash == load("hopper-medium", rows=ROWS).hash


def test_nothing_half_written_remains_when_a_build_fails(
    behaviour_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRISE_BEHAVIOR", str(behaviour_folder))

    def full_disk(*_: object) -> None:
        raise OSError("no space left on device")

    wanted = LocalSet(task("hopper-random"), 50, 0)
    with monkeypatch.context() as patch:
        patch.setattr("benchmarks.d4rl.rebuild.flat.write", full_disk)
        with pytest.raises(OSError, match="no space left"):
            artifact(wanted).ensure()
    assert [path for path in wanted.folder.parent.iterdir() if path.is_dir()] == []
    assert wanted.manifest() is None
    artifact(wanted).ensure()
    assert len(load("hopper-random", rows=50)) == 50


# ---------------------------------------------------------------------------------------------------------------------
# Altered data


def test_an_altered_flat_copy_is_noticed_on_load(sets: Path) -> None:
    file = folder_of("hopper-medium") / "flat" / "rewards.npy"
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    with pytest.raises(RepriseError, match=r"rewards\.npy: its hash differs from its manifest"):
        load("hopper-medium", rows=ROWS)
    shutil.rmtree(file.parent)
    load("hopper-medium", rows=ROWS)


def test_a_truncated_flat_copy_is_noticed_on_load(sets: Path) -> None:
    file = folder_of("hopper-medium") / "flat" / "observations.npy"
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(RepriseError, match="unreadable flat copy"):
        load("hopper-medium", rows=ROWS)


def test_a_flat_copy_with_an_index_of_its_own_is_not_believed(sets: Path) -> None:
    shutil.rmtree(folder_of("hopper-medium") / "flat")
    shutil.copytree(folder_of("hopper-expert") / "flat", folder_of("hopper-medium") / "flat")
    index = folder_of("hopper-medium") / "flat" / "index.json"
    content = json.loads(index.read_text())
    status = (folder_of("hopper-medium") / minari_store.HDF5).stat()
    index.write_text(json.dumps({**content, "source": {"size": status.st_size, "mtime_ns": status.st_mtime_ns}}))
    with pytest.raises(RepriseError, match="this flat copy is not of local/hopper-medium"):
        load("hopper-medium", rows=ROWS)


@pytest.mark.parametrize("file", ["manifest.json", "flat/index.json"])
def test_a_damaged_json_file_is_refused_with_its_name(file: str, sets: Path) -> None:
    (folder_of("hopper-medium") / file).write_text('{"hash": "cut off')
    with pytest.raises(RepriseError, match=rf"{file}: not readable as JSON .*remove"):
        load("hopper-medium", rows=ROWS)


def test_an_altered_minari_file_is_noticed_on_load_and_by_verify(sets: Path) -> None:
    wanted = LocalSet(task("hopper-medium"), ROWS, 0)
    verify(wanted)
    with h5py.File(wanted.folder / minari_store.HDF5, "a") as file:
        file["episode_1/actions"][0, 0] += 0.5
    with pytest.raises(
        RepriseError, match=r"main_data\.hdf5: the hash of .* differs from its manifest \(actions changed\)"
    ):
        load("hopper-medium", rows=ROWS)
    with pytest.raises(RepriseError, match="actions changed"):
        verify(wanted)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("delete", "episode_1 has no rewards"),
        ("nan", "episode_1/rewards row 2 is not a finite number"),
        ("short", r"episode_1/actions has \d+ rows, \d+ expected"),
        ("early end", "episode_1 goes on after its end"),
        ("no file", "not a readable Minari set"),
    ],
)
def test_a_broken_minari_file_is_refused_with_episode_and_key(change: str, message: str, sets: Path) -> None:
    path = folder_of("hopper-random") / minari_store.HDF5
    with h5py.File(path, "a") as file:
        group = file["episode_1"]
        if change == "delete":
            del group["rewards"]
        elif change == "nan":
            group["rewards"][2] = np.nan
        elif change == "short":
            short = group["actions"][:-1]
            del group["actions"]
            group["actions"] = short
        elif change == "early end":
            group["terminations"][0] = True
    if change == "no file":
        path.write_bytes(b"not hdf5")
    with pytest.raises(RepriseError, match=rf"main_data\.hdf5.*{message}"):
        load("hopper-random", rows=ROWS)


def test_a_copied_home_with_other_file_times_still_loads(
    sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(sets.parents[1], tmp_path / "moved", copy_function=shutil.copyfile)
    monkeypatch.setenv("REPRISE_HOME", str(tmp_path / "moved"))
    assert load("hopper-medium", rows=ROWS).hash == dataset_ref("hopper-medium", rows=ROWS).hash


# ---------------------------------------------------------------------------------------------------------------------
# Stock Minari sets


def test_a_stock_minari_set_is_read_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    rng = np.random.default_rng(0)
    buffers = []
    for length, ended in ((7, True), (5, False), (3, True)):
        last = np.arange(length) == length - 1
        buffers.append(
            minari.data_collector.EpisodeBuffer(
                observations=rng.normal(size=(length + 1, 11)),
                actions=rng.uniform(-1, 1, (length, 3)).astype(np.float32),
                rewards=rng.normal(size=length),
                terminations=last & ended,
                truncations=last & (not ended),
            )
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Minari wants an author, a permalink, ...
        minari.create_dataset_from_buffers("mujoco/hopper/medium-v0", buffers, env="Hopper-v5")
    for _ in range(2):
        data = load("hopper-medium", source="minari")
        np.testing.assert_array_equal(
            data.observations, np.float32(np.concatenate([b.observations[:-1] for b in buffers]))
        )
        np.testing.assert_array_equal(
            data.next_observations, np.float32(np.concatenate([b.observations[1:] for b in buffers]))
        )
        assert (np.flatnonzero(data.terminals).tolist(), np.flatnonzero(data.timeouts).tolist()) == ([6, 14], [11])
    assert dataset_ref("hopper-medium", source="minari").hash == data.hash
    assert data.meta["minari"]["total_steps"] == 15


def test_a_missing_minari_set_names_the_command_and_the_local_set() -> None:
    with pytest.raises(
        RepriseError, match=r"reprise data fetch mujoco/hopper/medium-v0.*reprise data build hopper-medium"
    ):
        load("hopper-medium", source="minari")
    with pytest.raises(
        RepriseError, match=r"there is no Minari set for 'hopper-random'.*reprise data build hopper-random"
    ):
        load("hopper-random", source="minari")
    with pytest.raises(RepriseError, match="unknown dataset source 'minary'; did you mean 'minari'"):
        load("hopper-random", source="minary")


def test_existing_sets_are_listed(sets: Path) -> None:
    assert [each.name for each in local_sets()] == sorted(LocalSet(task(name), ROWS, 0).name for name in KINDS)
