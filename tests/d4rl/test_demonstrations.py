"""Recorded demonstrations in three layouts: the same episodes from each, and what is refused."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from benchmarks.base import RepriseError
from benchmarks.d4rl import demonstrations

Demos = list[dict[str, Any]]
Write = Callable[[Path, str, Demos], Path]
LAYOUTS = {"npz": "npz", "hdf5": "hdf5", "pickle": "pickle", "python 2": "pickle"}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_episodes_that_were_written(
    layout: str, door_demos: Demos, write_demos: Write, tmp_path: Path
) -> None:
    found, episodes = demonstrations.read(write_demos(tmp_path / "demos", layout, door_demos))
    assert found == LAYOUTS[layout]
    assert len(episodes) == len(door_demos)
    for episode, demo in zip(episodes, door_demos, strict=True):
        clip = 1.0 if layout == "hdf5" else np.inf
        np.testing.assert_allclose(episode.actions, demo["actions"].clip(-clip, clip), rtol=1e-6)
        np.testing.assert_allclose(episode.observations, demo["observations"], rtol=1e-6)
        np.testing.assert_allclose(episode.rewards, demo["rewards"], rtol=1e-6)
        if layout != "hdf5":
            assert episode.observations.tobytes() == demo["observations"].tobytes()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_every_protocol_are_read(protocol: int, door_demos: Demos, tmp_path: Path) -> None:
    path = tmp_path / "demos.pickle"
    scalars = [{**demo, "rewards": list(demo["rewards"])} for demo in door_demos]  # NumPy's scalars too
    path.write_bytes(pickle.dumps(scalars, protocol))
    _, episodes = demonstrations.read(path)
    for episode, demo in zip(episodes, door_demos, strict=True):
        np.testing.assert_array_equal(episode.rewards, demo["rewards"])


class Malicious:
    """Unpickling it would create a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


def test_a_pickle_that_would_run_code_is_refused_and_runs_none(door_demos: Demos, tmp_path: Path) -> None:
    path, target = tmp_path / "demos.pickle", tmp_path / "made"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        path.write_bytes(pickle.dumps([{**door_demos[0], "env_infos": Malicious(target)}], protocol))
        with pytest.raises(RepriseError, match=r"demos\.pickle: refused, it names \w+\.mkdir.*do not open"):
            demonstrations.read(path)
    assert not target.exists()


@pytest.mark.parametrize(
    "program",
    [b"cbuiltins\neval\n(S'1'\ntR.", b"cnumpy\nload\n(S'x'\ntR.", b"cnumpy.core.multiarray\nfromfile\n(tR."],
)
def test_no_function_but_array_reconstruction_is_looked_up(program: bytes, tmp_path: Path) -> None:
    path = tmp_path / "demos.pickle"
    path.write_bytes(program)
    with pytest.raises(RepriseError, match="refused, it names"):
        demonstrations.read(path)


def test_a_pickled_array_of_objects_is_refused_inside_npz(tmp_path: Path) -> None:
    path = tmp_path / "demos.npz"
    np.savez(path, observations=np.array([{}, {}], dtype=object), episode_lengths=np.array([2]))
    with pytest.raises(RepriseError, match=r"demos\.npz: not a readable \.npz file"):
        demonstrations.read(path)


def changed(demos: Demos, key: str, change: str) -> Demos:
    demo = dict(demos[1])
    array = demo[key].copy()
    if change == "missing":
        del demo[key]
    elif change == "nan":
        array[1] = np.nan
        demo[key] = array
    elif change == "narrow":
        demo[key] = array[:, :-1]
    elif change == "short":
        demo[key] = array[:-1]
    elif change == "text":
        demo[key] = "no numbers"
    return [demos[0], demo, demos[2]]


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        ("actions", "missing", "no key 'actions'"),
        ("observations", "nan", "'observations' row 1 is not a finite number"),
        ("rewards", "nan", "'rewards' row 1 is not a finite number"),
        (
            "observations",
            "narrow",
            r"'observations' has shape \(2, 38\), \(2, 39\) expected for door; is it another task",
        ),
        ("actions", "short", r"'actions' has shape \(1, 28\), \(2, 28\) expected"),
        ("observations", "short", "'observations' has 1 rows; at least 2"),
        ("rewards", "text", "'rewards' holds no numbers"),
    ],
)
def test_a_broken_episode_is_named_with_its_key(
    key: str, change: str, message: str, door_demos: Demos, write_demos: Write, tmp_path: Path
) -> None:
    path = write_demos(tmp_path / "demos.pickle", "pickle", changed(door_demos, key, change))
    with pytest.raises(RepriseError, match=rf"demos\.pickle: episode 1: {message}"):
        demonstrations.read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a readable pickle"),
        (b"\x80\x04cut off", "not a readable pickle"),
        (pickle.dumps({"observations": 1}), "holds a dict, a list of one mapping per episode"),
        (pickle.dumps([]), "holds no episode"),
        (b"PK\x03\x04broken", r"not a readable \.npz file"),
        (b"\x89HDF\r\n\x1a\nbroken", "not a readable HDF5 file"),
    ],
)
def test_a_file_of_no_layout_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "demos"
    path.write_bytes(content)
    with pytest.raises(RepriseError, match=rf"demos: {message}"):
        demonstrations.read(path)
    with pytest.raises(RepriseError, match=r"absent: cannot be read \(No such file"):
        demonstrations.read(tmp_path / "absent")


@pytest.mark.parametrize(
    ("layout", "key", "value", "message"),
    [
        ("npz", "episode_lengths", None, "no key 'episode_lengths'"),
        (
            "npz",
            "episode_lengths",
            np.array([9, 2, 13]),
            r"'observations' has shape \(25, 39\), but .* have 24 rows together",
        ),
        ("npz", "episode_lengths", np.array([9.0, 2.0, 14.0]), "'episode_lengths' must list"),
        ("npz", "rewards", np.zeros(24), r"'rewards' has shape \(24,\)"),
        ("hdf5", "timeouts", None, "no key 'timeouts', so episodes cannot be told apart"),
        ("hdf5", "timeouts", np.zeros(25, bool), "the last row of 'timeouts' ends no episode"),
        ("hdf5", "terminals", np.zeros(24, bool), "'terminals' has 24 rows, 25 expected"),
        ("hdf5", "actions", None, "episode 0: no key 'actions'"),
    ],
)
def test_joined_arrays_that_do_not_fit_together_are_refused(
    layout: str, key: str, value: np.ndarray | None, message: str, door_demos: Demos, write_demos: Write, tmp_path: Path
) -> None:
    path = write_demos(tmp_path / f"demos.{layout}", layout, door_demos)
    if layout == "npz":
        with np.load(path) as file:
            content = {name: array for name, array in {**file, key: value}.items() if array is not None}
        np.savez(path, **content)
    else:
        with h5py.File(path, "a") as file:
            del file[key]
            if value is not None:
                file[key] = value
    with pytest.raises(RepriseError, match=rf"demos\.{layout}: {message}"):
        demonstrations.read(path)
