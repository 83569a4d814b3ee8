"""The Ray that trials run on: a local one started quietly on a short path, or a running cluster."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import site
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.base import Json, RepriseError, home
from sweeps import provenance
from sweeps.packages import ROOT
from sweeps.schema import Resources

QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # the first reports of a trial have no score
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends the driver; results and checkpoints are ours
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",  # nothing of Tune's is restored: the run matrix is ours
    "TUNE_WARN_THRESHOLD_S": "30",
}

WORKER = {
    "MALLOC_MMAP_THRESHOLD_": "1073741824",  # page faults cost more than memory kept (glibc)
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
    "MALLOC_TOP_PAD_": "268435456",
    "TUNE_FUNCTION_THREAD_TIMEOUT_S": "60",  # a stopped trial may take that long to unwind before its worker is reused
}

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

    scratch = _scratch()
    ours = not ray.is_initialized()
    try:
        if ours:
            _connect(address, scratch)
        for name in ("ray", "ray.tune"):
            logging.getLogger(name).setLevel(logging.ERROR)
        yield scratch / "tune"
    finally:
        if ours:
            ray.shutdown()
        shutil.rmtree(scratch, ignore_errors=True)


def _connect(address: str | None, scratch: Path) -> None:
    import ray

    python_path = _python_path()
    try:
        if address is not None:
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
        target = f"the Ray cluster at {address}" if address else "a local Ray"
        raise RepriseError(f"cannot start {target}: {str(error).splitlines()[0]}") from error


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


def _scratch() -> Path:
    """A new temporary folder on a short path."""
    parent = tempfile.gettempdir()
    return Path(tempfile.mkdtemp(prefix="reprise-", dir=parent if len(parent) <= SOCKET_PATH else "/tmp"))


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
