"""The house in order: lint, types on the public surface, the direction of imports, documents that show the committed records."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHECKS = {
    "ruff check": [sys.executable, "-m", "ruff", "check", "."],
    "ruff format": [sys.executable, "-m", "ruff", "format", "--check", "."],
    "mypy": [sys.executable, "-m", "mypy"],
    "import contracts": [str(Path(sys.executable).with_name("lint-imports"))],
    "documents": [
        str(Path(sys.executable).with_name("cog")),
        "-P",
        "--check",
        "--diff",
        "README.md",
        "results/README.md",
    ],
}


@pytest.mark.parametrize("name", CHECKS)
def test_the_house_is_in_order(name: str) -> None:
    done = subprocess.run(CHECKS[name], cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, f"{name}:\n{done.stdout[-4000:]}\n{done.stderr[-2000:]}"


def test_no_file_says_nothing_about_its_subject() -> None:
    vague = {"utils.py", "util.py", "helpers.py", "misc.py", "common.py"}
    rooms = ("benchmarks", "methods", "baselines", "sweeps", "results")
    assert not [path for room in rooms for path in (ROOT / room).rglob("*.py") if path.name in vague]
