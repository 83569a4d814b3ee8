"""Reaching an MLflow store, and refusing one that cannot be used before anything is written to it."""

from __future__ import annotations

import logging
import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.base import RepriseError

if TYPE_CHECKING:
    from mlflow import MlflowClient

LOCK_SECONDS = 5.0
"""How long a busy sqlite database is waited for."""


def connect(uri: str) -> MlflowClient:
    """A quiet client; the first one creates or checks the tables."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    import mlflow
    from mlflow.exceptions import MlflowException

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        client = mlflow.MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
    except MlflowException as error:
        raise store_error(uri, error) from error
    return client


def check_database(path: Path) -> None:
    """Refuse a file that is locked or not MLflow's, before MLflow creates its tables in it."""
    if not path.exists():
        return
    advice = "name another in MLFLOW_TRACKING_URI, or move it away"
    connection = sqlite3.connect(path, timeout=LOCK_SECONDS)
    try:
        connection.execute("BEGIN IMMEDIATE")
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        raise RepriseError(
            f"{path}: {error}; another program holds this MLflow database, wait for it or end it"
        ) from error
    except sqlite3.DatabaseError as error:
        raise RepriseError(f"{path} is not a sqlite database ({error}); {advice}") from error
    finally:
        connection.close()
    missing = {"experiments", "runs", "tags", "alembic_version"} - tables
    if tables and missing:
        raise RepriseError(f"{path} is a sqlite database, but not MLflow's (no table '{min(missing)}'); {advice}")


def store_error(uri: str, error: BaseException) -> RepriseError:
    """What MLflow raised, in one line with what to do."""
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    remedy = "run the command again once the store answers; finished trials are kept and recorded then"
    if "schema" in reason:
        remedy = f"back it up, then `mlflow db upgrade {uri}`, or name another in MLFLOW_TRACKING_URI"
    elif "locked" in str(error):
        remedy = "another program holds it; " + remedy
    return RepriseError(f"MLflow store {uri}: {reason}; {remedy}")
