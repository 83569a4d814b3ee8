"""How a result was made: commit, pinned packages, versions, device, threads."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from benchmarks.base import Json, Run
from sweeps.packages import ROOT

PACKAGES = ("reprise", "torch", "ray", "mlflow", "gymnasium", "mujoco", "minari", "numpy")


def of_source() -> dict[str, Json]:
    """The code: commit, whether the working tree differs from it, hash of `constraints.txt`. Computed once, in the driver.

    `commit` is None where the suite does not run from a git clone, `constraints` where it lies beside no constraints.txt.
    """
    constraints = ROOT / "constraints.txt"
    commit, dirty = _commit()
    return {
        "commit": commit,
        "dirty": dirty,
        "constraints": hashlib.sha256(constraints.read_bytes()).hexdigest() if constraints.exists() else None,
    }


def of_worker(run: Run, cpus: int) -> dict[str, Json]:
    """The machine and the packages that train the run."""
    import torch

    cuda = torch.cuda.is_available()
    return {
        "data_hash": run.dataset_hash,
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "threads": cpus,
        "precision": str(run.training.get("precision", "fp32")),
        "python": platform.python_version(),
        **versions(),
    }


def versions() -> Mapping[str, str]:
    """Installed versions of the packages that results depend on; absent ones are left out."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _commit() -> tuple[str | None, bool | None]:
    top, commit = _git("rev-parse", "--show-toplevel"), _git("rev-parse", "HEAD")
    if top != str(ROOT) or commit is None:
        return None, None
    return commit, bool(_git("status", "--porcelain"))


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
