"""The files under a folder, in a tar archive (plain or compressed) or in a zip archive, all read the same way."""

from __future__ import annotations

import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from benchmarks.base import RepriseError

Named = tuple[str, bytes]
"""A file's path under its root, with `/` between folders, and its bytes."""

_LARGEST = 1 << 26
"""Bytes. A larger file is no list of one image's faces."""


def read_files(root: Path) -> Iterator[Named]:
    """Every file under `root`, one at a time; raises RepriseError where it is no folder or archive, or is damaged."""
    if root.is_dir():
        yield from _of_folder(root)
        return
    if not root.exists():
        raise RepriseError(f"{root}: no such folder or archive of predictions")
    try:
        if zipfile.is_zipfile(root):
            yield from _of_zip(root)
        elif tarfile.is_tarfile(root):
            yield from _of_tar(root)
        else:
            raise RepriseError(
                f"{root}: is neither a folder nor a tar or zip archive; give the root of the predictions"
            )
    except (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, OSError) as error:
        raise RepriseError(f"{root}: the archive is damaged ({error}); copy or download it again") from error


def _of_folder(root: Path) -> Iterator[Named]:
    for folder, inner, names in os.walk(root):
        inner.sort()
        place = Path(folder)
        for name in sorted(names):
            path = place / name
            try:
                _check_size(path.stat().st_size, str(path))
                data = path.read_bytes()
            except OSError as error:
                raise RepriseError(f"{path}: not readable ({error})") from error
            yield path.relative_to(root).as_posix(), data


def _of_tar(root: Path) -> Iterator[Named]:
    with tarfile.open(root) as archive:
        for member in archive:
            if member.isfile():
                _check_size(member.size, f"{root}: {member.name}")
                opened = archive.extractfile(member)
                yield member.name.removeprefix("./"), opened.read() if opened else b""


def _of_zip(root: Path) -> Iterator[Named]:
    with zipfile.ZipFile(root) as archive:
        for info in archive.infolist():
            if not info.is_dir():
                _check_size(info.file_size, f"{root}: {info.filename}")
                yield info.filename.replace("\\", "/").removeprefix("./"), archive.read(info)


def _check_size(size: int, where: str) -> None:
    if size > _LARGEST:
        raise RepriseError(
            f"{where}: {size:,} bytes are no list of one image's faces; is this the root of the predictions?"
        )
