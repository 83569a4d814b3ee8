"""AFW and PASCAL face: the face-eval protocol against plain loops, its rules, its files and its commands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from benchmarks.base import RepriseError
from benchmarks.wider_face.face_eval import FaceEvalDetections, FaceEvalTruth, evaluate_face_eval, ignored_faces
from benchmarks.wider_face.face_eval_files import AFW, load_face_eval_detections, load_face_eval_truth
from tests.wider_face.command_status import status
from tests.wider_face.plain_face_eval import rounds

IMAGES = 12


def drawn(seed: int) -> tuple[list[np.ndarray], list[tuple[int, float, list[float]]]]:
    """Faces by image as x1 y1 x2 y2 . flag, and detections that are shifted and too small, with false ones among them."""
    rng = np.random.default_rng(seed)
    faces, found = [], []
    for image in range(IMAGES):
        corner = rng.uniform(0, 250, (int(rng.integers(0, 6)), 2))
        sides = rng.uniform(22, 90, corner.shape)
        flags = (rng.random(len(corner)) < 0.15).astype(float)
        faces.append(np.column_stack([corner, corner + sides, np.zeros(len(corner)), flags]).round(1))
        for row in faces[-1]:
            for _ in range(int(rng.integers(0, 3))):
                side = row[2:4] - row[:2]
                start = row[:2] + side * (0.15 + rng.normal(0, 0.07, 2))
                end = start + side * (0.72 + rng.normal(0, 0.08, 2))
                found.append((image, float(rng.normal(1, 1)), [*start.tolist(), *end.tolist()]))
        for _ in range(4):
            start = rng.uniform(0, 250, 2)
            found.append((image, float(rng.normal(0, 1)), [*start.tolist(), *(start + rng.uniform(5, 80, 2)).tolist()]))
    return faces, found


def truth_of(faces: list[np.ndarray]) -> FaceEvalTruth:
    rows = np.concatenate(faces)
    starts = np.concatenate([[0], np.cumsum([len(each) for each in faces])])
    names = tuple(str(image) for image in range(len(faces)))
    return FaceEvalTruth("drawn", names, starts, rows[:, :4], ignored_faces(rows[:, :4], rows[:, 5]))


def detections_of(found: list[tuple[int, float, list[float]]]) -> FaceEvalDetections:
    return FaceEvalDetections(
        np.array([entry[0] for entry in found]),
        np.array([entry[1] for entry in found]),
        np.array([entry[2] for entry in found]),
    )


def scored(faces: list[list[float]], found: list[tuple[float, list[float]]], matchings: int = 1) -> float:
    """AP on one image of faces that count unless a sixth number flags them."""
    rows = np.array([[*face, 0, 0][:6] for face in faces], float)
    return evaluate_face_eval(
        detections_of([(0, score, box) for score, box in found]), truth_of([rows]), matchings
    ).average_precision


@pytest.mark.parametrize("seed", range(6))
def test_every_round_equals_plain_loops(seed: int) -> None:
    faces, found = drawn(seed)
    result = evaluate_face_eval(detections_of(found), truth_of(faces))
    flags = [rows[:, 5].astype(int).tolist() for rows in faces]
    expected = rounds([rows[:, :4].tolist() for rows in faces], flags, found)
    assert result.rounds == pytest.approx(expected, abs=1e-12)
    assert len(set(expected)) > 1
    assert result.average_precision == result.rounds[4]


def test_refinement_finds_a_common_shift_and_scale() -> None:
    """Every box is 0.8 of its face and lies at its corner: too small to hit where it is jittered too, until all are corrected."""
    rng = np.random.default_rng(0)
    corner, sides = rng.uniform(0, 900, (40, 2)), rng.uniform(60, 120, (40, 2))
    faces = [np.hstack([corner[[k]], corner[[k]] + sides[[k]], np.zeros((1, 2))]) for k in range(40)]
    found = [
        (k, float(-k), [*corner[k].tolist(), *(corner[k] + sides[k] * (0.8 if k % 2 else 0.69)).tolist()])
        for k in range(40)
    ]
    result = evaluate_face_eval(detections_of(found), truth_of(faces))
    assert result.rounds[0] < 0.5
    assert result.rounds[-1] == pytest.approx(1.0)


FACE = [0.0, 0.0, 99.0, 99.0]


def test_an_overlap_of_exactly_one_half_does_not_hit() -> None:
    assert scored([FACE], [(1.0, [0.0, 0.0, 99.0, 49.0])]) == 0.0
    assert scored([FACE], [(1.0, [0.0, 0.0, 99.0, 49.1])]) == 1.0


def test_among_equal_overlaps_the_last_face_wins() -> None:
    """The last is ignored, so the hit is neutral and the second detection, nearer to the first face, scores."""
    moved = [10.0, 0.0, 109.0, 99.0]
    middle = (0.9, [5.0, 0.0, 104.0, 99.0])
    assert scored([FACE, [*moved, 0, 1]], [middle]) == 0.0
    assert scored([[*moved, 0, 1], FACE], [middle]) == 1.0


def test_hits_on_ignored_faces_are_neutral_and_second_hits_false() -> None:
    assert scored([[*FACE, 0, 1], [200, 0, 260, 60]], [(0.9, FACE), (0.1, [200, 0, 260, 60])]) == 1.0
    assert scored([FACE, [200, 0, 260, 60]], [(0.9, FACE), (0.8, FACE), (0.1, [200, 0, 260, 60])]) == pytest.approx(
        0.5 + 0.5 * 2 / 3
    )


def test_faces_below_30_pixels_are_ignored_and_detections_of_at_most_21_dropped() -> None:
    corners = np.array([[0, 0, 30, 30], [0, 0, 29.5, 80], [0, 0, 80, 29], [0, 0, 60, 60]], float)
    assert ignored_faces(corners, np.array([0, 0, 0, 1.0])).tolist() == [False, True, True, True]
    result = evaluate_face_eval(
        detections_of([(0, 1.0, [0, 0, 21, 21]), (0, 0.9, [0, 0, 21.5, 5]), (0, 0.8, FACE)]),
        truth_of([np.array([[*FACE, 0, 0]])]),
    )
    assert result.detections == 2


def test_no_face_or_no_detection_is_an_error() -> None:
    with pytest.raises(RepriseError, match="no face of its ground truth counts"):
        scored([[*FACE, 0, 1]], [(1.0, FACE)])
    with pytest.raises(RepriseError, match="no detection has a side above 21 pixels"):
        scored([FACE], [(1.0, [0, 0, 9, 9])])


@pytest.fixture
def places(tmp_path: Path) -> list[str]:
    faces, found = drawn(0)
    records = np.zeros(len(faces), dtype=[("imgname", object), ("objects", object)])
    for index, rows in enumerate(faces):
        # a set without flags has five columns
        records[index] = (f"photo {index}.jpg".replace(" ", "_"), rows if (rows[:, 5:] != 0).any() else rows[:, :5])
    savemat(tmp_path / "truth.mat", {"Annotations": records})
    lines = [f"photo_{image} {score!r} " + " ".join(map(repr, box)) for image, score, box in found]
    (tmp_path / "found.txt").write_text("\n".join([*lines, "elsewhere 1 2 3 4 5", ""]))
    return ["--predictions", str(tmp_path / "found.txt"), "--ground-truth", str(tmp_path / "truth.mat")]


@pytest.mark.parametrize("command", ["afw", "pascal-face"])
def test_the_command_prints_every_round(command: str, places: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert status(command, *places, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    faces, drawn_boxes = drawn(0)
    flags = [rows[:, 5].astype(int).tolist() for rows in faces]
    expected = rounds([rows[:, :4].tolist() for rows in faces], flags, drawn_boxes)
    assert found["average_precision_by_round"] == pytest.approx(expected, abs=1e-12)
    assert found["average_precision"] == found["average_precision_by_round"][-1]
    assert any("images: 12, published" in note for note in found["notes"])
    assert "1 detections belong to no image and are ignored, 'elsewhere' first" in found["notes"]
    assert status(command, *places) == 0
    assert "5 (the figure)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("photo_0 1 2 3 4\n", r"found.txt: line 1: 'photo_0 1 2 3 4': a detection is image score x1 y1 x2 y2"),
        ("\nphoto_0 1 2 x 4 5\n", r"found.txt: line 2: .* 'x' is no finite number"),
        ("photo_0 inf 2 3 4 5\n", r"'inf' is no finite number"),
        ("other 1 2 3 4 5\n", r"has no detection on AFW; 'other' is none of its images"),
        ("", r"has no detection on AFW"),
    ],
)
def test_malformed_detections_are_named(text: str, message: str, places: list[str]) -> None:
    path = Path(places[1])
    path.write_text(text)
    with pytest.raises(RepriseError, match=message):
        load_face_eval_detections(path, load_face_eval_truth(Path(places[3]), AFW))


def test_malformed_annotations_are_named(tmp_path: Path) -> None:
    path = tmp_path / "truth.mat"
    savemat(path, {"Annotations": np.zeros(3)})
    with pytest.raises(RepriseError, match="must be a struct array with imgname and objects"):
        load_face_eval_truth(path, AFW)
    records = np.zeros(1, dtype=[("imgname", object), ("objects", object)])
    records[0] = ("a.jpg", np.zeros((2, 3)))
    savemat(path, {"Annotations": records})
    with pytest.raises(RepriseError, match=r"Annotations\(1\): objects must be finite rows"):
        load_face_eval_truth(path, AFW)
    with pytest.raises(RepriseError, match=r"absent.mat: no such file"):
        load_face_eval_truth(tmp_path / "absent.mat", AFW)
