"""RetinaFace's and SCRFD's labels and VOC XML come to the same faces as WIDER's own text."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from benchmarks.base import RepriseError
from benchmarks.wider_face.face_files import read_faces

FACES = {
    "0--Parade/a.jpg": [[10.0, 20.0, 30.0, 40.0], [0.0, 5.0, 7.0, 9.0]],
    "0--Parade/empty.jpg": [],
    "1--Handshaking/b.jpg": [[100.0, 3.0, 12.0, 14.0]],
}
POINTS = "12.5 30.0 0.0 20.0 30.0 0.0 16.0 40.0 1.0 12.0 50.0 0.0 20.0 50.0 0.0"
RETINA = f"""# 0--Parade/a.jpg
10 20 30 40 {POINTS} 0.82
0 5 7 9 {"-1.0 " * 15}0.3
# 0--Parade/empty.jpg
# 1--Handshaking/b.jpg
100 3 12 14
"""
SCRFD = f"""# 0--Parade/a.jpg 1024 768
10.0 20.0 40.0 60.0 {POINTS}
0.0 5.0 7.0 14.0
# 0--Parade/empty.jpg 1024 512
# 1--Handshaking/b.jpg 640 480
100.0 3.0 112.0 17.0 {POINTS}
"""
OWN = f"""0--Parade/a.jpg
2
10 20 30 40 0 0 0 0 0 0
0 5 7 9 0 0 0 0 0 0
0--Parade/empty.jpg
0
{"0 " * 10}
1--Handshaking/b.jpg
1
100 3 12 14 0 0 0 0 0 0
"""


def xml(name: str, boxes: list[list[float]], size: tuple[int, int] = (1024, 768)) -> str:
    event, _, picture = name.partition("/")
    entries = "".join(
        f"<object><name>face</name><difficult>0</difficult><bndbox><xmin>{x:g}</xmin><ymin>{y:g}</ymin>"
        f"<xmax>{x + w:g}</xmax><ymax>{y + h:g}</ymax></bndbox></object>"
        for x, y, w, h in boxes
    )
    return (
        f"<annotation><folder>{event}</folder><filename>{picture}</filename><size><width>{size[0]}</width>"
        f"<height>{size[1]}</height><depth>3</depth></size>{entries}</annotation>"
    )


def voc(folder: Path, listed: bool = False) -> Path:
    root = folder / "annotations"
    root.mkdir()
    for name, boxes in FACES.items():
        stem = name.partition("/")[2].removesuffix(".jpg")
        (root / f"{stem}.xml").write_text(xml(name, boxes or [[0, 0, 0, 0]]))
    if listed:
        (root / "train.txt").write_text("b\na\nempty\n")
    return root


def as_text(folder: Path, text: str) -> Path:
    (folder / "label.txt").write_text(text)
    return folder / "label.txt"


def archived(folder: Path) -> Path:
    source = voc(folder, listed=True)
    with tarfile.open(folder / "annotations.tar.xz", "w:xz") as archive:
        archive.add(source, "WIDER_train_annotations")
    return folder / "annotations.tar.xz"


@pytest.mark.parametrize(
    ("make", "known"),
    [
        (lambda folder: as_text(folder, RETINA), False),
        (lambda folder: as_text(folder, SCRFD), False),
        (lambda folder: as_text(folder, OWN), True),
        (voc, False),
        (archived, False),
    ],
)
def test_every_format_gives_the_same_faces(tmp_path: Path, make: object, known: bool) -> None:
    truth = read_faces(make(tmp_path))  # type: ignore[operator]
    assert {image.name: image.boxes.tolist() for image in truth.images} == FACES
    assert all((image.attributes == (0 if known else -1)).all() for image in truth.images)


def test_stated_sizes_are_kept(tmp_path: Path) -> None:
    assert [image.size for image in read_faces(as_text(tmp_path, SCRFD)).images] == [
        (1024, 768),
        (1024, 512),
        (640, 480),
    ]
    assert {image.size for image in read_faces(voc(tmp_path)).images} == {(1024, 768)}
    assert {image.size for image in read_faces(as_text(tmp_path, RETINA)).images} == {None}


def test_the_list_of_an_xml_set_gives_its_order(tmp_path: Path) -> None:
    found = read_faces(archived(tmp_path))
    assert [image.key for image in found.images] == ["1--Handshaking/b", "0--Parade/a", "0--Parade/empty"]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("# 0--Parade/a.jpg\n1 2 3\n", 2, "no face; expected x y w h"),
        ("# 0--Parade/a.jpg\n1 2 3 nan\n", 2, "finite"),
        ("# 0--Parade/a.jpg\n1 2 3 4 5\n", 2, "20 or 4"),
        ("# 0--Parade/a.jpg 10 20\n1 2 3 x\n", 2, "x1 y1 x2 y2"),
        ("# 0--Parade/a.jpg 10 0\n", 1, "states no width and height"),
        ("# 0--Parade/a.jpg 10\n", 1, "no header"),
        ("# a.jpg\n", 1, "no picture's name"),
        ("# 0--Parade/a.jpg\n# 0--Parade/b.jpg 10 20\n", 2, "do not mix"),
        ("# 0--Parade/a.jpg\n1 2 3 4\n# 0--Parade/a.jpg\n", 3, "already"),
    ],
)
def test_a_malformed_label_is_named(tmp_path: Path, text: str, line: int, words: str) -> None:
    path = as_text(tmp_path, text)
    with pytest.raises(RepriseError, match=words) as caught:
        read_faces(path)
    assert f"{path}:{line}" in str(caught.value)


def test_malformed_xml_is_named(tmp_path: Path) -> None:
    root = voc(tmp_path)
    (root / "a.xml").write_text(xml("0--Parade/a.jpg", [[1, 2, 3, 4]])[:-5])
    with pytest.raises(RepriseError, match=r"a\.xml: not readable as XML"):
        read_faces(root)
    (root / "a.xml").write_text(xml("0--Parade/a.jpg", [[1, 2, 3, 4]]).replace("<xmax>4", "<xmax>four"))
    with pytest.raises(RepriseError, match=r"a\.xml, object 1: <xmax> is 'four'"):
        read_faces(root)
    (root / "a.xml").write_text(xml("0--Parade/a.jpg", []).replace("folder", "place"))
    with pytest.raises(RepriseError, match=r"a\.xml: has no <folder>"):
        read_faces(root)


def test_an_incomplete_xml_set_is_refused(tmp_path: Path) -> None:
    root = voc(tmp_path, listed=True)
    (root / "empty.xml").unlink()
    with pytest.raises(RepriseError, match=r"1 pictures without XML file .* \(empty\)"):
        read_faces(root)
    archive = archived_anew(tmp_path)
    archive.write_bytes(archive.read_bytes()[:200])
    with pytest.raises(RepriseError, match="neither a folder nor a whole tar archive"):
        read_faces(archive)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(RepriseError, match="holds no XML file"):
        read_faces(tmp_path / "nothing")


def archived_anew(folder: Path) -> Path:
    below = folder / "again"
    below.mkdir()
    return archived(below)


def test_a_mat_file_is_no_annotation_to_train_on(tmp_path: Path) -> None:
    (tmp_path / "wider_face_val.mat").write_bytes(b"MATLAB 5.0")
    with pytest.raises(RepriseError, match="for the metric"):
        read_faces(tmp_path / "wider_face_val.mat")


def test_the_xml_of_wider_train_is_read_whole(shared_data: Path) -> None:
    """159,424 objects, 31 of them without width or height, in 12,880 pictures 1024 wide (protocol, section 8)."""
    truth = read_faces(shared_data / "wider_face" / "voc_xml" / "WIDER_train_annotations.tar.xz")
    assert (len(truth.images), len(truth.events), truth.faces) == (12880, 61, 159424 - 31)
    assert {image.size[0] for image in truth.images if image.size} == {1024}
    empty = [image.name for image in truth.images if not len(image.boxes)]
    assert "0--Parade/0_Parade_Parade_0_452.jpg" in empty
    assert len(empty) == 4
