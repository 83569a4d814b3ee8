"""The Ray that trials run on: a local one started quietly on a short path, or a running cluster."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import site
import socket
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

from filelock import FileLock, Timeout

from benchmarks.base import Json, RepriseError, home
from sweeps import provenance
from sweeps.packages import ROOT
from sweeps.schema import Resources

QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # a trial that asks for no GPU sees none
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # the first reports of a trial have no score
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends the driver; results and checkpoints are ours
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",  # nothing of Tune's is restored: the run matrix is ours
    "TUNE_WARN_THRESHOLD_S": "30",
}

WORKER = {
    "TUNE_FUNCTION_THREAD_TIMEOUT_S": "60",  # a stopped trial may take that long to unwind before its worker is reused
}

SCRATCH = "reprise-"
OWNER = "owner.lock"
"""Temporary folders are named so; the lock inside is held as long as the driver lives."""

SOCKET_PATH = 50
"""Longest temporary folder that leaves Ray room for its sockets (107 bytes in all)."""


@contextlib.contextmanager
def cluster(address: str | None = None) -> Iterator[Path]:
    """A Ray connection for the time of the block; gives a scratch folder for Tune's own files.

    A Ray that this process is already connected to is used as it is and left running.
    """
    os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
    warnings.filterwarnings("ignore", module="ray")
    import ray

    ours = not ray.is_initialized()
    with _scratch() as scratch:
        try:
            if ours:
                with _signals_kept():
                    _connect(address, scratch)
            logging.getLogger("ray").setLevel(logging.ERROR)
            logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # failures of trials are told by the launcher
            with contextlib.redirect_stdout(sys.stderr):  # Ray prints what its daemons say; standard output is ours
                yield scratch / "tune"
        finally:
            if ours:
                ray.shutdown()


def _connect(address: str | None, scratch: Path) -> None:
    import ray

    python_path = _python_path()
    try:
        if address is not None:
            _knock(address)
            environment = {"env_vars": {**QUIET, "PYTHONPATH": python_path}}
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, runtime_env=environment)
            return
        with _started_elsewhere(scratch, python_path):
            ray.init(
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                object_store_memory=100_000_000,
                _temp_dir=str(scratch),
            )
    except (ConnectionError, OSError, ValueError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if address is None:
            raise RepriseError(f"cannot start a local Ray: {reason}") from error
        remedy = "check that it is up and, where it asks for a token, that this user was given it (Ray: token authentication)"
        raise RepriseError(f"cannot reach the Ray cluster at {address}: {reason}; {remedy}") from error


def _knock(address: str) -> None:
    """Raise OSError where nobody listens at HOST:PORT: Ray itself would try for minutes."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=10).close()


@contextlib.contextmanager
def _started_elsewhere(scratch: Path, python_path: str) -> Iterator[None]:
    """Ray's processes inherit this environment and an empty working directory, where no folder can shadow our packages."""
    empty = scratch / "empty"
    empty.mkdir()
    before = os.environ.copy()
    os.environ.update(
        {**{name: value for name, value in WORKER.items() if name not in os.environ}, "PYTHONPATH": python_path}
    )
    try:
        with contextlib.chdir(empty):
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _python_path() -> str:
    """PYTHONPATH of workers: absolute, and with this suite's clone first where it is not installed."""
    given = [str(Path(part).absolute()) for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    installed = str(ROOT) in map(os.path.realpath, [*site.getsitepackages(), site.getusersitepackages()])
    return os.pathsep.join(dict.fromkeys(given if installed else [str(ROOT), *given]))


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray puts handlers of its own in place, under which SIGTERM aborts the driver; put ours back after the block."""
    numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    """A temporary folder on a short path for the time of the block. Those of drivers that were killed are removed."""
    place = tempfile.gettempdir()
    parent = Path(place if len(place) <= SOCKET_PATH else "/tmp")
    for left in parent.glob(f"{SCRATCH}*/{OWNER}"):
        with contextlib.suppress(Timeout, OSError), FileLock(left, timeout=0):
            shutil.rmtree(left.parent, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=parent))
    try:
        with FileLock(folder / OWNER):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def check_resources(resources: Resources) -> None:
    """Raise RepriseError where no node could ever hold a trial."""
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    for name, wanted in (("CPU", resources.cpu), ("GPU", resources.gpu)):
        most = max((node.get(name, 0) for node in nodes), default=0)
        if wanted > most:
            raise RepriseError(
                f"resources: a trial asks for {wanted:g} {name}, but the largest machine has {most:g}; lower"
                f" 'resources: {{{name.lower()}: ...}}' in the sweep, or use --address of a larger cluster"
            )


def slots(resources: Resources) -> int:
    """How many trials of these resources run at once."""
    import ray

    total = ray.cluster_resources()
    fits = [total.get(name, 0) // wanted for name, wanted in (("CPU", resources.cpu), ("GPU", resources.gpu)) if wanted]
    return max(1, int(min(fits)))


def worker_context(resources: Resources) -> Mapping[str, Json]:
    """What every worker is told (see `sweeps.trial.enter`)."""
    ours = {name: value for name, value in os.environ.items() if name.startswith("REPRISE_")}
    environment = {**WORKER, **ours, "REPRISE_HOME": str(home())}
    return {"environment": environment, "cpus": resources.cpu, "source": provenance.of_source()}
