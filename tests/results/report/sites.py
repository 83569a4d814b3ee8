"""Reports of made runs, for the tests of pages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.base import RunResult
from benchmarks.record_files import write_records
from results.report.at_hand import AtHand, read_runs
from results.report.pages import site
from results.report.site import write_site
from tests.results.conftest import make_result

HOSTILE = "</script><script>window.hacked = 1</script><img src=x onerror=\"window.hacked = 1\">&amp; 'quoted'"
"""A label that would take over a page that did not escape it."""

BASE = {"bc": 38.0, "cql": 36.0, "iql": 36.5, "ilq": 43.0}
TASKS = {"hopper-random": -30.0, "hopper-medium": 0.0, "halfcheetah-medium": 5.0}


def silent(text: str) -> None:
    """Hears what a report says on its way, and nothing more."""


def at_hand(results: Sequence[RunResult], folder: Path) -> AtHand:
    """The runs, through a record file."""
    write_records(folder / "made.jsonl", results)
    return read_runs(folder / "made.jsonl", None, silent)


def written(results: Sequence[RunResult], folder: Path) -> Path:
    """A site of the runs; returns its folder."""
    write_site(folder / "site", dict(site(at_hand(results, folder), silent)))
    return folder / "site"


def hostile_runs() -> list[RunResult]:
    """Three tasks, four methods, three seeds; ILQ on hopper-medium has diverged at seed 2."""
    return [
        make_result(
            task,
            variant,
            seed,
            0.0 if (lost := (task, variant, seed) == ("hopper-medium", "ilq", 2)) else base + shift + 2.0 * seed,
            status="diverged" if lost else "finished",
            protocol=HOSTILE,
            data_remark=HOSTILE,
        )
        for task, shift in TASKS.items()
        for variant, base in BASE.items()
        for seed in range(3)
    ]


def remember_sweep(home: Path, results: Sequence[RunResult]) -> None:
    """What `reprise run demo` leaves of the runs it asked for."""
    asked = {
        "sweep": "demo",
        "tier": "demo",
        "family": "offline_rl",
        "runs": [{"key": each.run.key} for each in results],
    }
    (home / "sweeps").mkdir(parents=True)
    (home / "sweeps" / "demo.json").write_text(json.dumps(asked))
