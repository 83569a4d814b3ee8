"""Ray search spaces from a sweep's YAML: samples drawn at random beforehand, or picked by Optuna while trials finish."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.base import Json, canonical_json

Space = Mapping[str, Mapping[str, Json]]
"""Setting -> {form: arguments}, such as {"eta": {"uniform": [0, 1]}}."""


def domains(space: Space) -> dict[str, Any]:
    """Ray's search space of every setting."""
    from ray import tune

    forms = {"uniform": tune.uniform, "loguniform": tune.loguniform, "randint": tune.randint}
    found: dict[str, Any] = {}
    for name, domain in space.items():
        ((form, arguments),) = domain.items()
        found[name] = tune.choice(arguments) if form == "choice" else forms[form](*arguments)
    return found


def drawn(space: Space, samples: int, seed: int) -> list[dict[str, Json]]:
    """Distinct samples of a random search: fewer than asked for where the space holds no more.

    Sample k is the same however many are drawn, so a longer search keeps the runs of the shorter one.
    """
    import numpy as np

    found: dict[str, dict[str, Json]] = {}
    ray_domains = domains(space)
    generators = {name: np.random.default_rng([seed, *name.encode()]) for name in space}
    for _ in range(100 * samples):
        values = {name: _plain(domain.sample(random_state=generators[name])) for name, domain in ray_domains.items()}
        found.setdefault(canonical_json(values), values)
        if len(found) == samples:
            break
    return list(found.values())


def _plain(value: Any) -> Json:
    """NumPy scalars as Python numbers."""
    return value.item() if hasattr(value, "item") else value
