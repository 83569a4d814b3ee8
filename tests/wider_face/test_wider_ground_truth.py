"""Ground truth from WIDER FACE's `.mat` files: the official release, a set of one's own, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from benchmarks.base import RepriseError
from benchmarks.wider_face.annotations import read_bbx_gt
from benchmarks.wider_face.editions import write_manifest
from benchmarks.wider_face.ground_truth import GroundTruth, load_ground_truth, valid_faces
from tests.wider_face.wider_own_set import cells, own_truth, write_truth


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_truth(tmp_path / "truth", own_truth(0))
    write_manifest(tmp_path / "truth", "own")
    return tmp_path / "truth"


@pytest.fixture(scope="module")
def official(shared_data: Path) -> Path:
    return shared_data / "wider_face" / "ground_truth"


def rewritten(folder: Path, file: str, **changes: Any) -> None:
    """Change variables of a `.mat` file, and let the manifest vouch for it."""
    held = {name: value for name, value in loadmat(folder / file).items() if not name.startswith("__")}
    savemat(folder / file, {**held, **changes})
    write_manifest(folder, "own")


def test_what_was_written_is_read(folder: Path) -> None:
    truth, expected = load_ground_truth(folder), own_truth(0)
    assert (truth.name, truth.images, truth.notes) == ("own", expected.images, ())
    assert truth.starts.tolist() == expected.starts.tolist()
    assert truth.boxes.tolist() == expected.boxes.tolist()
    for subset, kept in expected.kept.items():
        assert truth.kept[subset].tolist() == kept.tolist()


def test_the_official_release_has_the_published_counts(official: Path) -> None:
    truth = load_ground_truth(official)
    assert truth.name == "wider-face-val"
    assert (len(truth.events), len(truth.images), len(truth.boxes)) == (61, 3226, 39708)
    assert {subset: truth.kept_faces(subset) for subset in truth.kept} == {"easy": 7211, "medium": 13319, "hard": 31958}
    assert {subset: truth.bare_images(subset) for subset in truth.kept} == {"easy": 622, "medium": 207, "hard": 7}
    heights = {subset: truth.boxes[kept, 3] for subset, kept in truth.kept.items()}
    found = {subset: (int(value.min()), int(np.median(value))) for subset, value in heights.items()}
    assert found == {"easy": (34, 82), "medium": (16, 53), "hard": (9, 25)}
    assert int((truth.boxes[:, 2:] <= 0).any(axis=1).sum()) == 11
    assert "59--people--driving--car" in truth.events


def test_the_text_file_holds_the_same_faces_and_gives_only_valid_ones(official: Path, shared_data: Path) -> None:
    truth = load_ground_truth(official)
    text = valid_faces(read_bbx_gt(shared_data / "wider_face" / "wider_face_split" / "wider_face_val_bbx_gt.txt"))
    assert list(text.kept) == ["valid"]
    assert text.kept_faces("valid") == 39708 - 585
    assert set(text.images) == set(truth.images)
    for image, position in text.index.items():
        other = truth.index[image]
        ours = text.boxes[text.starts[position] : text.starts[position + 1]]
        assert np.array_equal(ours, truth.boxes[truth.starts[other] : truth.starts[other + 1]])


def test_files_that_are_not_the_official_ones_are_refused_and_noted_when_allowed(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    with pytest.raises(RepriseError, match=r"not the official files of wider-face-val .*--allow-other-gt"):
        load_ground_truth(folder)
    truth = load_ground_truth(folder, allow_other=True)
    assert truth.name == "other ground truth"
    assert "images: 24, the official set has 3226" in truth.notes
    assert f"kept faces (easy): {own_truth(0).kept_faces('easy')}, the official set has 7211" in truth.notes


def test_the_edition_of_2016_is_recognised(tmp_path: Path) -> None:
    rounded = own_truth(0)
    truth = GroundTruth("own", tmp_path, rounded.images, rounded.starts, rounded.boxes + 0.37, rounded.kept)
    write_truth(tmp_path, truth)
    with pytest.raises(RepriseError, match=r"edition of 2016, with unrounded boxes"):
        load_ground_truth(tmp_path)
    notes = load_ground_truth(tmp_path, allow_other=True).notes
    assert any("edition of 2016" in note for note in notes)


def test_a_text_file_does_not_replace_the_subsets(tmp_path: Path) -> None:
    (tmp_path / "wider_face_val_bbx_gt.txt").write_text("0--Parade/a.jpg\n1\n0 0 9 9 0 0 0 0 0 0 \n")
    with pytest.raises(
        RepriseError, match=r"wider_face_val_bbx_gt.txt but not wider_face_val.mat; Easy, Medium and Hard exist only"
    ):
        load_ground_truth(tmp_path)


@pytest.mark.parametrize("name", ["wider_face_val.mat", "wider_hard_val.mat"])
def test_an_absent_or_broken_file_is_named(folder: Path, name: str) -> None:
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    write_manifest(folder, "own")
    with pytest.raises(RepriseError, match=rf"{name}: (not readable as a MATLAB v5 file|has no variable .* and whole)"):
        load_ground_truth(folder)
    (folder / name).unlink()
    with pytest.raises(RepriseError, match=rf"has no {name}"):
        load_ground_truth(folder)


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(RepriseError, match="nowhere: no such folder"):
        load_ground_truth(tmp_path / "nowhere")


def test_files_that_contradict_the_manifest_are_refused(folder: Path) -> None:
    shutil.copy(folder / "wider_easy_val.mat", folder / "wider_hard_val.mat")
    with pytest.raises(RepriseError, match=r"wider_hard_val.mat: differs from the md5 in manifest.json"):
        load_ground_truth(folder)


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"name": "own"}), json.dumps({"name": "own", "files": {}})])
def test_a_malformed_manifest_is_an_error(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text)
    with pytest.raises(RepriseError, match=r"manifest.json: "):
        load_ground_truth(folder)


def test_no_other_set_takes_the_official_name(folder: Path) -> None:
    with pytest.raises(RepriseError, match="official set"):
        write_manifest(folder, "wider-face-val")
    record = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**record, "name": "wider-face-val"}))
    with pytest.raises(RepriseError, match="claims the name 'wider-face-val'"):
        load_ground_truth(folder)


def test_boxes_of_a_subset_file_that_differ_are_refused(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    truth = own_truth(0)
    changed = GroundTruth("own", folder, truth.images, truth.starts, truth.boxes + 1, truth.kept)
    write_truth(folder / "changed", changed)
    shutil.copy(folder / "changed" / "wider_medium_val.mat", folder / "wider_medium_val.mat")
    with pytest.raises(RepriseError, match=r"wider_medium_val.mat: its boxes differ from those of wider_face_val.mat"):
        load_ground_truth(folder, allow_other=True)


@pytest.mark.parametrize("rows", [[0], [1, 1], [99]])
def test_a_kept_row_that_does_not_exist_is_named_with_its_image(folder: Path, rows: list[int]) -> None:
    held = loadmat(folder / "wider_easy_val.mat")["gt_list"]
    held[0, 0][0, 0] = np.array(rows, np.uint8)[:, None]
    rewritten(folder, "wider_easy_val.mat", gt_list=held)
    with pytest.raises(RepriseError, match=r"wider_easy_val.mat: image 0--Parade/0_Parade_0 has \d+ boxes; gt_list"):
        load_ground_truth(folder)


def test_lists_of_different_length_are_refused(folder: Path) -> None:
    held = loadmat(folder / "wider_easy_val.mat")["gt_list"]
    rewritten(folder, "wider_easy_val.mat", gt_list=cells([held[0, 0], held[1, 0]]))
    with pytest.raises(RepriseError, match=r"'gt_list' does not have one cell per image"):
        load_ground_truth(folder)


def test_a_missing_variable_is_named(folder: Path) -> None:
    savemat(folder / "wider_face_val.mat", {"something": np.zeros(3)})
    write_manifest(folder, "own")
    with pytest.raises(RepriseError, match=r"wider_face_val.mat: has no variable 'event_list'"):
        load_ground_truth(folder)


def test_boxes_that_are_not_rows_of_four_are_named_with_their_image(folder: Path) -> None:
    held = loadmat(folder / "wider_face_val.mat")["face_bbx_list"]
    held[0, 0][1, 0] = np.zeros((2, 3), np.int32)
    rewritten(folder, "wider_face_val.mat", face_bbx_list=held)
    with pytest.raises(RepriseError, match=r"image 0--Parade/0_Parade_1: boxes must be rows of x, y, w, h"):
        load_ground_truth(folder)
