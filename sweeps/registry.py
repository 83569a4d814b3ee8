"""Finds families and methods: this suite's, those of installed packages, and those of plug-in files."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import pkgutil
import sys
from collections.abc import Iterable
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from benchmarks.base import Benchmark, Method, RepriseError, Task, registered_benchmarks, registered_methods, unknown
from sweeps.packages import shadowed

ENTRY_POINTS = "reprise.plugins"
"""Entry point group; each entry names a module that registers methods or families when imported."""

PLUGINS = "REPRISE_PLUGINS"
"""Environment variable with plug-in files (separated like PATH); carries `--plugin` to Ray workers."""


def check_own_packages() -> None:
    """Raise RepriseError where a folder or another distribution hides one of this suite's packages."""
    problem = shadowed()
    if problem:
        raise RepriseError(problem)


def discover(plugins: Iterable[str | Path] = ()) -> None:
    """Import everything that registers a family or a method. Plug-ins given here are remembered for workers."""
    check_own_packages()
    remember(plugins)
    for name in [*_family_modules(), *_method_modules()]:
        importlib.import_module(name)
    for entry in entry_points(group=ENTRY_POINTS):
        try:
            entry.load()
        except Exception as error:
            raise RepriseError(f"plug-in '{entry.name}' ({entry.value}) does not import: {_reason(error)}") from error
    for path in remembered():
        load_plugin(path)


def remember(plugins: Iterable[str | Path]) -> None:
    """Add plug-in files to REPRISE_PLUGINS, absolute and once each."""
    paths = dict.fromkeys([*remembered(), *(Path(plugin).expanduser().resolve() for plugin in plugins)])
    if paths:
        os.environ[PLUGINS] = os.pathsep.join(map(str, paths))


def remembered() -> list[Path]:
    """The plug-in files of REPRISE_PLUGINS."""
    return [Path(path).expanduser().resolve() for path in os.environ.get(PLUGINS, "").split(os.pathsep) if path]


def load_plugin(path: Path) -> ModuleType:
    """Import a file under a module name that depends on its path alone, so that every process agrees on it."""
    name = f"reprise_plugin_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise RepriseError(f"--plugin {path}: no such Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise RepriseError(f"--plugin {path} does not import: {_reason(error)}") from error
    return module


def find_benchmark(family: str, where: str = "") -> Benchmark:
    """A registered family by name."""
    families = registered_benchmarks()
    if family not in families:
        raise unknown("family", family, families, where)
    return families[family]


def find_task(benchmark: Benchmark, name: str, where: str = "") -> Task:
    """A task of a family by name."""
    tasks = benchmark.tasks()
    if name not in tasks:
        raise unknown("task", name, tasks, where)
    return tasks[name]


def find_method(family: str, name: str, where: str = "") -> type[Method]:
    """A method of a family by name."""
    methods = registered_methods(family)
    if name not in methods:
        raise unknown("method", name, methods, where)
    return methods[name]


def _family_modules() -> list[str]:
    """Modules of `benchmarks.<area>` whose names end in `benchmark`: each registers a family when imported."""
    import benchmarks

    areas = [f"benchmarks.{item.name}" for item in pkgutil.iter_modules(benchmarks.__path__) if item.ispkg]
    return [name for area in areas for name in _modules(area) if name.endswith("benchmark")]


def _method_modules() -> list[str]:
    return [name for package in ("methods", "baselines") for name in _modules(package)]


def _modules(package: str) -> list[str]:
    """Public modules and packages directly inside a package."""
    places = importlib.import_module(package).__path__
    return [f"{package}.{item.name}" for item in pkgutil.iter_modules(places) if not item.name.startswith("_")]


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
