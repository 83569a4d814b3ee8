"""WIDER's text format: what it holds, what is no face in it, and which errors are found with file and line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat

from benchmarks.base import RepriseError
from benchmarks.wider_face.annotations import ATTRIBUTES, face_image, read_bbx_gt, write_bbx_gt

OWN = """0--Parade/0_Parade_marchingband_1_465.jpg
2
345 211 4 4 2 0 0 0 2 0 \n1026 474 -2 23 1 1 1 1 1 1 \n0--Parade/0_Parade_Parade_0_452.jpg
0
0 0 0 0 0 0 0 0 0 0 \n59--people--driving--car/59_people_2.jpg
1
0 0 16 0 1 0 0 0 0 0 \n"""


def written(folder: Path, text: str) -> Path:
    path = folder / "wider_face_val_bbx_gt.txt"
    path.write_text(text)
    return path


def test_faces_attributes_and_degenerate_boxes_are_read_in_the_files_order(tmp_path: Path) -> None:
    truth = read_bbx_gt(written(tmp_path, OWN))
    parade, empty, car = truth.images
    assert parade.boxes.tolist() == [[345, 211, 4, 4], [1026, 474, -2, 23]]
    assert parade.attributes.tolist() == [[2, 0, 0, 0, 2, 0], [1, 1, 1, 1, 1, 1]]
    assert parade.attribute("occlusion").tolist() == [2, 1]
    assert parade.degenerate.tolist() == [False, True]
    assert car.degenerate.tolist() == [True]
    assert car.key == "59--people--driving--car/59_people_2"
    assert truth.events == ("0--Parade", "59--people--driving--car")
    assert truth.faces == 3
    assert len(empty.boxes) == 0


def test_the_line_of_zeros_after_count_0_is_no_face_and_may_be_absent(tmp_path: Path) -> None:
    without = OWN.replace("0\n0 0 0 0 0 0 0 0 0 0 \n", "0\n")
    assert without != OWN
    for text in (OWN, without, OWN + "\n\n", OWN.replace("\n", "\r\n"), OWN.rstrip()):
        assert [len(image.boxes) for image in read_bbx_gt(written(tmp_path, text)).images] == [2, 0, 1]


def test_writing_gives_back_the_same_file(tmp_path: Path) -> None:
    truth = read_bbx_gt(written(tmp_path, OWN))
    write_bbx_gt(truth.images, tmp_path / "again.txt")
    assert (tmp_path / "again.txt").read_text() == OWN


def test_what_the_format_lacks_is_not_written(tmp_path: Path) -> None:
    for image in (face_image("a/b.jpg", [[0, 0, 2, 2]]), face_image("a/b.jpg", [[0, 0, 2.5, 2]], [[0] * 6])):
        with pytest.raises(RepriseError, match=r"a/b\.jpg"):
            write_bbx_gt([image], tmp_path / "never.txt")


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        (("\n2\n", "\n3\n"), 5, "none of the 3 faces"),
        (("\n2\n", "\n1\n"), 4, "count before it is too small"),
        (("\n2\n", "\n-2\n"), 2, "no number of faces"),
        (("\n2\n", "\ntwo\n"), 2, "no number of faces"),
        (("345 211", "345.5 211"), 3, "whole numbers"),
        (("345 211", "345"), 3, "whole numbers"),
        (("4 4 2 0", "4 4 3 0"), 3, "blur is 3; expected 0 to 2"),
        (("1 1 1 1 1 1", "1 1 1 1 1 2"), 4, "pose is 2"),
        (("0 0 0 0 0 0 0 0 0 0 \n59", "0 0 5 5 0 0 0 0 0 0 \n59"), 7, "correct the count"),
        (("59--people--driving--car/59_people_2.jpg", "59_people_2.jpg"), 8, "no picture's name"),
        (("59--people--driving--car/59_people_2.jpg", "a/b/c.jpg"), 8, "no picture's name"),
        (("59--people--driving--car/59_people_2.jpg", "0--Parade/0_Parade_Parade_0_452.jpg"), 8, "already"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, change: tuple[str, str], line: int, words: str) -> None:
    assert change[0] in OWN
    path = written(tmp_path, OWN.replace(*change, 1))
    with pytest.raises(RepriseError, match=words) as caught:
        read_bbx_gt(path)
    assert f"{path}:{line}" in str(caught.value)


@pytest.mark.parametrize("lines", [1, 2, 3, 8])
def test_a_truncated_file_is_named(tmp_path: Path, lines: int) -> None:
    path = written(tmp_path, "\n".join(OWN.splitlines()[:lines]))
    with pytest.raises(RepriseError, match=f"ends after line {lines}, .* truncated"):
        read_bbx_gt(path)


def test_files_that_are_no_annotations_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RepriseError, match="names no picture"):
        read_bbx_gt(written(tmp_path, "\n"))
    with pytest.raises(RepriseError, match="not readable as text"):
        read_bbx_gt(tmp_path / "absent.txt")
    (tmp_path / "binary.txt").write_bytes(bytes(range(128, 256)))
    with pytest.raises(RepriseError, match="not readable as text"):
        read_bbx_gt(tmp_path / "binary.txt")


def test_the_official_text_equals_the_official_mat_file(shared_data: Path) -> None:
    """Boxes, attributes and order (protocol, section 8)."""
    folder = shared_data / "wider_face"
    truth = read_bbx_gt(folder / "wider_face_split" / "wider_face_val_bbx_gt.txt")
    assert (len(truth.images), len(truth.events), truth.faces) == (3226, 61, 39708)
    assert sum(int(image.degenerate.sum()) for image in truth.images) == 11
    assert sum(int(image.attribute("invalid").sum()) for image in truth.images) == 585
    held = loadmat(str(folder / "ground_truth" / "wider_face_val.mat"))
    by_name = {image.key: image for image in truth.images}
    order = []
    for place, event in enumerate(held["event_list"].ravel()):
        for row, name in enumerate(held["file_list"][place, 0].ravel()):
            image = by_name[f"{event[0]}/{name[0]}"]
            order.append(image.key)
            assert np.array_equal(image.boxes, held["face_bbx_list"][place, 0][row, 0])
            for attribute in ATTRIBUTES:
                label = held[f"{attribute}_label_list"][place, 0][row, 0].ravel()
                assert np.array_equal(image.attribute(attribute), label)
    assert sorted(order) == sorted(by_name)
    assert order == [image.key for image in truth.images]
