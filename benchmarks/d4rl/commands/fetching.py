"""`reprise data fetch`: Minari's own sets, from its remote. Nothing else in the suite downloads data."""

from __future__ import annotations

import os
import re
import threading
from typing import Annotated

import typer

from benchmarks.base import RepriseError
from benchmarks.d4rl import minari_store
from benchmarks.d4rl.tasks import TASKS

ANSWER_WITHIN = 5.0
"""Seconds in which the remote must answer before a download is tried; Minari's client alone would retry for half a minute."""

_ID = re.compile(r"([\w-]+/)*[\w-]+-v\d+")
_HUGGING_FACE = "hf://"


def fetch(name: Annotated[str, typer.Argument(help="Minari id, such as mujoco/hopper/medium-v0.")]) -> None:
    """Download a Minari set into the data folder."""
    import minari

    root = minari_store.root()
    os.environ["MINARI_DATASETS_PATH"] = str(root)
    if (root / name / minari_store.HDF5).exists():
        typer.echo(f"{name}: exists, {root / name}")
        return
    _check_id(name)
    _check_remote(name)
    try:
        minari.download_dataset(name)
    except Exception as error:  # Minari and its hosts raise whatever their clients raise
        raise _failed(name, error) from error
    if not (root / name / minari_store.HDF5).exists():
        raise RepriseError(f"Minari gave no HDF5 file for '{name}' in {root}; it may be stored in another format")
    typer.echo(f"{name}: fetched, {root / name}")


def _check_id(name: str) -> None:
    """Raise RepriseError for what cannot be an id of Minari's remote."""
    task = TASKS.get(name)
    if task is not None:
        known = f"its Minari set is {task.minari_id}" if task.minari_id else "there is no Minari set for it"
        raise RepriseError(f"'{name}' is a task, not a Minari id; {known}. The suite's own set: {task.command}")
    if name.startswith("local/"):
        raise RepriseError(f"'{name}' is a local set: it is built here, not fetched. reprise data build --help")
    if not _ID.fullmatch(name):
        raise RepriseError(
            f"malformed Minari id '{name}': an id is names joined by / and ends in a version, such as mujoco/hopper/medium-v0. "
            "Ids of this suite's tasks: reprise data list"
        )


def _check_remote(name: str) -> None:
    """Raise RepriseError where the remote does not answer soon; asked in a thread, because a name server may hang."""
    if not os.environ.get("MINARI_REMOTE", _HUGGING_FACE).startswith(_HUGGING_FACE):
        return
    problem: list[Exception] = [TimeoutError(f"no answer within {ANSWER_WITHIN:.0f} seconds")]

    def ask() -> None:
        try:
            _ask()
            problem.clear()
        except Exception as error:  # whatever the client raises means that the remote cannot be reached
            problem[:] = [error]

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(ANSWER_WITHIN)
    if problem:
        raise _failed(name, problem[0])


def _ask() -> None:
    """One request to the host of Minari's sets, the way Minari's client makes its own (proxies included)."""
    from huggingface_hub import constants, get_session

    get_session().head(constants.ENDPOINT, timeout=ANSWER_WITHIN)


def _failed(name: str, error: Exception) -> RepriseError:
    reason = f"{type(error).__name__}: {error}".splitlines()[0]
    return RepriseError(
        f"could not fetch Minari set '{name}' ({reason}). Check the id and the network, or take the suite's own set: "
        f"{_alternative(name)}"
    )


def _alternative(minari_id: str) -> str:
    """What gives the suite's own set of the task that a Minari set would serve, or names them all."""
    return next((task.command for task in TASKS.values() if task.minari_id == minari_id), "see reprise data list")
