"""Original D4RL files: written here in D4RL's exact layout, imported whole or not at all, loaded by all three rules."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from benchmarks.base import RepriseError, home
from benchmarks.d4rl import hdf5, import_d4rl
from benchmarks.d4rl.benchmark import BENCHMARK
from benchmarks.d4rl.datasets import dataset_ref, load
from benchmarks.d4rl.environments import environment
from benchmarks.d4rl.import_d4rl import import_file
from benchmarks.d4rl.tasks import TASKS, task
from sweeps.registry import discover, find_method

Rows = dict[str, np.ndarray]

ENDS = [(7, "terminal"), (1000, "timeout"), (1, "terminal"), (1000, "timeout"), (12, "terminal")]
TAIL = 5
POLICY = "metadata/policy/fc0/weight"


def layout(env: str = "hopper", version: str = "v2", seed: int = 0, ends: list[tuple[int, str]] = ENDS) -> Rows:
    """What D4RL's files hold: float32 arrays and boolean flags; v0 has no next_observations (nor, here, time-outs)."""
    rng, spec = np.random.default_rng(seed), environment(env)
    lengths = [length for length, _ in ends] + [TAIL]
    count = sum(lengths)
    states = [rng.normal(size=(length + 1, spec.observation_dim)).astype(np.float32) for length in lengths]
    last = np.cumsum(lengths)[:-1] - 1
    terminals, timeouts = np.zeros(count, bool), np.zeros(count, bool)
    terminals[[row for row, (_, end) in zip(last, ends, strict=True) if end == "terminal"]] = True
    timeouts[[row for row, (_, end) in zip(last, ends, strict=True) if end == "timeout"]] = True
    rows = {
        "observations": np.concatenate([part[:-1] for part in states]),
        "actions": rng.uniform(-1, 1, (count, spec.action_dim)).astype(np.float32),
        "rewards": rng.normal(3, 1, count).astype(np.float32),
        "terminals": terminals,
        "infos/qpos": rng.normal(size=(count, 6)),
        "infos/qvel": rng.normal(size=(count, 6)),
        "infos/action_log_probs": rng.normal(size=count).astype(np.float32),
    }
    if version != "v0":
        rows |= {"timeouts": timeouts, "next_observations": np.concatenate([part[1:] for part in states])}
        rows |= {POLICY: rng.normal(size=(256, spec.observation_dim)).astype(np.float32)}
    return rows


def write(path: Path, rows: Rows) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for key, array in rows.items():
            file.create_dataset(key, data=array, compression="gzip")
        file["metadata/algorithm"] = np.bytes_(b"SAC")
        file["metadata/iteration"] = np.array(1000)
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path / "downloads" / "hopper_medium-v2.hdf5", layout())


def qlearning_dataset(rows: Rows, limit: int = 1000) -> Rows:
    """D4RL's function as protocol section 3 states it, row by row."""
    kept: dict[str, list] = {
        key: [] for key in ("observations", "actions", "rewards", "next_observations", "terminals")
    }
    step = 0
    for i in range(len(rows["rewards"]) - 1):
        final = bool(rows["timeouts"][i]) if "timeouts" in rows else step == limit - 1
        if final:
            step = 0
            continue
        if rows["terminals"][i]:
            step = 0
        kept["next_observations"].append(rows["observations"][i + 1])
        for key in ("observations", "actions", "rewards", "terminals"):
            kept[key].append(rows[key][i])
        step += 1
    return {key: np.array(values) for key, values in kept.items()}


def kit_dataset(rows: Rows, limit: int = 1000) -> Rows:
    """OfflineRL-Kit's: the stored next observation where there is one, else terminal rows are dropped too."""
    kept: dict[str, list] = {
        key: [] for key in ("observations", "actions", "rewards", "next_observations", "terminals")
    }
    step = 0
    for i in range(len(rows["rewards"]) - 1):
        final = bool(rows["timeouts"][i]) if "timeouts" in rows else step == limit - 1
        dropped = final or (bool(rows["terminals"][i]) and "next_observations" not in rows)
        if dropped:
            step = 0
            continue
        if rows["terminals"][i]:
            step = 0
        following = rows["next_observations"][i] if "next_observations" in rows else rows["observations"][i + 1]
        kept["next_observations"].append(following)
        for key in ("observations", "actions", "rewards", "terminals"):
            kept[key].append(rows[key][i])
        step += 1
    return {key: np.array(values) for key, values in kept.items()}


def full_dataset(rows: Rows, limit: int = 1000) -> Rows:
    """Every row as stored; done only at a true terminal."""
    return {key: rows[key] for key in ("observations", "actions", "rewards", "next_observations", "terminals")}


RULES: dict[str, Callable[[Rows], Rows]] = {"d4rl": qlearning_dataset, "kit": kit_dataset, "full": full_dataset}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    ("env", "kind"), [("hopper", "medium"), ("halfcheetah", "medium-replay"), ("walker2d", "expert")]
)
def test_an_imported_file_loads_by_every_rule(rule: str, env: str, kind: str, tmp_path: Path) -> None:
    rows = layout(env)
    import_file(write(tmp_path / f"{env}_{kind.replace('-', '_')}-v2.hdf5", rows))
    data, expected = load(f"{env}-{kind}", "d4rl", loader=rule), RULES[rule](rows)
    assert data.name == f"{env}-{kind}-v2"
    for key, array in expected.items():
        np.testing.assert_array_equal(getattr(data, key).numpy(), array.astype(np.float32), err_msg=key)


@pytest.mark.parametrize("rule", ["d4rl", "kit"])
def test_a_v0_file_without_time_outs_loads_by_counted_steps(rule: str, tmp_path: Path) -> None:
    rows = layout(version="v0")
    import_file(write(tmp_path / "hopper_medium.hdf5", rows), version="v0")
    data, expected = load("hopper-medium", "d4rl", loader=rule), RULES[rule](rows)
    for key, array in expected.items():
        np.testing.assert_array_equal(getattr(data, key).numpy(), array.astype(np.float32), err_msg=key)
    with pytest.raises(
        RepriseError, match="no next_observations, which loader 'full' needs; use loader 'd4rl' or 'kit'"
    ):
        load("hopper-medium", "d4rl")


@pytest.mark.parametrize("name", TASKS)
def test_the_file_of_every_task_of_the_catalogue_is_imported_and_found(name: str, tmp_path: Path) -> None:
    known = task(name)
    done = import_file(write(tmp_path / f"{known.d4rl_name}.hdf5", layout(known.environment, ends=[(9, "terminal")])))
    assert (done.name, done.path) == (known.d4rl_name, hdf5.find(known))
    assert dataset_ref(name, "d4rl").hash == done.manifest["hash"]


@pytest.mark.parametrize(
    "stem",
    [
        "hopper_medium_replay-v2",
        "hopper-medium-replay-v2",
        "hopper_medium-replay-v2",
        "hopper_medium_replay",
        "hopper-medium-replay",
    ],
)
def test_task_and_version_are_read_from_the_name(stem: str, tmp_path: Path) -> None:
    done = import_file(write(tmp_path / f"{stem}.hdf5", layout()))
    assert done.name == "hopper-medium-replay-v2"
    assert done.path == home() / "d4rl" / "hopper_medium_replay-v2.hdf5"


def test_a_name_that_says_nothing_needs_the_option(tmp_path: Path) -> None:
    path = write(tmp_path / "download.hdf5", layout("walker2d"))
    with pytest.raises(RepriseError, match=r"download\.hdf5: its name does not say the task; say it with --task"):
        import_file(path)
    assert import_file(path, task="walker2d-expert").name == "walker2d-expert-v2"
    assert import_file(path, task="walker2d-medium-v2").name == "walker2d-medium-v2"


def test_the_manifest_says_what_the_file_holds(source: Path) -> None:
    done, rows = import_file(source), layout()
    about = json.loads((home() / "d4rl" / "hopper_medium-v2.json").read_text())
    assert about == done.manifest
    assert about["source"]["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert about["optional_keys"] == ["next_observations", "timeouts"]
    assert {*rows, "metadata/algorithm", "metadata/iteration"} == set(about["keys"])
    for key in ("observations", "actions", "rewards", "terminals", "timeouts", "next_observations"):
        assert about["arrays"][key]["sha256"] == hashlib.sha256(rows[key].tobytes()).hexdigest()

    returns, lengths, ended, total, steps = [], [], [], 0.0, 0
    for reward, terminal, timeout in zip(rows["rewards"], rows["terminals"], rows["timeouts"], strict=True):
        total, steps = total + float(reward), steps + 1
        if terminal or timeout:
            returns.append(total)
            lengths.append(steps)
            ended.append(bool(terminal))
            total, steps = 0.0, 0
    assert (about["episodes"], about["lengths"], about["rows_after_last_episode"]) == (5, lengths, TAIL)
    assert about["terminal_share"] == sum(ended) / 5
    np.testing.assert_allclose(about["returns"], returns, atol=1e-4)
    assert about["return_quantiles"]["0.5"] == pytest.approx(sorted(returns)[2], abs=1e-9)
    low, high = -20.272305, 3234.3
    score = math.fsum(100 * (value - low) / (high - low) for value in returns) / 5
    assert about["mean_normalized_return"]["d4rl_references"] == pytest.approx(score)


def test_the_same_file_again_changes_nothing_and_another_is_refused(source: Path, tmp_path: Path) -> None:
    first = import_file(source)
    stamp = first.path.stat().st_mtime_ns
    again = import_file(source)
    assert (first.new, again.new, again.path.stat().st_mtime_ns) == (True, False, stamp)
    other = write(tmp_path / "other" / "hopper_medium-v2.hdf5", layout(seed=1))
    with pytest.raises(RepriseError, match=r"hopper_medium-v2\.hdf5 exists and is another file; remove it"):
        import_file(other)
    assert dataset_ref("hopper-medium", "d4rl").hash == first.manifest["hash"]


def test_a_file_put_there_by_hand_gets_its_manifest() -> None:
    path = write(home() / "d4rl" / "hopper_medium-v2.hdf5", layout())
    before = load("hopper-medium", "d4rl").hash
    assert import_file(path).new
    assert load("hopper-medium", "d4rl").hash == before
    assert load("hopper-medium", "d4rl").meta["returns"]


def test_where_no_link_can_be_made_the_file_is_copied(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert import_file(source).path.samefile(source)
    (home() / "d4rl" / "hopper_medium-v2.hdf5").unlink()

    def refused(*names: object) -> None:
        raise OSError("cross-device link")

    monkeypatch.setattr(os, "link", refused)
    copied = import_file(source).path
    assert not copied.samefile(source)
    assert copied.read_bytes() == source.read_bytes()


def wrong(rows: Rows, key: str, row: int, value: float) -> Rows:
    array = rows[key].astype(np.float32)
    array[row] = value
    return {**rows, key: array}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: {key: rows[key] for key in rows if key != "rewards"}, "no key 'rewards'"),
        (
            lambda rows: {**rows, "actions": rows["actions"][:-1]},
            r"'actions' has shape \(2024, 3\), \(2025, 3\) expected",
        ),
        (lambda rows: layout("walker2d"), "expected for hopper; is this the file of another task"),
        (lambda rows: wrong(rows, "observations", 2024, np.nan), "'observations' row 2024 is not a finite number"),
        (lambda rows: wrong(rows, "timeouts", 3, 0.5), "'timeouts' row 3 is neither 0 nor 1"),
    ],
)
def test_a_file_that_is_not_of_the_task_is_refused_and_nothing_is_placed(
    change: Callable[[Rows], Rows], message: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "hopper_medium-v2.hdf5", change(layout()))
    with pytest.raises(RepriseError, match=message):
        import_file(path)
    assert not (home() / "d4rl").exists()


def test_an_interrupted_copy_leaves_nothing(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(place: Path, scratch: Path) -> None:
        scratch.write_bytes(place.read_bytes()[:1000])
        raise OSError("no space left on device")

    monkeypatch.setattr(import_d4rl, "_linked_or_copied", half)
    with pytest.raises(RepriseError, match=r"no space left on device.*nothing was imported"):
        import_file(source)
    assert list((home() / "d4rl").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "version", "message"),
    [
        ("hopper_medium-v0.hdf5", None, r"D4RL v0, but 'hopper-medium'.*mean hopper-medium-v2.*--version v0"),
        ("hopper_medium-v1.hdf5", None, r"get hopper_medium-v2\.hdf5, or.*--version v1"),
        ("hopper_mixed.hdf5", None, r"no 'next_observations', which every hopper-medium-replay-v2 file.*--version v0"),
        ("hopper_medium-v2.hdf5", None, "no 'next_observations'.*Where you know that it is v2, say --version v2"),
        ("hopper_medium-v2.hdf5", "v3", "unknown version of hopper-medium 'v3'; did you mean 'v"),
    ],
)
def test_an_older_version_is_not_taken_for_the_tasks_own(
    name: str, version: str | None, message: str, tmp_path: Path
) -> None:
    path = write(tmp_path / name, layout(version="v0"))
    with pytest.raises(RepriseError, match=message):
        import_file(path, version=version)
    assert not (home() / "d4rl").exists()


def test_an_older_version_that_was_asked_for_is_called_by_its_own_name(tmp_path: Path) -> None:
    done = import_file(write(tmp_path / "hopper_mixed.hdf5", layout(version="v0")), version="v0")
    assert (done.name, done.path.name) == ("hopper-medium-replay-v0", "hopper_medium_replay-v0.hdf5")
    assert done.manifest["optional_keys"] == []
    assert done.manifest["lengths"] == [7, 1000, 1, 1000, 12]
    discover()
    method = find_method("offline_rl", "bc")
    overrides = {"dataset": "d4rl", "loader": "d4rl"}

    def labels() -> dict[str, str]:
        known = task("hopper-medium-replay")
        settings, training = BENCHMARK.resolve(known, method, None, overrides, "test")
        assert BENCHMARK.dataset(known, training).hash is not None
        return BENCHMARK.describe(known, method, settings, training)

    assert dataset_ref("hopper-medium-replay", "d4rl", loader="d4rl").name == "hopper-medium-replay-v0"
    assert labels()["data_kind"] == "d4rl v0"
    import_file(write(tmp_path / "hopper_medium_replay-v2.hdf5", layout(seed=2)))
    assert dataset_ref("hopper-medium-replay", "d4rl").name == "hopper-medium-replay-v2"
    assert labels()["data_kind"] == "d4rl"


def test_an_older_file_put_there_by_hand_is_not_found(tmp_path: Path) -> None:
    write(home() / "d4rl" / "hopper_medium-v0.hdf5", layout(version="v0"))
    with pytest.raises(RepriseError, match=r"no D4RL file for 'hopper-medium'.*reprise data import d4rl FILE"):
        hdf5.find(task("hopper-medium"))


def test_a_file_that_changed_since_its_import_is_not_loaded(source: Path) -> None:
    done = import_file(source)
    done.path.unlink()
    write(done.path, {**layout(), "rewards": np.ones(2025, np.float32)})
    with pytest.raises(RepriseError, match=r"differs from its manifest.*rewards changed"):
        load("hopper-medium", "d4rl")


def test_verify_names_the_damaged_array_or_what_else_changed(source: Path) -> None:
    done = import_file(source)
    import_d4rl.verify(done)
    done.path.unlink()
    write(done.path, {**layout(), "actions": layout(seed=5)["actions"]})
    with pytest.raises(RepriseError, match=r"hopper-medium-v2 differs from its manifest \(actions changed\)"):
        import_d4rl.verify(done)
    write(done.path, {**layout(), "infos/qpos": layout(seed=5)["infos/qpos"]})
    with pytest.raises(RepriseError, match="its rows agree with the manifest, other parts of the file do not"):
        import_d4rl.verify(done)
