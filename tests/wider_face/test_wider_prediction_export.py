"""What is written in WIDER FACE's format is read back the same, best detection first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.base import RepriseError
from benchmarks.wider_face.metric import evaluate
from benchmarks.wider_face.prediction_export import image_text, write_predictions
from benchmarks.wider_face.predictions import load_predictions
from tests.wider_face.wider_own_set import own_predictions, own_truth


def test_the_text_of_an_image() -> None:
    rows = np.array([[1.0, 2.0, 3.0, 4.0, 0.25], [-5.5, 6.0, 7.0, 8.0, 0.75], [0.1, 0.0, 1.0, 1.0, 0.25]])
    assert image_text("a_1", rows) == "a_1\n3\n-5.5 6 7 8 0.75\n1 2 3 4 0.25\n0.1 0 1 1 0.25\n"
    assert image_text("a_2", np.zeros((0, 5))) == "a_2\n0\n"


def test_reading_gives_the_same_numbers_and_figures(tmp_path: Path) -> None:
    truth = own_truth(0)
    predictions = own_predictions(truth, 0)
    write_predictions(tmp_path / "out", predictions)
    found = load_predictions(tmp_path / "out", truth)
    assert (found.missing_images, found.ignored_files, found.notes) == (0, 0, ())
    for image in range(len(truth.images)):
        rows, expected = found.of_image(image), predictions.of_image(image)
        assert (np.diff(rows[:, 4]) <= 0).all()
        assert sorted(rows.tolist()) == sorted(expected.tolist())
    assert evaluate(found, truth).average_precision == evaluate(predictions, truth).average_precision


def test_a_folder_that_holds_something_is_not_written_to(tmp_path: Path) -> None:
    truth = own_truth(0)
    write_predictions(tmp_path / "out", own_predictions(truth, 0))
    with pytest.raises(RepriseError, match="out: exists and is not empty"):
        write_predictions(tmp_path / "out", own_predictions(truth, 1))
