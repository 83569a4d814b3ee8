"""Which runs a sweep asked for: their keys, from where `reprise run` and `reprise plan` leave them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from benchmarks.base import RepriseError, home, unknown

RUN_KEY = re.compile(r"\b[0-9a-f]{64}\b")


def chosen_keys(sweeps: Sequence[str], file: Path | None) -> set[str] | None:
    """The keys of the sweeps named, or those in a file; None where neither is given. Raises RepriseError."""
    if sweeps and file is not None:
        raise RepriseError("--sweep and --keys both say which runs; give one of them")
    files = [sweep_keys(sweep) for sweep in sweeps] or ([] if file is None else [file])
    return set().union(*map(read_keys, files)) if files else None


def sweep_keys(sweep: str) -> Path:
    """The file in which `reprise run` keeps the run keys of a sweep; RepriseError where the sweep never ran here."""
    folder = home() / "sweeps"
    path = folder / f"{sweep}.json"
    if not path.is_file():
        ran = sorted(file.stem for file in folder.glob("*.json"))
        raise unknown("sweep (none of that name has run here)", sweep, ran, str(folder))
    return path


def read_keys(path: Path) -> set[str]:
    """Every run key in a text file, whatever stands around it; RepriseError where there is none."""
    if not path.is_file():
        raise RepriseError(f"no file of run keys at {path}; `reprise plan SWEEP --json` prints one")
    keys = set(RUN_KEY.findall(path.read_text(encoding="utf-8")))
    if not keys:
        raise RepriseError(f"{path} holds no run key (64 hexadecimal digits); `reprise plan SWEEP --json` prints some")
    return keys
