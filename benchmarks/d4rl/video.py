"""Films of episodes: a renderer that works without a screen, and an mp4 file that is there whole or not at all."""

from __future__ import annotations

import contextlib
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.base import RepriseError

Array = np.ndarray

RENDERERS = ("egl", "osmesa")
"""What MuJoCo can draw with where there is no screen; the first that works is taken."""

MOST_FRAMES = 50.0
"""Frames per second that a film has at most."""

_SCENE = "<mujoco><worldbody><light pos='0 0 3'/><geom type='sphere' size='1'/></worldbody></mujoco>"
_PROBE = f"""
import mujoco
model = mujoco.MjModel.from_xml_string({_SCENE!r})
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
renderer = mujoco.Renderer(model, 32, 32)
renderer.update_scene(data)
assert renderer.render().max() > 0, "RuntimeError: the picture is black"
"""


def choose_renderer() -> str:
    """The renderer of this process from now on: `MUJOCO_GL` where that is set, else EGL, else OSMesa.

    Each is tried in a process of its own, because a broken driver may end the process, and because OpenGL can be bound once
    only. Raises RepriseError where none draws a picture, and says what to install.
    """
    asked = os.environ.get("MUJOCO_GL")
    reasons = []
    for name in (asked,) if asked else RENDERERS:
        reason = _reason_against(name)
        if reason is None:
            os.environ["MUJOCO_GL"] = name
            return name
        reasons.append(f"{name}: {reason}")
    unset = "; or unset MUJOCO_GL to let the suite choose" if asked else ""
    raise RepriseError(
        f"no renderer works here ({'; '.join(reasons)}). Install one, on Debian or Ubuntu: apt-get install libosmesa6, or for a "
        f"GPU libegl1 libgl1-mesa-dri{unset}. Without --video nothing has to be rendered"
    )


def _reason_against(renderer: str) -> str | None:
    """Why a renderer draws nothing here; None where it does."""
    if renderer not in (*RENDERERS, "glfw"):
        return "not a renderer (egl, osmesa or glfw)"
    environment = {**os.environ, "MUJOCO_GL": renderer}
    environment.pop("PYOPENGL_PLATFORM", None)
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROBE], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
    except subprocess.TimeoutExpired:
        return "no picture within a minute"
    if done.returncode == 0:
        return None
    raised = [line for line in done.stderr.splitlines() if "Error: " in line and not line.startswith(" ")]
    return raised[0] if raised else f"the process ended with status {done.returncode}"


def frame_rate(dt: float) -> tuple[int, float]:
    """Which steps of `dt` seconds are filmed (every k-th) and how many frames a second then has, so that time runs true."""
    every = max(1, math.ceil(1.0 / (dt * MOST_FRAMES) - 1e-9))
    return every, 1.0 / (dt * every)


def check_film(path: Path, width: int, height: int) -> None:
    """Raise RepriseError for a name that is not an mp4 file's and for sizes that its codec cannot hold."""
    if path.suffix.lower() != ".mp4":
        raise RepriseError(f"--video {path}: the name must end in .mp4")
    if width % 2 or height % 2:
        raise RepriseError(f"--width {width} --height {height}: a film's width and height must be even numbers")


@contextlib.contextmanager
def film(path: Path, width: int, height: int, rate: float) -> Iterator[Callable[[Array], None]]:
    """A function that adds frames, (height, width, 3) uint8, to an mp4 file (H.264).

    The file takes its name when the block ends well; where the block raises, nothing is left. Raises RepriseError where the
    file cannot be written.
    """
    check_film(path, width, height)
    scratch = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with _writer(scratch, width, height, rate) as add:
                yield add
            scratch.rename(path)
        finally:
            scratch.unlink(missing_ok=True)
    except OSError as error:
        raise RepriseError(f"{path}: the film could not be written ({error})") from error


@contextlib.contextmanager
def _writer(path: Path, width: int, height: int, rate: float) -> Iterator[Callable[[Array], None]]:
    import imageio_ffmpeg  # only where a film is made: training imports this module too

    path.touch()
    coding = {"codec": "libx264", "quality": 7, "macro_block_size": 2, "ffmpeg_log_level": "error"}
    frames = imageio_ffmpeg.write_frames(str(path), (width, height), fps=rate, **coding)
    frames.send(None)
    try:
        yield lambda frame: frames.send(np.ascontiguousarray(frame))
    finally:
        frames.close()
