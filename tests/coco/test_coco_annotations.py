"""Annotation files: what is refused before use, and what a file holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.base import RepriseError
from benchmarks.coco.annotations import load_annotations
from benchmarks.coco.census import census
from benchmarks.coco.pictures import check_pictures
from benchmarks.coco.real_coco import coco_root, load_split
from tests.coco.conftest import annotation, dataset, loaded, write


def test_ids_with_gaps_become_labels_without(tmp_path: Path) -> None:
    truth = loaded(tmp_path, dataset())
    assert truth.categories == {3: "cat", 7: "dog"}
    assert truth.labels == {3: 0, 7: 1}
    assert truth.area_limits == (1024, 9216)


def set_(part: str, index: int, **values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content[part][index].update(values)


def drop(part: str, index: int, key: str) -> Callable[[dict[str, Any]], None]:
    return lambda content: content[part][index].pop(key)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (set_("annotations", 1, id=1), "1 values of 'id' occur more than once in annotations: 1;"),
        (set_("images", 1, id=11), "1 values of 'id' occur more than once in images: 11;"),
        (set_("categories", 1, name="cat"), "of 'name' occur more than once in categories: cat;"),
        (set_("images", 1, file_name="a.png"), "of 'file_name' occur more than once in images: a.png;"),
        (set_("annotations", 2, image_id=99), "refer to a image_id that is not in images: annotation 3 to 99;"),
        (set_("annotations", 2, category_id=4), "refer to a category_id that is not in categories: annotation 3 to 4;"),
        (set_("annotations", 0, bbox=[1, 1, 0, 5]), "1 boxes have no width or no height (0 are known of this set)"),
        (set_("annotations", 0, bbox=[1, 1, -2, 5]), "annotation 1: bbox [1, 1, -2, 5] has a negative width"),
        (set_("annotations", 0, bbox=[1, 1, 2]), "annotation 1: bbox must be [x, y, width, height]"),
        (set_("annotations", 0, bbox=[1, None, 2, 2]), "no finite number"),
        (set_("annotations", 0, area=float("nan")), "annotation 1: area nan"),
        (set_("images", 0, width=0), "1 images have no positive width and height: 11;"),
        (drop("annotations", 1, "iscrowd"), "annotations[1] has no iscrowd;"),
        (drop("images", 0, "file_name"), "images[0] has no file_name;"),
        (lambda content: content.pop("categories"), "needs the lists images, annotations, categories"),
        (lambda content: content.update(info={"area_limits": [5, 2]}), "two rising areas"),
    ],
)
def test_a_damaged_file_is_refused_by_name(
    tmp_path: Path, damage: Callable[[dict[str, Any]], None], message: str
) -> None:
    content = dataset()
    damage(content)
    with pytest.raises(RepriseError) as error:
        loaded(tmp_path, content)
    assert str(error.value).startswith(str(tmp_path / "instances_val.json"))
    assert message in str(error.value)


def test_known_zero_boxes_are_let_through_and_counted(tmp_path: Path) -> None:
    content = dataset()
    content["annotations"].append(annotation(9, 12, 7, [3.0, 3.0, 1.03, 0.0]))
    assert census(load_annotations(write(tmp_path, content), zero_boxes=1)).zero_boxes == 1


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"images": {}}'])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "instances.json"
    path.write_text(text)
    with pytest.raises(RepriseError, match=r"instances\.json: .*COCO's format"):
        load_annotations(path)


def test_category_gaps_against_a_detector_are_refused(tmp_path: Path) -> None:
    truth = loaded(tmp_path, dataset())
    truth.require_categories(["dog", "cat"])
    with pytest.raises(RepriseError, match="missing horse, not expected dog"):
        truth.require_categories(["cat", "horse"])


def test_pictures_that_are_there_and_right_pass(tmp_path: Path, pictures: Path) -> None:
    check_pictures(loaded(tmp_path, dataset()), pictures, sample=10)


def test_missing_wrong_and_damaged_pictures_are_named(tmp_path: Path, pictures: Path) -> None:
    content = dataset()
    content["images"][0]["width"] = 41
    truth = loaded(tmp_path, content)
    with pytest.raises(RepriseError, match=r"a\.png is 40 x 30, the annotations say 41 x 30"):
        check_pictures(truth, pictures, sample=10)
    whole = (pictures / "b.png").read_bytes()
    (pictures / "b.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RepriseError, match=r"b\.png cannot be read"):
        check_pictures(loaded(tmp_path, dataset()), pictures, sample=10)
    (pictures / "b.png").unlink()
    with pytest.raises(RepriseError, match=r"1 of 2 pictures of .*instances_val\.json are not there: b\.png"):
        check_pictures(loaded(tmp_path, dataset()), pictures, sample=1)
    with pytest.raises(RepriseError, match="no such folder"):
        check_pictures(truth, tmp_path / "elsewhere", sample=1)


@pytest.mark.parametrize(
    ("split", "images", "empty", "objects", "crowds", "bands", "without_crowd", "most"),
    [
        ("train2017", 47, 0, 524, 6, (271, 170, 83), (269, 169, 80), 35),
        ("val2017", 57, 2, 517, 7, (241, 158, 118), (239, 158, 113), 45),
    ],
)
def test_the_real_subset_loads_and_holds_what_the_protocol_says(
    shared_data: Path,
    split: str,
    images: int,
    empty: int,
    objects: int,
    crowds: int,
    bands: tuple[int, int, int],
    without_crowd: tuple[int, int, int],
    most: int,
) -> None:
    found = census(load_split(shared_data / "coco" / "coco_free", split, complete=False, sample=100))
    assert (found.images, found.images_without_object, found.objects, found.crowds) == (images, empty, objects, crowds)
    assert (found.bands, found.bands_without_crowd, found.most_in_one_image) == (bands, without_crowd, most)
    assert (found.categories, len(found.categories_without_object)) == (80, 20)


def test_a_subset_is_not_taken_for_coco(shared_data: Path) -> None:
    with pytest.raises(RepriseError, match="57 images and 80 categories, but val2017 has 5,000 and 80"):
        load_split(shared_data / "coco" / "coco_free", "val2017")


def test_a_missing_coco_names_what_is_expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REPRISE_COCO", raising=False)
    with pytest.raises(RepriseError, match=r"REPRISE_COCO is not set.*annotations/instances_train2017\.json"):
        coco_root()
    monkeypatch.setenv("REPRISE_COCO", str(tmp_path))
    (tmp_path / "val2017").mkdir()
    with pytest.raises(RepriseError, match=r"without train2017/, annotations/instances_train2017\.json"):
        coco_root()
    for name in ("train2017", "annotations"):
        (tmp_path / name).mkdir()
    for split in ("train2017", "val2017"):
        write(tmp_path / "annotations", {}, f"instances_{split}.json")
    assert coco_root() == tmp_path
