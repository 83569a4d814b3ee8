"""MLflow's experiments: one per sweep of a family, with what `mlflow ui` shows of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.base import RepriseError, Tag
from benchmarks.store_uri import artifact_location, experiment_name

KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Opens an experiment at its runs; without it MLflow 3 takes it for a chat application."""


class Experiments:
    """The experiments of one family in a store, `FAMILY/SWEEP`, and that of older versions, `FAMILY`.

    `call` makes a request to MLflow.
    """

    def __init__(self, family: str, uri: str, call: Callable[..., Any]) -> None:
        self.family, self.uri, self.call = family, uri, call
        self.known: dict[str, str] = {}

    def read(self) -> list[str]:
        """The ids of all that exist."""
        self.known, token = {}, None
        while True:
            page = self.call("search_experiments", max_results=1000, page_token=token)
            for found in page:
                if found.name == self.family or found.name.startswith(f"{self.family}/"):
                    self.known[found.name] = str(found.experiment_id)
            token = page.token
            if not token:
                return list(self.known.values())

    def of(self, sweep: str) -> str:
        """The id of a sweep's experiment, made where there is none; runs of no sweep go into the family's own."""
        name = experiment_name(self.family, sweep)
        if name not in self.known:
            self.known[name] = self._create(name, sweep)
        return self.known[name]

    def describe(self, sweep: str, about: str) -> None:
        """Write what a sweep is about where people look at its runs."""
        self.call("set_experiment_tag", self.of(sweep), Tag.NOTE, _note(sweep, about))

    def _create(self, name: str, sweep: str) -> str:
        known = self.call("get_experiment_by_name", name)
        if known is not None and known.lifecycle_stage == "deleted":
            remedy = f"restore it: mlflow experiments restore -x {known.experiment_id}"
            raise RepriseError(f"{self.uri}: the experiment '{name}' was deleted; {remedy}")
        if known is not None:
            return str(known.experiment_id)
        tags = {**KIND, Tag.FAMILY: self.family, **({Tag.NOTE: _note(sweep)} if sweep else {})}
        return str(self.call("create_experiment", name, artifact_location=artifact_location(name), tags=tags))


def _note(sweep: str, about: str = "") -> str:
    said = f"{about[0].upper()}{about[1:]}.\n\n" if about else ""
    return (
        f"{said}`reprise plan {sweep}` shows what is done, `reprise run {sweep}` trains the rest. Every trial is a run, with a "
        "run for each of its members below it: one task, method, setting and seed, its curves, settings and provenance. Runs "
        "that another sweep trained first are in that one's experiment."
    )
