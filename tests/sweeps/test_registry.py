"""Discovery of families and methods, plug-in files, and packages that hide the suite's own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from benchmarks.base import RepriseError, registered_benchmarks, registered_methods
from sweeps import registry
from sweeps.packages import OWN, ROOT, shadowed


def test_plugin_file_registers_family_and_methods():
    assert "toy" in registered_benchmarks()
    assert set(registered_methods("toy")) == {"toy", "other"}


def test_suite_registers_its_own_families():
    assert {"offline_rl", "online_rl"} <= set(registered_benchmarks())


def test_plugin_is_loaded_once_under_a_name_that_its_path_decides(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("VALUE = object()\n")
    module = registry.load_plugin(path)
    assert registry.load_plugin(path) is module
    assert sys.modules[module.__name__] is module


def test_plugin_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(RepriseError, match=r"--plugin .*gone\.py: no such Python file"):
        registry.load_plugin(tmp_path / "gone.py")


def test_plugin_that_does_not_import_says_why(tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("import no_such_module_anywhere\n")
    with pytest.raises(RepriseError, match=r"broken\.py does not import: ModuleNotFoundError.*no_such_module_anywhere"):
        registry.load_plugin(path)


def test_plugins_reach_workers_through_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("REPRISE_PLUGINS", "")
    registry.remember([tmp_path / "a.py", tmp_path / "b.py"])
    registry.remember([tmp_path / "a.py"])
    assert os.environ["REPRISE_PLUGINS"] == f"{tmp_path / 'a.py'}{os.pathsep}{tmp_path / 'b.py'}"


def test_own_packages_are_found():
    assert shadowed() is None


@pytest.mark.parametrize("name", OWN)
def test_folder_that_hides_a_package_stops_the_command(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("")
    code = f"import sys; sys.path[:0] = [{str(ROOT)!r}]; import sweeps.cli as c; "
    code += f"sys.modules.pop({name!r}, None); sys.path[:0] = [{str(tmp_path)!r}]; c.main(['plan', 'demo'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 2
    assert f"'import {name}' finds {tmp_path / name}" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_installed_package_registers_through_an_entry_point(tmp_path, monkeypatch):
    """A distribution in somebody else's environment: its metadata names a module, importing it registers a method."""
    info = tmp_path / "somebody_elses-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: somebody-elses\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[reprise.plugins]\nmine = somebody_elses_method\n")
    (tmp_path / "somebody_elses_method.py").write_text("IMPORTED = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry.discover()
    assert sys.modules["somebody_elses_method"].IMPORTED
    (info / "entry_points.txt").write_text("[reprise.plugins]\nmine = no_such_module_anywhere\n")
    with pytest.raises(RepriseError, match=r"plug-in 'mine' \(no_such_module_anywhere\) does not import"):
        registry.discover()
