"""The command `reprise`: a table from command to dotted path; the code behind one is imported only when it is called."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from sweeps.packages import shadowed

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("sweeps.commands:run", "train what a sweep asks for and is not finished"),
    "plan": ("sweeps.commands:plan", "show a sweep's runs, what is done, and the expected time"),
    "status": ("sweeps.commands:status", "show what is finished, running, failed"),
    "logs": ("sweeps.housekeeping:logs", "print the log of a run or trial, by key"),
    "clean": ("sweeps.housekeeping:clean", "free the space of checkpoints that nobody needs"),
    "list": ("sweeps.listing:listing", "show methods, tasks, sweeps, tables and figures, and what each needs"),
    "show": ("sweeps.show:show", "draw what a detector's run found in pictures"),
    "rollout": ("sweeps.rollout:rollout", "play or film a policy or a trained run"),
    "data": ("benchmarks.cli:data", "build, fetch and check datasets"),
    "evaluate": ("benchmarks.evaluate_cli:evaluate", "score a file of predictions"),
    "table": ("results.cli:table", "render a paper's table"),
    "claims": ("results.claims_command:claims", "browse the published numbers and their sources"),
    "check": ("results.check_command:check", "say of every published number of a table whether it reproduces"),
    "report": ("results.report.command:report", "write the page: tables, claims and figures with the runs behind them"),
    "figure": ("results.figure_command:figure", "draw a figure from runs and published numbers"),
    "export": ("results.export_command:export", "write finished runs as records, or as matrices for rliable"),
    "stats": ("results.stats_command:stats", "aggregate anybody's scores, with intervals"),
    "import": ("sweeps.import_command:import_", "bring records into MLflow, as finished runs"),
    "compare": ("results.compare_command:compare", "find what got better or worse between two sets of runs"),
}
"""Command -> where it lives and what it does. A function becomes a command through typer; a typer.Typer is a group."""

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command. Exit status: 0 well, 1 a trial failed, 2 bad input (one message on stderr), 130 interrupted."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview())
        sys.exit(0)
    name = words[0]
    if name == "--version":
        from importlib.metadata import version

        print(version("reprise"))
        sys.exit(0)
    if name not in COMMANDS:
        _stop(_unknown(name))
    problem = shadowed()
    if problem:
        _stop(problem)
    sys.exit(_call(name, words[1:]))


def overview() -> str:
    """What `reprise --help` prints."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {about}" for name, (_, about) in COMMANDS.items()]
    return "\n".join(
        [
            "Reprise re-runs published results and re-draws their tables.",
            "",
            "usage: reprise COMMAND [OPTIONS]      reprise COMMAND --help explains one",
            "",
            *lines,
            "",
            "Everything is kept in .reprise (REPRISE_HOME moves it); MLFLOW_TRACKING_URI names another MLflow store.",
        ]
    )


def _call(name: str, words: list[str]) -> int:
    """Import the command, wrap it with typer, and turn errors into one message and an exit status."""
    import typer

    from benchmarks.base import RepriseError

    try:
        result = _click_command(name).main(args=words, prog_name=f"reprise {name}", standalone_mode=False)
    except RepriseError as error:
        _stop(str(error))
    except typer.Abort:
        _stop("nothing was changed", 1)
    except Exception as error:
        if hasattr(error, "exit_code") and hasattr(error, "show"):  # typer's own: bad options and arguments
            error.show()
            return int(error.exit_code)
        raise
    if result == INTERRUPTED:  # how typer hands a KeyboardInterrupt on
        _stop("interrupted; the same command goes on from here", INTERRUPTED)
    return result if isinstance(result, int) else 0


def _click_command(name: str) -> Any:
    import typer

    module, _, attribute = COMMANDS[name][0].partition(":")
    target = getattr(importlib.import_module(module), attribute)
    if isinstance(target, typer.Typer):
        return typer.main.get_command(target)
    application = typer.Typer(add_completion=False)
    application.command()(target)
    return typer.main.get_command(application)


def _unknown(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.4)
    return f"unknown command '{name}'; " + (f"did you mean '{near[0]}'?" if near else f"valid: {', '.join(COMMANDS)}")


def _stop(message: str, status: int = 2) -> NoReturn:
    print(f"reprise: {message}", file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main()
