"""A picture of the page from the suite's own records, for README.md: `python -m results.report.picture FILE`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.base import RepriseError
from results.report.at_hand import COMMITTED, read_runs
from results.report.pages import site
from results.report.site import write_site

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SIZE = (1280, 1100)
"""Pixels of the window."""

PATIENCE = 120.0
"""Seconds the browser may take."""


def find_browser() -> str | None:
    """The program of a browser of Chromium's kind; None where there is none."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def draw(path: Path) -> None:
    """Write the front page into a PNG file; raises RepriseError without a browser, or where it draws nothing."""
    browser = find_browser()
    if browser is None:
        raise RepriseError("the picture of the page needs a browser (Debian: apt-get install chromium)")
    path = path.absolute()
    with tempfile.TemporaryDirectory() as scratch:
        pages = Path(scratch) / "report"
        write_site(pages, dict(site(read_runs(COMMITTED, None, lambda text: None), lambda text: None)))
        options = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            # without these two a busy machine may leave parts of the page blank
            "--virtual-time-budget=5000",
            "--run-all-compositor-stages-before-draw",
            f"--user-data-dir={scratch}/profile",
        ]
        window = "--window-size={},{}".format(*SIZE)
        page = (pages / "index.html").as_uri()
        path.unlink(missing_ok=True)
        subprocess.run([browser, *options, window, f"--screenshot={path}", page], timeout=PATIENCE, capture_output=True)
    if not path.is_file():
        raise RepriseError(f"{browser} drew no picture of {page}")


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
