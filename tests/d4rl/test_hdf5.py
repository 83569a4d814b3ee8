"""Original D4RL files: where they are found, what is refused."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from benchmarks.base import RepriseError, home
from benchmarks.d4rl.datasets import dataset_ref, load
from benchmarks.d4rl.hdf5 import find, read_rows
from benchmarks.d4rl.tasks import task

ROWS = 60


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    terminals, timeouts = np.zeros(ROWS, bool), np.zeros(ROWS, bool)
    terminals[[9, 29]] = timeouts[[49]] = True
    return {
        "observations": rng.normal(size=(ROWS, 11)),
        "actions": rng.uniform(-1, 1, (ROWS, 3)).astype(np.float32),
        "rewards": rng.normal(size=ROWS).astype(np.float32),
        "next_observations": rng.normal(size=(ROWS, 11)),
        "terminals": terminals,
        "timeouts": timeouts,
    }


def write(path: Path, content: dict[str, np.ndarray]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for key, array in content.items():
            file[key] = array
        file["infos/qpos"] = np.zeros((ROWS, 6))
    return path


@pytest.mark.parametrize("name", ["hopper_medium_replay-v2", "hopper-medium-replay-v2", "hopper-medium-replay"])
def test_both_spellings_are_found(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRISE_D4RL", str(tmp_path))
    path = write(tmp_path / f"{name}.hdf5", arrays())
    assert find(task("hopper-medium-replay")) == path


def test_the_default_folder_lies_in_the_home() -> None:
    path = write(home() / "d4rl" / "hopper_medium-v2.hdf5", arrays())
    assert find(task("hopper-medium")) == path


def test_a_missing_file_names_the_folder_and_the_local_set() -> None:
    with pytest.raises(RepriseError, match=r"hopper_medium-v2\.hdf5.*REPRISE_D4RL.*reprise data build hopper-medium"):
        find(task("hopper-medium"))
    ref = dataset_ref("hopper-medium", "d4rl")
    assert ref.hash is None
    assert "reprise data build hopper-medium" in ref.remedy


def test_rows_come_as_float32_and_flags(tmp_path: Path) -> None:
    content = arrays()
    rows = read_rows(write(tmp_path / "a.hdf5", content), "hopper")
    assert set(rows) == set(content)
    np.testing.assert_array_equal(rows["observations"], content["observations"].astype(np.float32))
    assert rows["terminals"].dtype == bool


def test_column_shaped_rewards_are_accepted(tmp_path: Path) -> None:
    content = arrays()
    rows = read_rows(write(tmp_path / "a.hdf5", {**content, "rewards": content["rewards"][:, None]}), "hopper")
    np.testing.assert_array_equal(rows["rewards"], content["rewards"])


def broken(key: str, change: str) -> dict[str, np.ndarray]:
    content = arrays()
    if change == "missing":
        del content[key]
    elif change == "nan":
        content[key][17] = np.nan
    elif change == "infinite":
        content[key][17] = np.inf
    elif change == "short":
        content[key] = content[key][:-1]
    elif change == "wide":
        content[key] = np.concatenate([content[key], content[key][:, :1]], axis=1)
    elif change == "two":
        content[key] = content[key].astype(np.int64)
        content[key][17] = 2
    elif change == "empty":
        content = {name: array[:0] for name, array in content.items()}
    return content


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        ("terminals", "missing", "no key 'terminals'"),
        ("observations", "nan", "'observations' row 17 is not a finite number"),
        ("rewards", "infinite", "'rewards' row 17 is not a finite number"),
        ("next_observations", "nan", "'next_observations' row 17"),
        ("actions", "short", r"'actions' has shape \(59, 3\), \(60, 3\) expected for hopper"),
        ("observations", "wide", r"'observations' has shape \(60, 12\), \(60, 11\) expected"),
        ("timeouts", "short", r"'timeouts' has shape \(59,\)"),
        ("terminals", "two", "'terminals' row 17 is neither 0 nor 1"),
        ("rewards", "empty", "'rewards' has no rows"),
    ],
)
def test_a_broken_file_is_refused_with_file_key_and_row(key: str, change: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "broken.hdf5", broken(key, change))
    with pytest.raises(RepriseError, match=rf"broken\.hdf5: .*{message}"):
        read_rows(path, "hopper")


def test_a_file_that_is_not_hdf5_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.hdf5").write_text("no data here")
    with pytest.raises(RepriseError, match=r"text\.hdf5: not a readable HDF5 file"):
        read_rows(tmp_path / "text.hdf5", "hopper")


def test_loading_applies_the_rule_and_a_changed_file_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRISE_D4RL", str(tmp_path))
    path = write(tmp_path / "hopper_medium-v2.hdf5", arrays())
    d4rl, full = (load("hopper-medium", "d4rl", loader=rule) for rule in ("d4rl", "full"))
    assert (len(d4rl), len(full)) == (ROWS - 2, ROWS)
    assert d4rl.hash != full.hash
    assert dataset_ref("hopper-medium", "d4rl", loader="d4rl").hash == d4rl.hash
    np.testing.assert_array_equal(d4rl.next_observations[9], full.observations[10])
    assert d4rl.meta["loaded"]["rows"] == ROWS - 2
    assert d4rl.meta["loaded"]["mean_reward"] == pytest.approx(d4rl.rewards.mean().item())
    write(path, {**arrays(), "rewards": np.ones(ROWS, np.float32)})
    with pytest.raises(RepriseError, match="rewards changed"):
        load("hopper-medium", "d4rl")
