"""The commands `reprise logs` and `reprise clean`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.base import RepriseError, home
from sweeps.trial_folder import TrialFolder, all_folders, ledger, size_of

SHORTEST = 6
"""Digits of a key that `logs` wants at least."""


def logs(
    key: Annotated[str, typer.Argument(help=f"a run key or trial key, or its first {SHORTEST} digits or more")],
    path: Annotated[bool, typer.Option("--path", help="print where the log lies, not its text")] = False,
) -> int:
    """Print a trial's log: when it started, how far it came, what training printed, and why it failed."""
    folder = by_key(key)
    if path:
        typer.echo(folder.log)
        return 0
    typer.echo(folder.log.read_text(encoding="utf-8") if folder.log.exists() else "(nothing was logged)", nl=False)
    failure = folder.failure()
    if failure:
        typer.echo(f"\nfailed at {failure['time']}: {failure['reason']}")
    return 0


def clean(
    failed: Annotated[bool, typer.Option("--failed", help="also forget failed and interrupted trials")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="delete all trials, artifacts and the MLflow store")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask before --all")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would be freed")] = False,
) -> int:
    """Free the space of checkpoints that nobody needs; results and MLflow stay unless --all is given."""
    if any(folder.running() for folder in all_folders()) and everything:
        raise RepriseError(f"a trial is running in {home()}; end it before `reprise clean --all`")
    doomed = _everything() if everything else _leftovers(failed)
    size = sum(size_of(path) for path in doomed)
    if everything and not dry_run and not yes:
        typer.confirm(f"delete every result and the MLflow store in {home()} ({_megabytes(size)})?", abort=True)
    for path in doomed if not dry_run else ():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    word = "would free" if dry_run else "freed"
    typer.echo(f"{word} {_megabytes(size)} in {len(doomed)} places of {home()}")
    return 0


def _leftovers(failed: bool) -> list[Path]:
    """Checkpoints of finished trials, trials whose runs are all finished elsewhere, and half-built artifacts."""
    finished = ledger().finished
    doomed = [path for path in (home() / "artifacts").glob("*/.building-*") if path.is_dir()]
    for folder in all_folders():
        if folder.running():
            continue
        if folder.finished():
            doomed += [folder.training] if folder.training.exists() else []
        elif failed or set(folder.keys()) <= set(finished):
            doomed.append(folder.path)
    return doomed


def _everything() -> list[Path]:
    names = ("trials", "artifacts", "mlruns", "mlflow.db", "tracking.json")
    return [home() / name for name in names if (home() / name).exists()]


def by_key(key: str) -> TrialFolder:
    """The trial folder of a trial or run key; RepriseError where none or several match."""
    if len(key) < SHORTEST:
        raise RepriseError(f"key '{key}' is too short; give {SHORTEST} digits or more (`reprise status` shows them)")
    found = [folder for folder in all_folders() if _matches(folder, key)]
    if not found:
        raise RepriseError(f"no trial or run with the key '{key}' in {home()}; `reprise status` lists them")
    if len({folder.path for folder in found}) > 1:
        newest = max(found, key=lambda folder: folder.path.stat().st_mtime)
        if not all(key in folder.keys() for folder in found):  # noqa: SIM118 - keys() is a file's content
            names = ", ".join(folder.path.name[:12] for folder in found)
            raise RepriseError(f"key '{key}' matches several trials ({names}); give more digits")
        return newest
    return found[0]


def _matches(folder: TrialFolder, key: str) -> bool:
    return folder.plan().key.startswith(key) or any(member.startswith(key) for member in folder.keys())  # noqa: SIM118


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
