"""Running `reprise evaluate` in this process."""

from __future__ import annotations

import pytest

from sweeps.cli import main


def status(*words: str) -> int:
    """The exit status of `reprise evaluate` with these words."""
    with pytest.raises(SystemExit) as stopped:
        main(["evaluate", *words])
    return int(stopped.value.code or 0)
