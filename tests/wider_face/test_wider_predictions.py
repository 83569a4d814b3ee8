"""Every form in which predictions come, and every defect that must be named (protocol, sections 2.1 and 2.2)."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from benchmarks.base import RepriseError
from benchmarks.wider_face.ground_truth import GroundTruth
from benchmarks.wider_face.metric import evaluate
from benchmarks.wider_face.prediction_text import parse
from benchmarks.wider_face.predictions import Predictions, load_predictions
from tests.wider_face.wider_own_set import own_detections, own_truth, write_text

TWO = [[1.0, 2.0, 3.0, 4.0, 0.9], [5.0, 6.0, 7.0, 8.0, 0.1]]


@pytest.fixture
def truth() -> GroundTruth:
    return own_truth(0)


@pytest.fixture
def root(tmp_path: Path, truth: GroundTruth) -> Path:
    write_text(tmp_path / "found", own_detections(truth, 0))
    return tmp_path / "found"


def first_file(root: Path, truth: GroundTruth) -> Path:
    return root / f"{truth.images[0]}.txt"


def same(one: Predictions, other: Predictions) -> bool:
    return (
        one.starts.tolist() == other.starts.tolist()
        and one.boxes.tolist() == other.boxes.tolist()
        and one.scores.tolist() == other.scores.tolist()
    )


@pytest.mark.parametrize(
    "text",
    [
        "a\n2\n1 2 3 4 0.9\n5 6 7 8 0.1\n",
        "a\n2\n1 2 3 4 0.9\n5 6 7 8 0.1",
        "a\r\n2\r\n1 2 3 4 0.9\r\n5 6 7 8 0.1\r\n",
        "a\n 2 \n  1\t2  3 4 0.9 \n5 6 7 8\t\t0.1 \n",
        "a\n2\n1 2 3 4 0.9\n5 6 7 8 0.1\n\n \n\n",
        "a\n2\n1 2 3 4 0.9\n\n5 6 7 8 0.1\n",
        "a\n2\n1.0 2.000 3e0 +4 9e-1\n5 6 7 8 .1\n",
        "a\n2\n1 2 3 4 0.9 77 88\n5 6 7 8 0.1\n",
        "\n2\n1 2 3 4 0.9\n5 6 7 8 0.1\n",
        "0--Parade/ä.jpg\n2\n1 2 3 4 0.9\n5 6 7 8 0.1\n",
    ],
)
def test_every_way_to_write_two_detections_is_read(text: str) -> None:
    assert parse(text.encode(), "file").detections.tolist() == TWO


def test_negative_places_and_sizes_are_taken_as_they_are() -> None:
    found = parse(b"a\n2\n-1 -2.5 0 -4 -7\n0 0 1 1 1e3\n", "file").detections
    assert found.tolist() == [[-1, -2.5, 0, -4, -7], [0, 0, 1, 1, 1000]]


def test_the_score_is_the_fifth_column_unless_the_last_is_asked_for() -> None:
    text = b"a\n1\n1 2 3 4 0.5 9 0.7\n"
    assert parse(text, "file").detections[0, 4] == 0.5
    assert parse(text, "file", score="last").detections[0, 4] == 0.7


@pytest.mark.parametrize("text", [b"a\n0\n", b"a\n0", b"", b" \n\n"])
def test_no_detections(text: bytes) -> None:
    found = parse(text, "file")
    assert found.detections.shape == (0, 5)
    assert found.empty == (not text.strip())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\n1\n1 2 3 4\n", r"x/f.txt: line 3: '1 2 3 4' has 4 fields"),
        ("a\n2\n1 2 3 4 0.5\n\n1 2 3\n", r"x/f.txt: line 5: '1 2 3' has 3 fields"),
        ("a\n1\n1 2 three 4 0.5\n", r"x/f.txt: line 3: '1 2 three 4 0.5': 'three' is no finite number"),
        ("a\n1\n1 2 3 4 nan\n", r"line 3: '1 2 3 4 nan': 'nan' is no finite number"),
        ("a\n2\n1 2 3 4 0.5\n1 -inf 3 4 0.5\n", r"line 4: .* '-inf' is no finite number"),
        ("a\n1\n1 2 3 1_0 0.5\n", r"line 3: .* '1_0' is no finite number"),
        ("a\n1\n1,2,3,4,0.5\n", r"line 3: '1,2,3,4,0.5' has 1 fields"),
        ("a\n-1\n", r"x/f.txt: line 2: '-1' is not the number of detections"),
        ("a\n1.5\n", r"line 2: '1.5' is not the number"),
        ("a\n", r"line 2: '' is not the number"),
        ("1 2 3 4 0.5\n1 2 3 4 0.5\n", r"line 2: '1 2 3 4 0.5' is not the number"),
        ("a\n3\n1 2 3 4 0.5\n5 6 7 8 0.1\n", r"x/f.txt: line 2: '3' announces 3 detections, but 2 lines follow"),
        ("a\n1\n1 2 3 4 0.5\n5 6 7 8 0.1\n", r"announces 1 detections, but 2 lines follow"),
    ],
)
def test_a_malformed_file_is_named_with_line_and_text(text: str, message: str) -> None:
    with pytest.raises(RepriseError, match=message):
        parse(text.encode(), "x/f.txt")


def test_a_wrong_count_can_be_overruled_by_the_lines(root: Path, truth: GroundTruth) -> None:
    whole = load_predictions(root, truth)
    path = first_file(root, truth)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], "999", *lines[2:]]))
    with pytest.raises(RepriseError, match=rf"{path}: line 2: '999' announces 999 detections"):
        load_predictions(root, truth)
    quiet, warned = (load_predictions(root, truth, count_mismatch=how) for how in ("lines", "warn"))
    assert same(quiet, whole)
    assert same(warned, whole)
    assert len(warned.notes) == len(quiet.notes) + 1
    assert f"announce another number than they have lines, {truth.images[0]} first" in warned.notes[-1]


def test_a_folder_is_read_as_it_was_written(root: Path, truth: GroundTruth) -> None:
    found = load_predictions(root, truth)
    assert same(found, Predictions.of(own_detections(truth, 0), truth))
    assert (found.missing_images, found.ignored_files) == (1, 0)
    assert found.notes == ("1 of 24 images have no file and so no detections",)


@pytest.mark.parametrize("depth", ["", "widerface_txt", "results/widerface_txt"])
@pytest.mark.parametrize("form", ["folder", "tar", "tar.gz", "tar.xz", "zip"])
def test_archives_and_folders_above_the_events_give_the_same(
    form: str, depth: str, root: Path, truth: GroundTruth, tmp_path: Path
) -> None:
    expected = load_predictions(root, truth)
    outer = tmp_path / "outer"
    shutil.copytree(root, outer / depth)
    if form == "folder":
        path = outer
    else:
        formats = {"tar": "tar", "tar.gz": "gztar", "tar.xz": "xztar", "zip": "zip"}
        path = Path(shutil.make_archive(str(tmp_path / "packed"), formats[form], outer))
    found = load_predictions(path, truth)
    assert same(found, expected)
    assert found.ignored_files == 0


def test_foreign_files_are_counted_and_ignored(root: Path, truth: GroundTruth) -> None:
    (root / "readme.md").write_text("nothing")
    (root / "log.txt").write_text("nothing")
    (root / "Elsewhere").mkdir()
    (root / "Elsewhere" / "a.txt").write_text("not\nread")
    found = load_predictions(root, truth)
    assert found.ignored_files == 3
    assert "3 files belong to no image and are ignored" in found.notes[1]


def test_a_missing_event_is_no_detections_and_counted(root: Path, truth: GroundTruth) -> None:
    shutil.rmtree(root / "9--Press_Conference")
    found = load_predictions(root, truth)
    assert found.missing_images == 9
    assert evaluate(found, truth).missing_images == 9


def test_empty_files_and_other_names_in_line_1_are_noted(root: Path, truth: GroundTruth) -> None:
    path = first_file(root, truth)
    path.write_bytes(b"")
    other = root / f"{truth.images[1]}.txt"
    other.write_text("someone_else.jpg\n1\n1 2 3 4 0.5\n")
    third = root / f"{truth.images[2]}.txt"
    third.write_text(f"{truth.images[2]}.jpg\n1\n1 2 3 4 0.5\n")
    notes = load_predictions(root, truth).notes
    assert f"1 files are empty (no detections), {truth.images[0]} first" in notes
    assert f"1 files name another image in line 1 (the path decides), {truth.images[1]} first" in notes


def test_predictions_for_another_split_are_recognised(tmp_path: Path, truth: GroundTruth) -> None:
    write_text(tmp_path / "train", {"0--Parade/0_Parade_train_1": np.array(TWO)})
    with pytest.raises(RepriseError, match="are these predictions for another split"):
        load_predictions(tmp_path / "train", truth)


def test_files_of_no_event_say_what_is_expected(tmp_path: Path, truth: GroundTruth) -> None:
    write_text(tmp_path / "flat", {"flat/image": np.array(TWO)})
    with pytest.raises(RepriseError, match=rf"'{truth.images[0]}.txt' is expected, 'flat/image.txt' was found"):
        load_predictions(tmp_path / "flat", truth)


def test_no_detection_at_all_is_an_error_and_not_an_ap_of_0(tmp_path: Path, truth: GroundTruth) -> None:
    write_text(tmp_path / "none", {image: np.zeros((0, 5)) for image in truth.images})
    with pytest.raises(RepriseError, match="24 files, but not a single detection"):
        load_predictions(tmp_path / "none", truth)
    (tmp_path / "bare").mkdir()
    with pytest.raises(RepriseError, match="holds no file"):
        load_predictions(tmp_path / "bare", truth)


def test_two_sets_under_one_root_are_refused(root: Path, truth: GroundTruth, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "both" / "one")
    shutil.copytree(root, tmp_path / "both" / "two")
    with pytest.raises(RepriseError, match="are both predictions for"):
        load_predictions(tmp_path / "both", truth)


def test_a_malformed_file_in_an_archive_is_named(tmp_path: Path, truth: GroundTruth) -> None:
    path = tmp_path / "found.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"widerface_txt/{truth.images[0]}.txt", "a\n1\n1 2 3\n")
    with pytest.raises(
        RepriseError, match=rf"found.zip: widerface_txt/{truth.images[0]}.txt: line 3: '1 2 3' has 3 fields"
    ):
        load_predictions(path, truth)


@pytest.mark.parametrize("form", ["xztar", "gztar", "zip"])
def test_a_truncated_archive_is_named(form: str, root: Path, truth: GroundTruth, tmp_path: Path) -> None:
    path = Path(shutil.make_archive(str(tmp_path / "packed"), form, root))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(RepriseError, match=rf"{path.name}: (the archive is damaged|is neither a folder nor)"):
        load_predictions(path, truth)


def test_what_is_no_archive_is_named(tmp_path: Path, truth: GroundTruth) -> None:
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(RepriseError, match=r"a.json: is neither a folder nor a tar or zip archive"):
        load_predictions(tmp_path / "a.json", truth)
    with pytest.raises(RepriseError, match="nothing: no such folder or archive"):
        load_predictions(tmp_path / "nothing", truth)


@pytest.mark.parametrize("form", ["folder", "tar", "zip"])
def test_a_file_too_large_for_one_image_is_refused_unread(
    form: str, root: Path, truth: GroundTruth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_file(root, truth).write_bytes(bytes(200_000))
    path = root if form == "folder" else Path(shutil.make_archive(str(tmp_path / "packed"), form, root))
    monkeypatch.setattr("benchmarks.wider_face.prediction_files._LARGEST", 100_000)
    with pytest.raises(RepriseError, match=r"200,000 bytes are no list of one image's faces"):
        load_predictions(path, truth)


def test_arrays_in_memory_are_checked(truth: GroundTruth) -> None:
    with pytest.raises(RepriseError, match="loop: image 'a/b' is not in the ground truth"):
        Predictions.of({"a/b": np.array(TWO)}, truth, "loop")
    for rows in (np.zeros((2, 4)), np.full((1, 5), np.nan), np.zeros(5)):
        with pytest.raises(RepriseError, match="needs finite rows of x, y, w, h, score"):
            Predictions.of({truth.images[0]: rows}, truth)
