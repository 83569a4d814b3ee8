"""Installing the operators: in time, too late, twice, beside compiled ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import mmcv.ops
import pytest
import torch

from benchmarks.base import RepriseError
from benchmarks.detection import install_ops

ROOT = Path(__file__).parents[2]


def fresh(code: str, path: Path | None = None) -> str:
    """What a new interpreter prints."""
    places = [str(place) for place in (path, ROOT) if place]
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_installing_twice_leaves_the_first() -> None:
    before = sys.modules["mmcv._ext"]
    assert install_ops() == install_ops()
    assert sys.modules["mmcv._ext"] is before


def test_a_missing_operator_names_itself_when_it_is_called() -> None:
    x = torch.zeros(1, 1, 4, 4)
    with pytest.raises(RepriseError, match="'roi_pool_forward' has no pure-PyTorch version"):
        mmcv.ops.roi_pool(x, torch.zeros(1, 5), 2, 1.0)


def test_mmengine_reports_what_the_operators_are() -> None:
    assert "plain PyTorch" in mmcv.ops.get_compiler_version()
    assert "plain PyTorch" in mmcv.ops.get_compiling_cuda_version()


@pytest.mark.skipif(install_ops() == "compiled", reason="with compiled mmcv it is never too late")
def test_installing_after_mmdet_was_tried_is_an_error() -> None:
    code = """
try:
    import mmdet.models
except ImportError as error:
    print(error)
from benchmarks.base import RepriseError
from benchmarks.detection import install_ops
try:
    install_ops()
except RepriseError as error:
    print(error)
"""
    without, late = fresh(code).splitlines()
    assert "mmcv._ext" in without
    assert "too late: mmdet.models" in late


def test_compiled_operators_are_left_alone(tmp_path: Path) -> None:
    package = tmp_path / "mmcv"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "_ext.py").write_text("compiled = True")
    code = """
from benchmarks.detection import install_ops
print(install_ops())
import mmcv._ext
print(mmcv._ext.compiled, install_ops())
"""
    assert fresh(code, tmp_path).split() == ["compiled", "True", "compiled"]


def test_without_mmcv_the_message_says_what_to_install() -> None:
    code = """
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name.startswith("mmcv") else real(name, package)
from benchmarks.base import RepriseError
from benchmarks.detection import install_ops
try:
    install_ops()
except RepriseError as error:
    print(error)
"""
    assert "install mmengine" in fresh(code)
