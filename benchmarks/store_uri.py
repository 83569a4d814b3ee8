"""Which MLflow store this home writes to and reads from, and where in it a sweep is."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote

from benchmarks.base import home


def store_uri() -> str:
    """`MLFLOW_TRACKING_URI` (a relative sqlite path made absolute), else the suite's own database, `<home>/mlflow.db`."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home() / 'mlflow.db'}"
    path = sqlite_path(uri)
    return f"sqlite:///{path}" if path else uri


def sqlite_path(uri: str) -> Path | None:
    """The file of a `sqlite:///` URI, absolute; None for another kind of store."""
    prefix = "sqlite:///"
    return Path(unquote(uri.removeprefix(prefix).split("?")[0])).absolute() if uri.startswith(prefix) else None


def experiment_name(family: str, sweep: str) -> str:
    """`FAMILY/SWEEP`, MLflow's experiment of a sweep; runs of no sweep are in that of their family."""
    return f"{family}/{sweep}" if sweep else family


def artifact_location(experiment: str) -> str | None:
    """Where an experiment's artifacts lie: `<home>/mlruns/EXPERIMENT` for a local database, None where the store decides."""
    return None if sqlite_path(store_uri()) is None else (home() / "mlruns" / experiment).as_uri()
