"""WIDER FACE as VOC XML, one file per picture, from a folder or a tar archive (protocol, section 8)."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

from benchmarks.base import RepriseError
from benchmarks.wider_face.annotations import FaceAnnotations, FaceImage, checked, face_image, picture_name

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_LIST = ".txt"


def read_voc_xml(path: Path) -> FaceAnnotations:
    """Read all XML files of a folder or a tar archive, in the order of its list of ids (`train.txt`) if it has one.

    `folder` is the event, `filename` the picture; x y w h = xmin, ymin, xmax - xmin, ymax - ymin, with nothing subtracted.
    Objects without width or height are left out, among them those that stand for an empty picture; pictures without a face
    stay. Attributes are unknown. Raises RepriseError naming file and element, and where list and files differ.
    """
    texts: dict[str, bytes] = {}
    lists: list[bytes] = []
    for name, content in _files(path):
        if name.suffix == ".xml":
            texts[name.stem] = content
        elif name.suffix == _LIST:
            lists.append(content)
    if not texts:
        raise RepriseError(f"{path}: holds no XML file; give the folder or the archive with one XML file per picture")
    return checked(path, [_read(texts[identity], f"{path}/{identity}.xml") for identity in _order(path, texts, lists)])


def _files(path: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    if path.is_dir():
        for found in sorted(path.rglob("*")):
            if found.suffix in (".xml", _LIST):
                yield PurePosixPath(found), found.read_bytes()
        return
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                opened = archive.extractfile(member) if member.isfile() else None
                if opened is not None:
                    yield PurePosixPath(member.name), opened.read()
    except (OSError, tarfile.TarError, EOFError) as error:
        raise RepriseError(
            f"{path}: neither a folder nor a whole tar archive ({error}); give the VOC XML files of WIDER FACE"
        ) from error


def _order(path: Path, texts: dict[str, bytes], lists: list[bytes]) -> list[str]:
    if len(lists) != 1:
        return sorted(texts)
    listed = lists[0].decode("utf-8", "replace").split()
    missing, unlisted = set(listed) - set(texts), set(texts) - set(listed)
    if missing or unlisted:
        raise RepriseError(
            f"{path}: its list names {len(missing)} pictures without XML file and leaves out {len(unlisted)} that have one "
            f"({', '.join(sorted(missing | unlisted)[:5])}); complete the set"
        )
    return list(dict.fromkeys(listed))


def _read(content: bytes, where: str) -> FaceImage:
    try:
        root = ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise RepriseError(f"{where}: not readable as XML ({error}); fetch it again") from error
    name = picture_name(f"{_text(root, 'folder', where)}/{_text(root, 'filename', where)}", where)
    size = (round(_number(root, "size/width", where)), round(_number(root, "size/height", where)))
    rows = []
    for place, entry in enumerate(root.iterfind("object"), 1):
        x, y, right, bottom = (_number(entry, f"bndbox/{corner}", f"{where}, object {place}") for corner in _CORNERS)
        if right > x and bottom > y:
            rows.append([x, y, right - x, bottom - y])
    return face_image(name, rows, size=size, where=where)


def _text(parent: ElementTree.Element, element: str, where: str) -> str:
    text = (parent.findtext(element) or "").strip()
    if not text:
        raise RepriseError(f"{where}: has no <{element.replace('/', '><')}>; expected VOC XML of WIDER FACE")
    return text


def _number(parent: ElementTree.Element, element: str, where: str) -> float:
    text = _text(parent, element, where)
    try:
        return float(int(text))
    except ValueError:
        raise RepriseError(f"{where}: <{element.split('/')[-1]}> is '{text}'; expected a whole number") from None
