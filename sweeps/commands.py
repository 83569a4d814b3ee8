"""The commands `reprise run`, `plan` and `status`."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.base import RepriseError, home
from benchmarks.whole_file import write_whole
from sweeps.matrix import Campaign, narrow
from sweeps.registry import discover
from sweeps.schema import load_sweep
from sweeps.standing import (
    FAILED,
    FINISHED,
    NO_DATA,
    STOPPED,
    WAITING,
    Standing,
    as_json,
    check_datasets,
    expected_seconds,
)
from sweeps.tracking import Tracking
from sweeps.trial_folder import TrialFolder, all_folders, ledger

SweepName = Annotated[str, typer.Argument(help="a sweep in sweeps/configs, or a path to a .yaml file", metavar="SWEEP")]
Tier = Annotated[str | None, typer.Option("--tier", help="another tier: smoke, demo, mini, early, paper")]
Seeds = Annotated[str | None, typer.Option("--seeds", help="a number of seeds, or a list such as 0,3,4")]
Tasks = Annotated[str | None, typer.Option("--tasks", help="other tasks, separated by commas")]
Methods = Annotated[str | None, typer.Option("--methods", help="methods or variants, separated by commas")]
Plugins = Annotated[list[Path] | None, typer.Option("--plugin", help="a Python file that registers methods or tasks")]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON for programs")]


def run(
    sweep: SweepName,
    tier: Tier = None,
    seeds: Seeds = None,
    tasks: Tasks = None,
    methods: Methods = None,
    failed: Annotated[bool, typer.Option("--failed", help="train only what failed before")] = False,
    cpus: Annotated[int | None, typer.Option("--cpus", min=1, help="CPU cores of a trial")] = None,
    gpus: Annotated[float | None, typer.Option("--gpus", min=0, help="GPUs of a trial; 0.5: two share one")] = None,
    address: Annotated[str | None, typer.Option("--address", help="a running Ray cluster: auto, or HOST:PORT")] = None,
    plugin: Plugins = None,
    json_: JsonOption = False,
) -> int:
    """Train what a sweep asks for and is not finished. Started again, it goes on where it was."""
    console = Console(file=sys.stderr if json_ else sys.stdout)
    with _interruptible():
        campaign = _campaign(sweep, tier, seeds, tasks, methods, plugin, cpus, gpus)
        check_datasets(campaign.matrix())
        tracking = Tracking(campaign.sweep.family)
        tracking.describe(campaign.sweep.name, campaign.sweep.about)
        recovered = tracking.ingest()
        if recovered:
            console.print(f"recorded {len(recovered)} finished runs that an earlier launch left unrecorded")
        failures: list[str] = []
        if _anything_to_do(_standing(campaign, tracking), failed):
            from sweeps.launch import conduct

            failures = list(conduct(campaign, tracking, console, failed, address).failed.values())
    standing = _standing(campaign, tracking)
    _remember(standing)
    for failure in failures:
        console.print(f"FAILED {failure}", markup=False, highlight=False, soft_wrap=True)
    console.print(_sentence(standing), markup=False, highlight=False, soft_wrap=True)
    if json_:
        typer.echo(json.dumps({**as_json(standing), "failures": failures}))
    return 1 if failures else 0


def plan(
    sweep: SweepName,
    tier: Tier = None,
    seeds: Seeds = None,
    tasks: Tasks = None,
    methods: Methods = None,
    plugin: Plugins = None,
    json_: JsonOption = False,
) -> int:
    """Show a sweep's run matrix, what is done, and the expected time."""
    campaign = _campaign(sweep, tier, seeds, tasks, methods, plugin)
    standing = _standing(campaign, Tracking(campaign.sweep.family, create=False))
    if json_:
        typer.echo(json.dumps(as_json(standing)))
        return 0
    console = Console()
    console.print(_matrix_table(standing))
    for line in _plan_lines(standing):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return 0


def status(
    sweep: Annotated[str | None, typer.Argument(help="one sweep; without it, every trial kept here")] = None,
    tier: Tier = None,
    seeds: Seeds = None,
    tasks: Tasks = None,
    methods: Methods = None,
    plugin: Plugins = None,
    json_: JsonOption = False,
) -> int:
    """Show what is finished, running, stopped and failed, with reasons. Exit status 1 where something failed."""
    if sweep is None:
        return _status_of_home(json_)
    campaign = _campaign(sweep, tier, seeds, tasks, methods, plugin)
    standing = _standing(campaign, Tracking(campaign.sweep.family, create=False))
    failures = [(cell, standing.failure(cell)) for cell in standing.matrix.cells if standing.of(cell) == FAILED]
    if json_:
        typer.echo(json.dumps(as_json(standing)))
    else:
        console = Console()
        console.print(_matrix_table(standing))
        for cell, reason in failures:
            name = f"{cell.resolved.task.name} {cell.resolved.variant} seed {cell.seed}"
            line = f"FAILED {name}: {reason} (reprise logs {cell.run.key[:12]})"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        console.print(_sentence(standing), markup=False, highlight=False, soft_wrap=True)
    return 1 if failures else 0


def _remember(standing: Standing) -> None:
    """Keep what the sweep last asked for, so that tables can show its runs alone: `<home>/sweeps/<name>.json`."""
    path = home() / "sweeps" / f"{standing.matrix.sweep.name}.json"
    write_whole(path, json.dumps(as_json(standing), indent=1))


# -- from words to a sweep ---------------------------------------------------------------------------------------------


def _campaign(
    sweep: str,
    tier: str | None,
    seeds: str | None,
    tasks: str | None,
    methods: str | None,
    plugins: list[Path] | None,
    cpus: int | None = None,
    gpus: float | None = None,
) -> Campaign:
    discover(plugins or ())
    file, document = load_sweep(sweep)
    chosen = {"tasks": _names(tasks), "methods": _names(methods)}
    return Campaign(narrow(file, tier=tier, seeds=_seeds(seeds), cpus=cpus, gpus=gpus, **chosen), document)


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _seeds(text: str | None) -> list[int] | None:
    """`3` means seeds 0, 1, 2; `0,3` means these."""
    if text is None:
        return None
    try:
        numbers = [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 0 or (numbers == [0] and "," not in text):
        raise RepriseError(f"--seeds '{text}': give a number of seeds (3) or a list (0,3,4); one seed 0 is 0,")
    return numbers if "," in text else list(range(numbers[0]))


def _standing(campaign: Campaign, tracking: Tracking) -> Standing:
    return Standing(campaign.matrix(), frozenset(tracking.finished()), ledger())


def _anything_to_do(standing: Standing, failed_only: bool) -> bool:
    if failed_only:
        return bool(standing.to_do(failed_only=True))
    return bool(standing.to_do() or standing.samples_left() or standing.counts().get(NO_DATA))


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM ends the block like Ctrl-C: Ray is shut down, and everything stays resumable."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


# -- how it looks --------------------------------------------------------------------------------------------------------


def _matrix_table(standing: Standing) -> Table:
    """A row per task and variant: how its runs stand."""
    sweep = standing.matrix.sweep
    table = Table(title=f"{sweep.name} ({sweep.family}, tier {sweep.tier or 'none'})", title_justify="left")
    for heading in ("task", "variant", "preset", "seeds"):
        table.add_column(heading)
    words = [word for word in (FINISHED, WAITING, FAILED, STOPPED, NO_DATA) if word in standing.counts()]
    for word in words:
        table.add_column(word, justify="right")
    rows: dict[tuple[str, str, str], list[tuple[int, str]]] = {}
    for cell in standing.matrix.cells:
        resolved = cell.resolved
        row = (resolved.task.name, resolved.variant, resolved.setup.preset or "none")
        rows.setdefault(row, []).append((cell.seed, standing.of(cell)))
    for row, found in rows.items():
        seeds = " ".join(str(seed) for seed, _ in found)
        table.add_row(*map(Text, row), seeds, *(str(sum(word == other for _, other in found)) for word in words))
    for search in standing.matrix.searches:
        setup = search.setup
        seeds = " ".join(map(str, search.seeds))
        space = ", ".join(f"{name} {domain}" for name, domain in search.space.items())
        variant = Text(f"{setup.variant}, {search.samples} samples of {space}")
        table.add_row(Text(setup.task), variant, Text(setup.preset or "none"), seeds)
    return table


def _plan_lines(standing: Standing) -> Iterator[str]:
    for reference in standing.matrix.datasets():
        if reference.hash is None:
            how = reference.remedy if reference.artifact is None else "not built yet (reprise run builds it)"
            yield f"dataset {reference.name}: {how}"
    yield _sentence(standing)
    trials = standing.trials()
    if not trials:
        return
    cpu, wall = expected_seconds(trials, standing.matrix)
    time = "expected time unknown (nobody measured some of these)" if cpu is None else f"at most about {_minutes(wall)}"
    detail = (
        "" if cpu is None else f" here ({_minutes(cpu)} of CPU if every run were trained alone; stacks are quicker)"
    )
    yield f"to train: {sum(len(trial.runs) for trial in trials)} runs in {len(trials)} trials, {time}{detail}"


def _sentence(standing: Standing) -> str:
    """`demo: 12 of 42 runs finished, 30 to do (files in ...)`."""
    counts = standing.counts()
    total = len(standing.matrix.cells)
    others = "".join(f", {number} {word}" for word, number in counts.items() if word != FINISHED)
    left = standing.samples_left()
    samples = f", {left} search samples to do" if left else ""
    name = standing.matrix.sweep.name
    return f"{name}: {counts.get(FINISHED, 0)} of {total} runs finished{others}{samples} (files in {home()})"


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _status_of_home(json_: bool) -> int:
    """Every trial of this home, whatever sweep it belongs to."""
    trials = [_trial_status(folder) for folder in all_folders()]
    if json_:
        typer.echo(json.dumps(trials))
    else:
        console = Console()
        for trial in trials:
            reason = f": {trial['reason']}" if trial["reason"] else ""
            line = f"{trial['key'][:12]}  {trial['status']:13}  {trial['title']}{reason}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        words = [trial["status"] for trial in trials]
        summary = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words)) or "none yet"
        console.print(f"trials in {home()}: {summary}", markup=False, highlight=False, soft_wrap=True)
    return 1 if any(trial["status"] == FAILED for trial in trials) else 0


def _trial_status(folder: TrialFolder) -> dict[str, str]:
    trial, failure = folder.plan(), folder.failure()
    if folder.finished():
        word = FINISHED
    elif folder.running():
        word = "running"
    elif failure:
        word = FAILED
    else:
        word = STOPPED if folder.stopped() is not None else "interrupted"
    reason = failure["reason"] if failure and word == FAILED else ""
    return {"key": trial.key, "title": trial.title, "status": word, "reason": reason}
