"""From defaults, preset and overrides to the resolved settings of a run: method and harness fields in one flat namespace."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from benchmarks.base import Json, Method, RepriseError, Run, canonical_json, unknown


def resolve(
    method: type[Method], harness: type, task: str, preset: str | None, overrides: Mapping[str, Json], where: str
) -> tuple[dict[str, Json], dict[str, Json]]:
    """Resolved (settings, training) as JSON: every field of `method.Settings` and of `harness`, the family's own.

    Later wins: defaults, the preset (None: the method's first), overrides. Raises RepriseError, prefixed by `where`, for an
    unknown preset or key (with the nearest valid one) and for a value of the wrong type or range.
    """
    name = preset or next(iter(method.presets))
    if name not in method.presets:
        raise unknown(f"preset of {method.name}", name, method.presets, where)
    values = {**method.presets[name](task), **overrides}
    ours = {field.name for field in dataclasses.fields(method.Settings)}
    shared = {field.name for field in dataclasses.fields(harness)}
    for key in values:
        if key not in ours | shared:
            raise unknown(f"setting of {method.name}", key, ours | shared, where)
    settings = validated(method.Settings, {k: v for k, v in values.items() if k in ours}, where)
    training = validated(harness, {k: v for k, v in values.items() if k in shared}, where)
    return as_json(settings), as_json(training)


def stack_signature(run: Run, method: type[Method]) -> str:
    """Equal for runs that may train as one stack: they differ in seed and in the method's stackable settings alone."""
    shared = {name: value for name, value in run.settings.items() if name not in method.stackable}
    return canonical_json([run.task, run.dataset_hash, run.method, shared, dict(run.training)])


def validated(kind: type, values: Mapping[str, Json], where: str) -> Any:
    """An instance of a settings dataclass from JSON values; RepriseError names every wrong key."""
    try:
        return TypeAdapter(kind).validate_python(dict(values))
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or kind.__name__}: {item['msg']} (got {item['input']!r})"
            for item in error.errors()
        )
        raise RepriseError(f"{where}: {problems}") from None
    except RepriseError as error:
        raise RepriseError(f"{where}: {error}") from None


def as_json(settings: Any) -> dict[str, Json]:
    """A settings dataclass as JSON: tuples as lists, infinities as strings."""

    def plain(value: Any) -> Json:
        if isinstance(value, (tuple, list)):
            return [plain(item) for item in value]
        if isinstance(value, float) and math.isinf(value):
            return "inf" if value > 0 else "-inf"
        return value

    return {field.name: plain(getattr(settings, field.name)) for field in dataclasses.fields(settings)}
