"""The oracle figures of the protocol (section 5) on both sets of real predictions, and what they must cost."""

from __future__ import annotations

import gc
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.wider_face.ground_truth import GroundTruth, load_ground_truth
from benchmarks.wider_face.metric import evaluate
from benchmarks.wider_face.overlap import Variant
from benchmarks.wider_face.predictions import Predictions, load_predictions
from tests.wider_face.command_status import status

YOLO, RETINA = "yolov7-tiny-leak__derronqi_yolov7-face.tar.xz", "retinaface-mnet0.25-official__thflgg133.tar.xz"

ORACLES: dict[tuple[str, Variant], tuple[float, float, float]] = {
    (YOLO, "float"): (0.9324932633835993, 0.9127942909886333, 0.8297205022059916),
    (YOLO, "int32"): (0.9324394111, 0.9129100618, 0.8297385224),
    (RETINA, "float"): (0.9069584243856689, 0.8815790551288838, 0.7382863255381045),
    (RETINA, "int32"): (0.9070161144, 0.8815373341, 0.7382582157),
}
DETECTIONS = {YOLO: 123_525, RETINA: 297_333}


@pytest.fixture(scope="module")
def truth(shared_data: Path) -> GroundTruth:
    return load_ground_truth(shared_data / "wider_face" / "ground_truth")


@pytest.fixture(scope="module")
def sets(shared_data: Path, truth: GroundTruth) -> dict[str, Predictions]:
    folder = shared_data / "wider_face" / "predictions"
    return {name: load_predictions(folder / name, truth) for name in (YOLO, RETINA)}


def without(predictions: Predictions, truth: GroundTruth, event: str) -> Predictions:
    images = {image: predictions.of_image(index) for index, image in enumerate(truth.images)}
    return Predictions.of({image: rows for image, rows in images.items() if not image.startswith(f"{event}/")}, truth)


@pytest.mark.parametrize(("name", "variant"), ORACLES)
def test_figures_equal_the_oracles(
    name: str, variant: Variant, truth: GroundTruth, sets: dict[str, Predictions]
) -> None:
    result = evaluate(sets[name], truth, variant)
    assert tuple(result.average_precision.values()) == pytest.approx(ORACLES[name, variant], abs=1e-9)
    assert (result.detections, result.missing_images, result.ignored_files) == (DETECTIONS[name], 0, 0)
    assert (result.notes, result.non_standard, result.degenerate_scores) == ((), (), False)


def test_changes_of_the_protocol_equal_the_derived_figures(truth: GroundTruth, sets: dict[str, Predictions]) -> None:
    yolo = sets[YOLO]
    without_event = evaluate(without(yolo, truth, "0--Parade"), truth).average_precision
    assert tuple(without_event.values()) == pytest.approx((0.9034345391, 0.8729009782, 0.7537231797), abs=1e-9)
    bare = evaluate(yolo, truth, plus=0.0).average_precision
    assert tuple(bare.values()) == pytest.approx((0.929962, 0.908962, 0.816084), abs=6e-7)
    raw = evaluate(yolo, truth, normalise=False).average_precision
    assert tuple(raw.values()) == pytest.approx((0.932483, 0.912784, 0.829711), abs=6e-7)


def test_shuffled_lines_change_nothing(truth: GroundTruth, sets: dict[str, Predictions]) -> None:
    rng = np.random.default_rng(0)
    images = {image: rng.permutation(sets[YOLO].of_image(index)) for index, image in enumerate(truth.images)}
    found = evaluate(Predictions.of(images, truth), truth).average_precision
    assert tuple(found.values()) == pytest.approx(ORACLES[YOLO, "float"], abs=1e-12)


def test_ground_truth_as_predictions_is_nearly_perfect(truth: GroundTruth) -> None:
    """Not 1: two of crowded faces can share their best box."""
    scores = np.random.default_rng(0).permutation(len(truth.boxes)) / len(truth.boxes)
    perfect = Predictions("itself", truth.images, truth.starts, truth.boxes.astype(float), scores)
    found = evaluate(perfect, truth).average_precision
    assert all(value is not None and 0.9998 <= value <= 1 for value in found.values())


def test_the_command_shows_the_official_set_as_the_leaderboard_would(
    shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shared_data / "wider_face"
    words = ["--predictions", str(folder / "predictions" / YOLO), "--ground-truth", str(folder / "ground_truth")]
    assert status("wider-face", *words) == 0
    shown = capsys.readouterr().out
    for figures in (
        ("7,211", "0.9324932634", "0.932"),
        ("13,319", "0.9127942910", "0.912"),
        ("31,958", "0.8297205022", "0.829"),
    ):
        assert any(all(figure in line for figure in figures) for line in shown.splitlines())


@pytest.mark.parametrize(("limit", "hard"), [(750, -0.03), (100, -9.5)])
def test_a_limit_of_detections_costs_what_the_protocol_says(
    limit: int, hard: float, truth: GroundTruth, sets: dict[str, Predictions]
) -> None:
    """The files are in descending order, so the first are the best."""
    images = {image: sets[YOLO].of_image(index)[:limit] for index, image in enumerate(truth.images)}
    found = evaluate(Predictions.of(images, truth), truth).average_precision["hard"]
    assert found is not None
    assert 100 * (found - ORACLES[YOLO, "float"][2]) == pytest.approx(hard, abs=0.05)


def test_a_set_costs_less_than_a_second_once_read_and_three_in_all(shared_data: Path, truth: GroundTruth) -> None:
    """CPU-seconds, the larger set, the least of three turns; reading includes the archive."""
    turns = []
    for _ in range(3):
        gc.collect()
        start = time.process_time()
        predictions = load_predictions(shared_data / "wider_face" / "predictions" / RETINA, truth)
        read = time.process_time()
        evaluate(predictions, truth)
        turns.append((time.process_time() - read, time.process_time() - start))
    assert min(alone for alone, _ in turns) < 1.0
    assert min(whole for _, whole in turns) < 3.0
