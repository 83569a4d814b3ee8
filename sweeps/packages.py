"""Are the packages that Python imports here this suite's own? Uses the standard library alone, so it can run first."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The folder that holds the suite's packages: a clone, or site-packages."""

OWN = ("benchmarks", "methods", "baselines", "sweeps", "results")


def shadowed() -> str | None:
    """What is wrong and what to do, where a folder or another distribution hides a package of this suite; else None."""
    for name in OWN:
        found = _location(name)
        if found is None:
            return (
                f"package '{name}' of this suite cannot be imported (expected {ROOT / name}); install the suite again"
            )
        if found != ROOT / name:
            return (
                f"'import {name}' finds {found}, which hides this suite's own {ROOT / name}; start the command in another"
                f" folder, rename {found}, or take its parent out of PYTHONPATH"
            )
    return None


def _location(name: str) -> Path | None:
    """The folder from which a top-level package is, or would be, imported."""
    try:
        spec = importlib.util.find_spec(name)
    except ValueError:  # a module put into sys.modules without a spec
        spec = None
    if spec is None:
        return None
    if spec.origin is None:  # a folder without __init__.py
        places = list(spec.submodule_search_locations or [])
        return Path(places[0]).resolve() if places else None
    origin = Path(spec.origin).resolve()
    return origin.parent if origin.name == "__init__.py" else origin
