"""The files of the site, and how they are written: whole, in place of the last report, or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmarks.base import Json, RepriseError
from results.render.wording import TIED, head

HERE = Path(__file__).parent
ASSETS = HERE / "assets"
MARKER = ".reprise-report"
"""A file by which a folder is known to be a report, and may be replaced by the next one."""

ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


@cache
def _environment() -> Environment:
    found = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["page_json"] = page_json
    found.filters["head"] = head
    found.globals["TIED"] = TIED
    return found


def page_json(value: Json) -> str:
    """JSON that may stand in a `<script>` of any page: nothing in it ends the element or begins another."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character, escape in ESCAPES.items():
        text = text.replace(character, escape)
    return text


def page(template: str, path: str, **content: Any) -> str:
    """A page from its template. `path` is where it will stand in the site; every value is escaped for HTML."""
    root = "../" * path.count("/")
    return _environment().get_template(template).render(root=root, here=path, **content)


def write_site(out: Path, files: Mapping[str, str | bytes]) -> None:
    """Write pages and assets into a folder of their own and put it in the place of `out` in one step.

    Raises RepriseError where `out` is something else than an earlier report or an empty folder.
    """
    _refuse_other(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        for name, content in files.items():
            path = scratch / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        shutil.copytree(ASSETS, scratch / "assets", dirs_exist_ok=True)
        (scratch / MARKER).write_text("Written by `reprise report`, which replaces this folder.\n", encoding="utf-8")
        scratch.chmod(0o755)
        _exchange(scratch, out)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _refuse_other(out: Path) -> None:
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise RepriseError(f"{out} is no folder; give --out a folder of its own")
    if out.is_dir() and not (out / MARKER).is_file() and any(out.iterdir()):
        raise RepriseError(f"{out} holds other files than a report; give --out a new or empty folder")


def _exchange(new: Path, out: Path) -> None:
    """Put `new` in the place of `out`; the old one is brought back where that fails."""
    old = new.with_name(f"{new.name}-old")
    if out.exists():
        os.rename(out, old)
    try:
        os.rename(new, out)
    except BaseException:
        if old.exists():
            os.rename(old, out)
        raise
    shutil.rmtree(old, ignore_errors=True)
