"""Any annotation file of faces, told apart by what it holds."""

from __future__ import annotations

from pathlib import Path

from benchmarks.base import RepriseError
from benchmarks.wider_face.annotations import FaceAnnotations, read_bbx_gt, text_of
from benchmarks.wider_face.headed_labels import HEADER, read_headed
from benchmarks.wider_face.voc_xml import read_voc_xml


def read_faces(path: Path) -> FaceAnnotations:
    """WIDER's text, RetinaFace's or SCRFD's labels, or VOC XML (a folder or a tar archive).

    Raises RepriseError where the file is none of them, or is malformed.
    """
    if path.is_dir() or ".tar" in path.suffixes:
        return read_voc_xml(path)
    if path.suffix == ".mat":
        raise RepriseError(f"{path}: a .mat file is for the metric; give a text file or VOC XML to train on")
    if text_of(path).lstrip().startswith(HEADER):
        return read_headed(path)
    return read_bbx_gt(path)
