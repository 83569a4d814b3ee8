"""Films: what is refused before anything is simulated, and, where a renderer works, that the robot is in the picture."""

from __future__ import annotations

import os
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from benchmarks.base import RepriseError
from benchmarks.d4rl import video
from benchmarks.d4rl.environments import make
from benchmarks.d4rl.players import episodes, of_policy
from benchmarks.d4rl.policies import Policy

SIZE = (160, 120)


@pytest.fixture(autouse=True)
def _own_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test chooses is forgotten after it."""
    monkeypatch.setenv("MUJOCO_GL", "")


@pytest.fixture(scope="module")
def renderer() -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MUJOCO_GL", "")
        try:
            return video.choose_renderer()
        except RepriseError as error:
            pytest.skip(f"nothing can be rendered here: {error}")


def frames(path: Path) -> tuple[dict, list[np.ndarray]]:
    reader = imageio_ffmpeg.read_frames(str(path))
    meta = next(reader)
    width, height = meta["size"]
    return meta, [np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in reader]


@pytest.mark.parametrize("asked", ["vulkan", "", "osmesa"])
def test_where_no_renderer_works_the_message_says_what_to_install(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", asked)
    monkeypatch.setattr(video, "_PROBE", "raise OSError('RuntimeError: no driver')")
    with pytest.raises(
        RepriseError, match="apt-get install libosmesa6, or for a GPU libegl1 libgl1-mesa-dri"
    ) as raised:
        video.choose_renderer()
    tried = ("egl", "osmesa") if not asked else (asked,)
    assert all(f"{name}: " in str(raised.value) for name in tried)
    assert ("unset MUJOCO_GL" in str(raised.value)) == bool(asked)
    assert os.environ["MUJOCO_GL"] == asked


def test_the_first_renderer_that_draws_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "_PROBE", "import os; assert os.environ['MUJOCO_GL'] == 'osmesa', 'no'")
    assert video.choose_renderer() == "osmesa"
    assert os.environ["MUJOCO_GL"] == "osmesa"


@pytest.mark.parametrize(
    ("dt", "every", "rate"), [(0.008, 3, 1 / 0.024), (0.05, 1, 20.0), (0.01, 2, 50.0), (0.02, 1, 50.0)]
)
def test_time_in_a_film_runs_true_at_fifty_frames_at_most(dt: float, every: int, rate: float) -> None:
    assert video.frame_rate(dt) == (every, pytest.approx(rate))


@pytest.mark.parametrize(
    ("name", "width", "height", "message"),
    [
        ("out.gif", 64, 64, r"must end in \.mp4"),
        ("out.mp4", 63, 64, "even numbers"),
        ("out.mp4", 64, 1, "even numbers"),
    ],
)
def test_what_the_codec_cannot_hold_is_refused(
    name: str, width: int, height: int, message: str, tmp_path: Path
) -> None:
    with pytest.raises(RepriseError, match=message), video.film(tmp_path / name, width, height, 20.0):
        pytest.fail("a film was begun")
    assert not list(tmp_path.iterdir())


def test_a_film_holds_its_frames_in_order(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "out.mp4"
    with video.film(path, 64, 48, 20.0) as add:
        for level in (20, 120, 220):
            add(np.full((48, 64, 3), level, np.uint8))
    meta, shown = frames(path)
    assert (meta["codec"], meta["size"], meta["fps"]) == ("h264", (64, 48), 20.0)
    assert [round(float(frame.mean()) / 20) for frame in shown] == [1, 6, 11]
    assert [each.name for each in path.parent.iterdir()] == ["out.mp4"]


def test_an_interrupted_film_leaves_nothing_and_spares_the_older_one(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    path.write_bytes(b"an older film")

    def interrupted() -> None:
        with video.film(path, 64, 48, 20.0) as add:
            add(np.zeros((48, 64, 3), np.uint8))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"an older film"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(RepriseError, match=r"out\.mp4: the film could not be written"),
        video.film(tmp_path / "file" / "out.mp4", 64, 48, 20.0),
    ):
        pytest.fail("a film was begun")


def brown(frame: np.ndarray) -> int:
    """Pixels of the robot's colour; floor and sky have none."""
    red, blue = frame[..., 0].astype(int), frame[..., 2].astype(int)
    return int((red - blue > 40).sum())


def test_a_film_shows_the_robot_from_beginning_to_end(
    policy: Policy, renderer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUJOCO_GL", renderer)
    env = make("hopper")
    every, rate = video.frame_rate(env.unwrapped.dt)
    with video.film(tmp_path / "out.mp4", *SIZE, rate) as add:
        (outcome,) = episodes(of_policy(policy, "mine"), [0], False, add, SIZE)
    _, shown = frames(tmp_path / "out.mp4")
    assert len(shown) == -(-outcome.steps // every)
    assert all(brown(frame) > 50 for frame in shown)
    assert np.abs(shown[0].astype(int) - shown[-1].astype(int)).mean() > 1.0
    (unseen,) = episodes(of_policy(policy, "mine"), [0], False)
    assert outcome == unseen


def test_the_camera_follows_a_robot_that_runs_away(
    renderer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUJOCO_GL", renderer)
    from benchmarks.d4rl.players import _filmed

    env = _filmed("hopper", SIZE)
    env.reset(seed=0)
    qpos, qvel = env.unwrapped.data.qpos.copy(), env.unwrapped.data.qvel.copy()
    qpos[0] += 12.0
    env.unwrapped.set_state(qpos, qvel)
    assert brown(env.render()) > 50
    env.close()
