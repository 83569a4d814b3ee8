"""WIDER FACE by path: what is not there, or does not belong together, is said before anything trains."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.base import RepriseError
from benchmarks.wider_face.annotations import FaceAnnotations, face_image, read_bbx_gt, write_bbx_gt
from benchmarks.wider_face.face_pictures import check_decoding, picture_sizes
from benchmarks.wider_face.real_wider import (
    annotation_path,
    open_split,
    picture_folder,
    require_whole,
    training_labels,
    wider_root,
)

KNOWN = [0] * 6
IMAGES = (
    face_image("0--Parade/a.jpg", [[10, 5, 20, 30], [90, 60, 8, 8]], [KNOWN, KNOWN]),
    face_image("0--Parade/b.jpg", []),
    face_image("7--Cheering/c.jpg", [[2, 2, 9, 9]], [KNOWN]),
)
SIZES = [(100, 70), (64, 48), (30, 80)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Both splits of three pictures in WIDER's layout."""
    for split in ("train", "val"):
        text = annotation_path(tmp_path, split)  # type: ignore[arg-type]
        text.parent.mkdir(exist_ok=True)
        write_bbx_gt(IMAGES, text)
        for image, (width, height) in zip(IMAGES, SIZES, strict=True):
            path = picture_folder(tmp_path, split) / image.name  # type: ignore[arg-type]
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
            Image.fromarray(noise).save(path)
    return tmp_path


def test_a_split_is_opened_with_the_size_of_every_picture(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRISE_WIDER", str(root))
    split = open_split(wider_root(), "val", complete=False)
    assert split.sizes == SIZES
    assert [image.name for image in split.truth.images] == [image.name for image in IMAGES]
    assert split.folder == root / "WIDER_val" / "images"


def test_boxes_may_come_from_another_format(root: Path, tmp_path: Path) -> None:
    labels = tmp_path / "label.txt"
    labels.write_text("# 0--Parade/a.jpg\n1 2 3 4\n")
    split = open_split(root, "train", complete=False, labels=labels)
    assert [image.boxes.tolist() for image in split.truth.images] == [[[1, 2, 3, 4]]]
    assert split.sizes == SIZES[:1]


def test_the_folder_must_be_set_and_complete(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REPRISE_WIDER", raising=False)
    with pytest.raises(RepriseError, match=r"REPRISE_WIDER is not set: .*WIDER_train/images"):
        wider_root()
    monkeypatch.setenv("REPRISE_WIDER", str(root))
    annotation_path(root, "train").unlink()
    with pytest.raises(RepriseError, match=r"without wider_face_split/wider_face_train_bbx_gt\.txt"):
        wider_root()
    assert wider_root(["val"]) == root


def test_other_labels_of_train_stand_in_for_the_text_file(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    annotation_path(root, "train").unlink()
    monkeypatch.setenv("REPRISE_WIDER", str(root))
    monkeypatch.setenv("REPRISE_WIDER_LABELS", str(tmp_path / "label.txt"))
    with pytest.raises(RepriseError, match=r"REPRISE_WIDER_LABELS=.*label\.txt: no such file or folder"):
        wider_root()
    (tmp_path / "label.txt").write_text("# 0--Parade/a.jpg\n1 2 3 4\n")
    assert wider_root() == root
    assert training_labels() == tmp_path / "label.txt"
    annotation_path(root, "val").unlink()
    with pytest.raises(RepriseError, match=r"without wider_face_split/wider_face_val_bbx_gt\.txt"):
        wider_root()


def test_absent_pictures_are_named(root: Path) -> None:
    folder = picture_folder(root, "val")
    (folder / "7--Cheering" / "c.jpg").rename(folder / "7--Cheering" / "other.jpg")
    with pytest.raises(RepriseError, match=r"1 of 3 pictures of .*val_bbx_gt\.txt are not there: 7--Cheering/c\.jpg"):
        open_split(root, "val", complete=False)
    (folder / "0--Parade").rename(root / "elsewhere")
    with pytest.raises(RepriseError, match="3 of 3 pictures"):
        open_split(root, "val", complete=False)
    with pytest.raises(RepriseError, match="no such folder"):
        picture_sizes(FaceAnnotations(root, IMAGES), root / "nowhere")


def test_a_resized_picture_contradicts_its_boxes(root: Path) -> None:
    path = picture_folder(root, "val") / IMAGES[0].name
    Image.new("RGB", (50, 35)).save(path)
    with pytest.raises(RepriseError, match=r"a\.jpg is 50 x 35, and has a face at x y w h \[90"):
        open_split(root, "val", complete=False)


def test_a_stated_size_must_be_the_pictures(root: Path) -> None:
    stated = FaceAnnotations(root, (face_image(IMAGES[0].name, [], size=(100, 71), where="label.txt:4"),))
    with pytest.raises(RepriseError, match=r"is 100 x 70, stated are 100 x 71 \(label\.txt:4\)"):
        picture_sizes(stated, picture_folder(root, "val"))


def test_a_degenerate_box_contradicts_nothing(root: Path) -> None:
    far = FaceAnnotations(root, (face_image(IMAGES[0].name, [[1026, 474, -2, 23]]),))
    assert picture_sizes(far, picture_folder(root, "val")) == SIZES[:1]


def test_damaged_pictures_are_found(root: Path) -> None:
    path = picture_folder(root, "val") / IMAGES[0].name
    path.write_bytes(path.read_bytes()[:-600])
    with pytest.raises(RepriseError, match=r"a\.jpg: cannot be decoded"):
        open_split(root, "val", complete=False)
    path.write_bytes(b"no picture")
    with pytest.raises(RepriseError, match=r"a\.jpg: not readable as a picture"):
        open_split(root, "val", complete=False)


def test_a_part_of_wider_face_is_told_from_the_whole(root: Path) -> None:
    with pytest.raises(RepriseError, match="3 pictures of 2 events, but val has 3,226 of 61"):
        open_split(root, "val")


def of_size(images: int, events: int, faces: int) -> FaceAnnotations:
    rows = [[1, 1, 5, 5]]
    found = [
        face_image(f"{number % events}--E/{number}.jpg", rows if number < faces else []) for number in range(images)
    ]
    return FaceAnnotations(Path("given.txt"), tuple(found))


def test_the_annotations_of_the_other_split_are_recognised() -> None:
    with pytest.raises(RepriseError, match=r"has the 3,226 pictures of val; give the file of train"):
        require_whole(of_size(3226, 61, 3226), "train")
    with pytest.raises(RepriseError, match="3,000 faces, but val has 39,708"):
        require_whole(of_size(3226, 61, 3000), "val")
    require_whole(of_size(3226, 61, 3000), "val", count_faces=False)
    require_whole(of_size(12880, 61, 9), "train")


def test_the_real_pictures_fit_their_boxes(shared_data: Path, tmp_path: Path) -> None:
    """The 24 pictures of one event of val, whose names there begin with the event's."""
    pictures = sorted((shared_data / "wider_face" / "images").glob("*.jpg"))
    truth = read_bbx_gt(shared_data / "wider_face" / "wider_face_split" / "wider_face_val_bbx_gt.txt")
    (tmp_path / "22--Picnic").mkdir()
    for path in pictures:
        (tmp_path / "22--Picnic" / path.name).symlink_to(path)
    here = {f"22--Picnic/{path.name}" for path in pictures}
    part = FaceAnnotations(truth.path, tuple(image for image in truth.images if image.name in here))
    assert len(part.images) == 24
    sizes = picture_sizes(part, tmp_path)
    check_decoding(part, tmp_path, sample=24)
    assert {width for width, _ in sizes} == {1024}
    inside = [
        (image.boxes[:, :2] + image.boxes[:, 2:] <= size).all() for image, size in zip(part.images, sizes, strict=True)
    ]
    assert all(inside)
