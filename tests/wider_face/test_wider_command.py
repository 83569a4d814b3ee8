"""`reprise evaluate wider-face`: figures, curves, and one message for bad input."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.wider_face.editions import write_manifest
from benchmarks.wider_face.metric import all_point_area
from tests.wider_face.command_status import status
from tests.wider_face.plain_wider_metric import average_precision
from tests.wider_face.wider_own_set import own_detections, own_predictions, own_truth, write_text, write_truth


@pytest.fixture
def places(tmp_path: Path) -> list[str]:
    truth = own_truth(0)
    write_truth(tmp_path / "truth", truth)
    write_manifest(tmp_path / "truth", "own")
    write_text(tmp_path / "found", own_detections(truth, 0))
    return ["--predictions", str(tmp_path / "found"), "--ground-truth", str(tmp_path / "truth")]


def run(*words: str) -> int:
    return status("wider-face", *words)


def test_json_has_both_variants_with_full_precision(places: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*places, "--variant", "both", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    truth = own_truth(0)
    predictions = own_predictions(truth, 0)
    for variant in ("float", "int32"):
        expected = average_precision(predictions, truth, variant)
        assert found["average_precision"][variant] == pytest.approx(expected, abs=1e-12)
    assert found["ground_truth"] == "own"
    assert (found["missing_images"], found["ignored_files"], found["non_standard"]) == (1, 0, [])
    assert found["kept_faces"] == {subset: truth.kept_faces(subset) for subset in truth.kept}


def test_the_table_says_what_departs_and_what_is_odd(places: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*places, "--plus", "0", "--raw-scores") == 0
    shown = capsys.readouterr().out
    assert "NOT STANDARD, comparable with no published figure: plus 0, scores not normalised" in shown
    assert "note: 1 of 24 images have no file" in shown
    assert "leaderboard" not in shown


def test_curves_are_written_as_a_table_and_as_a_figure(places: list[str], tmp_path: Path) -> None:
    table, figure = tmp_path / "curves.csv", tmp_path / "curves.png"
    assert run(*places, "--variant", "both", "--curves", str(table), "--curves", str(figure)) == 0
    rows = list(csv.DictReader(table.open()))
    assert len(rows) == 2 * 3 * 1000
    hard = [row for row in rows if row["variant"] == "float" and row["subset"] == "hard"]
    recall, precision = (np.array([float(row[name]) for row in hard]) for name in ("recall", "precision"))
    truth = own_truth(0)
    assert all_point_area(recall, precision) == pytest.approx(
        average_precision(own_predictions(truth, 0), truth)["hard"]
    )
    assert [row["t"] for row in hard[:2]] == ["1", "2"]
    assert float(hard[0]["threshold"]) == 0.999
    with Image.open(figure) as opened:
        assert min(opened.size) > 300
        assert len(np.unique(np.asarray(opened.convert("L")))) > 20


@pytest.mark.parametrize("name", ["curves.pdf", "nowhere/curves.csv"])
def test_a_curve_file_that_cannot_be_written_is_said_before_work(
    name: str, places: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--predictions", "nothing", *places[2:], "--curves", str(tmp_path / name)) == 2
    assert name.split("/")[-1] in capsys.readouterr().err


def test_a_text_file_gives_all_valid_faces_under_that_name(
    places: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = own_truth(0)
    lines = []
    for index, image in enumerate(truth.images):
        rows = truth.boxes[truth.starts[index] : truth.starts[index + 1]].tolist()
        lines += [f"{image}.jpg", str(len(rows))]
        lines += [" ".join(map(str, [*row, 0, 0, 0, int(number == 0), 0, 0])) + " " for number, row in enumerate(rows)]
        lines += ["0 " * 10] if not rows else []
    path = tmp_path / "wider_face_own_bbx_gt.txt"
    path.write_text("\n".join(lines) + "\n")
    assert run(*places[:3], str(path), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["average_precision"]["float"]) == ["valid"]
    assert found["kept_faces"]["valid"] == len(truth.boxes) - sum(np.diff(truth.starts) > 0)


def test_bad_input_gives_one_message_and_status_2(
    places: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = next((tmp_path / "found").rglob("*.txt"))
    path.write_text("a\n1\n1 2 3\n")
    assert run(*places) == 2
    shown = capsys.readouterr()
    assert f"{path}: line 3: '1 2 3' has 3 fields" in shown.err
    assert "Traceback" not in shown.err
