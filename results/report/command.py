"""The command `reprise report`: the static site, and what it says on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.base import home
from results.options import Records
from results.report.at_hand import read_runs
from results.report.pages import site
from results.report.site import write_site
from results.run_keys import chosen_keys


def report(
    out: Annotated[Path | None, typer.Option(help="Folder of the site; by default results/report in the home.")] = None,
    records: Records = None,
    sweep: Annotated[
        list[str] | None, typer.Option(help="Only the runs this sweep last asked for; repeatable.")
    ] = None,
) -> None:
    """Write the page: every table, claim and figure with the runs behind them, as a folder that opens in a browser.

    Without --records it shows the runs of this home's MLflow store and of the suite's own records.
    """
    folder = (out or home() / "results" / "report").absolute()
    at_hand = read_runs(records, chosen_keys(sweep or (), None), _say)
    _say(f"{len(at_hand.runs):,} runs: {', '.join(at_hand.sources)}")
    files = dict(site(at_hand, _say))
    write_site(folder, files)
    largest = max(files, key=lambda name: len(files[name]))
    _say(f"{len(files)} files, the largest {largest} with {len(files[largest]) / 1e6:.2f} MB")
    typer.echo(f"wrote {folder / 'index.html'}")


def _say(text: str) -> None:
    typer.echo(text, err=True)
