"""Tables and figures of a sweep as artifacts in MLflow, so that its experiment shows them too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.base import RepriseError, Tag
from benchmarks.store_uri import artifact_location, experiment_name, store_uri
from results.mlflow_store import client_of

LONGEST_NOTE = 5000
"""Characters of a description that every store takes."""


def log_document(family: str, sweep: str, name: str, text: str, paths: Sequence[Path]) -> None:
    """Put files into the run `name` of a sweep's experiment, made where there is none; `text` is its description, in Markdown.

    Files of an earlier time are replaced. Raises RepriseError where the store does not take them: what was written before stays.
    """
    client = client_of(store_uri())
    from mlflow.exceptions import MlflowException

    try:
        place = experiment_name(family, sweep)
        known = client.get_experiment_by_name(place)  # none where an older version put the runs elsewhere
        experiment = known.experiment_id if known else client.create_experiment(place, artifact_location(place))
        found = client.search_runs([experiment], f"tags.`{Tag.DOCUMENT}` = '{name}'", max_results=1)
        tags = {Tag.DOCUMENT: name, Tag.FAMILY: family}
        run = found[0] if found else client.create_run(experiment, tags=tags, run_name=name)
        client.set_tag(
            run.info.run_id, Tag.NOTE, text if len(text) <= LONGEST_NOTE else f"See the artifacts of `{name}`."
        )
        for path in paths:
            client.log_artifact(run.info.run_id, str(path))
        client.set_terminated(run.info.run_id)
    except MlflowException as error:
        raise RepriseError(f"{store_uri()}: MLflow does not take {name} ({error}); the files are written") from error
