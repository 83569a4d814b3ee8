"""Data-set cards: what the runs at hand say of the data they were measured on, and what each kind of data is and is not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from benchmarks.base import NO_DATA, Json, RepriseError, RunResult
from results.report.at_hand import AtHand
from results.report.standing import FAMILIES
from results.spec_file import Part, Text

FILE = Path(__file__).with_name("data_kinds.yaml")


class Kind(Part):
    """What is true of every set of a kind."""

    title: Text
    made: Text
    licence: Text
    is_not: Text


@dataclass(frozen=True)
class DataCard:
    """A data set as runs name it. `size` and `environment` are what they recorded of it."""

    family: str
    title: str
    name: str
    kind: str
    digest: str
    size: str
    remark: str
    environment: str
    tasks: tuple[str, ...]
    runs: int
    about: Kind | None


@cache
def kinds() -> dict[str, dict[str, Kind]]:
    """Family -> kind of data -> what is known of it. Raises RepriseError where the file is not in order."""
    content = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    try:
        return {
            family: {name: Kind.model_validate(entry) for name, entry in entries.items()}
            for family, entries in content.items()
        }
    except (ValidationError, AttributeError) as error:
        raise RepriseError(f"{FILE}: {error}") from error


def cards(at_hand: AtHand) -> list[DataCard]:
    """A card per data set (family, hash), by family and name; none for runs that need no data."""
    found: dict[tuple[str, str, str], list[RunResult]] = {}
    for _, result in at_hand.runs.values():
        run = result.run
        if run.dataset != NO_DATA:
            found.setdefault((run.family, run.dataset, run.dataset_hash), []).append(result)
    return [_card(*place, results) for place, results in sorted(found.items(), key=lambda item: item[0])]


def _card(family: str, name: str, digest: str, results: list[RunResult]) -> DataCard:
    kind = results[0].run.labels.get("data_kind", "")
    told = next((result.extra for result in results if result.extra), {})
    training = results[0].run.training
    return DataCard(
        family,
        FAMILIES.get(family, family),
        name,
        kind,
        digest,
        _size(told, training),
        results[0].run.labels.get("data_remark", ""),
        results[0].run.labels.get("environment", ""),
        tuple(sorted({result.run.task for result in results})),
        len(results),
        kinds().get(family, {}).get(kind),
    )


def _size(told: dict[str, Json], training: Any) -> str:
    """`100,000 rows` or `3,000 + 400 pictures`; empty where no run says it."""
    data = told.get("data")
    if isinstance(data, dict) and isinstance(data.get("rows"), int):
        return f"{data['rows']:,} rows"
    if {"train_images", "val_images"} <= set(training):
        train, val = training["train_images"], training["val_images"]
        if isinstance(train, int) and isinstance(val, int):
            return f"{train:,} pictures to train, {val:,} to test"
    rows = training.get("dataset_rows")
    return f"{rows:,} rows wanted" if isinstance(rows, int) else ""
