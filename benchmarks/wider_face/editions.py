"""Which ground truth a folder holds: the official release of 2017 by its md5, or a set with a manifest of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from benchmarks.base import RepriseError

SUBSETS = ("easy", "medium", "hard")
BOXES = "wider_face_val.mat"
OFFICIAL = "wider-face-val"
OTHER = "other ground truth"
MANIFEST = "manifest.json"

FILES = (BOXES, *(f"wider_{subset}_val.mat" for subset in SUBSETS))
"""The file of boxes, then the files of the three subsets."""

OFFICIAL_MD5 = {
    "wider_face_val.mat": "1c2fc4ede1eaff32493e149280f5b6ff",
    "wider_easy_val.mat": "50243024b7d44a4a31147a2d91571530",
    "wider_medium_val.mat": "7df7bdfb2b4dd2af5c03ad11046910a5",
    "wider_hard_val.mat": "9f1bcb00e3e9f283428fc30922492f79",
}
"""The release of March 2017 (protocol, section 1)."""

OFFICIAL_KEPT = {"easy": 7211, "medium": 13319, "hard": 31958}
OFFICIAL_BARE = {"easy": 622, "medium": 207, "hard": 7}
"""Faces that count, and images without one, in each subset of the official set."""

OFFICIAL_EVENTS, OFFICIAL_IMAGES, OFFICIAL_BOXES = 61, 3226, 39708


def check_present(folder: Path) -> None:
    """Raises RepriseError where one of the four files is absent, with a word on text files that cannot replace them."""
    if not folder.is_dir():
        raise RepriseError(f"{folder}: no such folder; give the folder with {', '.join(FILES)}")
    absent = [name for name in FILES if not (folder / name).is_file()]
    if not absent:
        return
    texts = sorted(path.name for path in folder.glob("*bbx_gt*.txt"))
    if texts:
        raise RepriseError(
            f"{folder}: has {texts[0]} but not {absent[0]}; Easy, Medium and Hard exist only in the .mat files. Give the "
            "folder that has them, or the text file itself for the AP over all valid faces"
        )
    raise RepriseError(
        f"{folder}: has no {absent[0]}; the ground truth is {', '.join(FILES)} of WIDER FACE's evaluation tools"
    )


def write_manifest(folder: Path, name: str) -> None:
    """Write `manifest.json` beside the four `.mat` files of a set of our own, so that the loader can check them."""
    if name == OFFICIAL:
        raise RepriseError(f"'{OFFICIAL}' is the official set; give this one another name")
    record = {"name": name, "files": {file: md5_of(folder / file) for file in FILES}}
    (folder / MANIFEST).write_text(json.dumps(record, indent=1) + "\n")


def identify(folder: Path) -> str | None:
    """The set's name: from its manifest, checked, or `wider-face-val` by md5; None where the files are neither.

    Raises RepriseError for a manifest that is malformed or that the files contradict.
    """
    path = folder / MANIFEST
    if path.exists():
        return _from_manifest(path)
    return OFFICIAL if all(md5_of(folder / name) == OFFICIAL_MD5[name] for name in FILES) else None


def md5_of(path: Path) -> str:
    """md5 (hexadecimal) of a file's bytes: the release is identified by it, nothing is secured."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _from_manifest(path: Path) -> str:
    try:
        record = json.loads(path.read_text())
    except ValueError as error:
        raise RepriseError(f"{path}: is no JSON ({error}); build the set again") from error
    files = record.get("files") if isinstance(record, Mapping) else None
    if not isinstance(files, Mapping) or not isinstance(record.get("name"), str) or not set(FILES) <= set(files):
        raise RepriseError(f"{path}: needs 'name' and, under 'files', the md5 of {', '.join(FILES)}")
    if record["name"] == OFFICIAL:
        raise RepriseError(f"{path}: claims the name '{OFFICIAL}', which the official md5 alone give; choose another")
    for name in FILES:
        if files[name] != md5_of(path.parent / name):
            raise RepriseError(f"{path.parent / name}: differs from the md5 in {MANIFEST}; build the set again")
    return str(record["name"])
