"""The folder of a trial: its runs, log, checkpoints, and one file that says how it ended. Every file is written whole."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from benchmarks.base import Json, RepriseError, Run, RunResult
from benchmarks.json_file import read_json
from sweeps.packing import Trial, trials_folder

RESULT, FAILURE, STOPPED, PLAN, LOG, CLOCK = (
    "result.json",
    "failure.json",
    "stopped.json",
    "trial.json",
    "log.txt",
    "clock.json",
)


@dataclass(frozen=True)
class TrialFolder:
    """Reads and writes one trial's files.

    `result.json` holds the results of all members, and a trial is finished exactly when it exists; `failure.json` says why the
    last attempt failed; `stopped.json` holds the partial results of a trial that a scheduler stopped.
    """

    path: Path

    @property
    def training(self) -> Path:
        """Where the harness keeps its checkpoints."""
        return self.path / "training"

    @property
    def log(self) -> Path:
        return self.path / LOG

    def lock(self) -> FileLock:
        """Held by the process that trains here; freed by the system when that process dies."""
        return FileLock(str(self.path / "lock"), thread_local=False)

    def write_plan(self, trial: Trial) -> None:
        """Remember the runs, so that a worker and later commands can read them."""
        self.path.mkdir(parents=True, exist_ok=True)
        value = {"key": trial.key, "keys": [run.key for run in trial.runs], "search": trial.search}
        write_json(self.path / PLAN, {**value, "runs": [run.to_json() for run in trial.runs]}, durable=False)

    def plan(self) -> Trial:
        """The trial; RepriseError where its file was altered."""
        value = read_own(self.path / PLAN)
        trial = Trial(tuple(Run.from_json(run) for run in value["runs"]), value["search"])
        if trial.key != value["key"]:
            raise RepriseError(
                f"{self.path / PLAN}: its runs do not belong to its key; the file was altered, remove the folder"
            )
        return trial

    def keys(self) -> list[str]:
        """Run keys of the members, without reading the runs."""
        return list(read_own(self.path / PLAN)["keys"])

    def search(self) -> str | None:
        """The key of the search whose sample this trial is."""
        return read_own(self.path / PLAN)["search"]

    def write_results(self, results: Sequence[RunResult]) -> None:
        """The end of a trial that worked; an earlier failure or stop is forgotten."""
        write_json(self.path / RESULT, [result.to_json() for result in results])
        for name in (FAILURE, STOPPED):
            (self.path / name).unlink(missing_ok=True)

    def running(self) -> bool:
        """Whether some process trains here now."""
        lock = self.lock()
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        lock.release()
        return False

    def finished(self) -> bool:
        return (self.path / RESULT).exists()

    def results(self) -> list[RunResult]:
        return [RunResult.from_json(value) for value in read_own(self.path / RESULT)]

    def write_stopped(self, results: Sequence[RunResult]) -> None:
        write_json(self.path / STOPPED, [result.to_json() for result in results])

    def stopped(self) -> list[RunResult] | None:
        path = self.path / STOPPED
        return [RunResult.from_json(value) for value in read_own(path)] if path.exists() else None

    def write_failure(self, reason: str, traceback: str = "") -> None:
        """The end of an attempt that did not work; never counted as finished."""
        self.path.mkdir(parents=True, exist_ok=True)
        value = {"reason": reason, "traceback": traceback, "time": time.strftime("%Y-%m-%d %H:%M:%S")}
        write_json(self.path / FAILURE, value)

    def failure(self) -> dict[str, str] | None:
        """`reason`, `traceback` and `time` of the last attempt, where it failed."""
        path = self.path / FAILURE
        return read_own(path) if path.exists() and not self.finished() else None

    def forget_failure(self) -> None:
        (self.path / FAILURE).unlink(missing_ok=True)

    def spent(self) -> dict[str, float]:
        """Seconds of wall and CPU time that earlier attempts spent on what the checkpoints hold."""
        path = self.path / CLOCK
        return read_own(path) if path.exists() else {"wall_s": 0.0, "cpu_s": 0.0}

    def write_spent(self, wall_s: float, cpu_s: float) -> None:
        write_json(self.path / CLOCK, {"wall_s": wall_s, "cpu_s": cpu_s}, durable=False)

    def remove_training(self) -> int:
        """Delete the checkpoints; the number of bytes freed."""
        size = size_of(self.training)
        shutil.rmtree(self.training, ignore_errors=True)
        return size


@dataclass
class Ledger:
    """Which trial folder says what of which run key."""

    finished: dict[str, TrialFolder] = field(default_factory=dict)
    failed: dict[str, TrialFolder] = field(default_factory=dict)
    stopped: dict[str, TrialFolder] = field(default_factory=dict)


def all_folders() -> Iterator[TrialFolder]:
    """Every trial folder of this home that a launcher has planned."""
    for path in sorted(trials_folder().glob(f"*/{PLAN}")):
        yield TrialFolder(path.parent)


def folder_of(trial: Trial) -> TrialFolder:
    """The folder of a trial."""
    return TrialFolder(trial.folder)


def ledger() -> Ledger:
    """Read how every trial of this home ended."""
    found = Ledger()
    for folder in all_folders():
        if folder.finished():
            known = found.finished
        elif (folder.path / FAILURE).exists():
            known = found.failed
        elif (folder.path / STOPPED).exists():
            known = found.stopped
        else:
            continue
        known.update(dict.fromkeys(folder.keys(), folder))
    return found


def write_json(path: Path, value: Json, durable: bool = True) -> None:
    """Write under another name, then rename: a reader sees the old file or the new one, whole (`durable`: on disk by then)."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    with scratch.open("w", encoding="utf-8") as file:
        json.dump(value, file)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    scratch.rename(path)


def read_own(path: Path) -> Json:
    """The content of a JSON file; RepriseError where it is missing or malformed."""
    return read_json(path, f"remove {path.parent} to train that trial again")


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
