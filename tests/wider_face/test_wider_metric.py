"""The metric against plain loops over the definitions on a drawn set, and its rules one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.base import RepriseError
from benchmarks.wider_face.ground_truth import GroundTruth
from benchmarks.wider_face.metric import evaluate, leaderboard_string, normalised
from benchmarks.wider_face.overlap import VARIANTS, Variant, assign
from benchmarks.wider_face.predictions import Predictions
from tests.wider_face.plain_wider_metric import assigned, average_precision, port_loop
from tests.wider_face.wider_own_set import own_detections, own_predictions, own_truth

STORED = {
    "float": {"easy": 0.3374000467475188, "medium": 0.40288500687288475, "hard": 0.42701336477041263},
    "int32": {"easy": 0.32863301646494114, "medium": 0.39473410939241665, "hard": 0.42838968998319893},
}
"""AP of the set of seed 0, computed once by `plain_wider_metric`."""


def one_image(faces: list[list[int]], kept: list[bool], rows: list[list[float]]) -> tuple[Predictions, GroundTruth]:
    boxes = np.array(faces, np.int32).reshape(-1, 4)
    truth = GroundTruth("one", Path("one"), ("a/b",), np.array([0, len(boxes)]), boxes, {"hard": np.array(kept, bool)})
    return Predictions.of({"a/b": np.array(rows, float)}, truth), truth


def counts(
    faces: list[list[int]], kept: list[bool], rows: list[list[float]], variant: Variant = "float"
) -> tuple[int, int]:
    """Proposals and recalled faces at the lowest threshold."""
    curve = evaluate(*one_image(faces, kept, rows), variant).curves["hard"]
    return int(curve.proposals[-1]), int(curve.recalled[-1])


@pytest.mark.parametrize("variant", VARIANTS)
def test_own_set_equals_the_stored_figures(variant: Variant) -> None:
    truth = own_truth(0)
    assert evaluate(own_predictions(truth, 0), truth, variant).average_precision == pytest.approx(
        STORED[variant], abs=1e-12
    )


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    ("plus", "iou", "thresholds"), [(1.0, 0.5, 1000), (0.0, 0.5, 100), (1.0, 0.3, 100), (1.0, 0.8, 7)]
)
def test_figures_equal_plain_loops_over_the_definitions(
    variant: Variant, plus: float, iou: float, thresholds: int
) -> None:
    truth = own_truth(1)
    predictions = own_predictions(truth, 1)
    found = evaluate(predictions, truth, variant, thresholds, plus, iou=iou).average_precision
    expected = average_precision(predictions, truth, variant, thresholds, plus, iou)
    assert found == pytest.approx(expected, abs=1e-12)
    assert min(expected.values()) > 0.01


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_each_detection_gets_the_face_of_plain_loops(variant: Variant, whole: bool, seed: int) -> None:
    truth = own_truth(seed)
    predictions = own_predictions(truth, seed, whole)
    found = assign(predictions.boxes, predictions.starts, truth.boxes, truth.starts, variant)
    expected = assigned(predictions, truth, variant, 1.0, 0.5)
    assert found.tolist() == expected
    assert sum(row >= 0 for row in expected) > 50


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("plus", [0.0, 1.0])
def test_no_hit_among_boxes_of_a_few_pixels_is_overlooked(variant: Variant, plus: float) -> None:
    """A face and a detection in each image. Rounded corners let a box of a fraction of a pixel hit what it hardly touches."""
    images = 6000
    rng = np.random.default_rng(3)
    names, starts = tuple(f"a/{image}" for image in range(images)), np.arange(images + 1)
    boxes = rng.integers(0, 4, (images, 4)).astype(np.int32)
    truth = GroundTruth("tiny", Path("tiny"), names, starts, boxes, {"hard": np.ones(images, bool)})
    rows = boxes + rng.uniform(-1.6, 1.6, (images, 4))
    predictions = Predictions("tiny", names, starts, rows, np.ones(images))
    found = assign(rows, starts, boxes, starts, variant, plus)
    expected = assigned(predictions, truth, variant, plus, 0.5)
    assert found.tolist() == expected
    assert sum(row >= 0 for row in expected) > 100


def test_the_loop_of_the_port_gives_the_same_figures() -> None:
    truth = own_truth(2)
    detections = own_detections(truth, 2)
    predictions = Predictions.of(detections, truth)
    least, most = predictions.scores.min(), predictions.scores.max()
    ordered = {}
    for image, rows in detections.items():
        rows = rows[np.argsort(-rows[:, 4])]
        ordered[image] = np.column_stack([rows[:, :4], (rows[:, 4] - least) / (most - least)])
    found = evaluate(predictions, truth).average_precision
    assert found == pytest.approx(port_loop(ordered, truth), abs=1e-12)


def test_order_of_detections_does_not_matter() -> None:
    truth = own_truth(0)
    detections = own_detections(truth, 0)
    rng = np.random.default_rng(0)
    shuffled = {image: rng.permutation(rows) for image, rows in detections.items()}
    one, other = (evaluate(Predictions.of(rows, truth), truth).average_precision for rows in (detections, shuffled))
    assert one == other


def test_a_hit_on_an_ignored_face_is_no_proposal() -> None:
    rows = [[0, 0, 10, 10, 0.9], [50, 50, 10, 10, 0.1]]
    assert counts([[0, 0, 10, 10], [50, 50, 10, 10]], [False, True], rows) == (1, 1)


def test_a_miss_inside_an_ignored_face_is_a_proposal() -> None:
    assert counts([[0, 0, 100, 100], [200, 0, 9, 9]], [False, True], [[10, 10, 5, 5, 0.9], [0, 0, 100, 100, 0.1]]) == (
        1,
        0,
    )


def test_further_hits_on_a_recalled_face_are_false_positives() -> None:
    assert counts([[0, 0, 10, 10]], [True], [[0, 0, 10, 10, 0.9], [1, 0, 10, 10, 0.5], [0, 1, 10, 10, 0.1]]) == (3, 1)


def test_the_larger_overlap_wins_and_the_first_of_equals() -> None:
    faces = [[2, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10]]
    assert counts(faces, [False, True, False], [[0, 0, 10, 10, 0.9], [90, 0, 1, 1, 0.1]]) == (2, 1)


def test_int32_takes_the_first_face_that_passes_one_half() -> None:
    faces, rows = [[2, 0, 10, 10], [0, 0, 10, 10]], [[0.0, 0.0, 10.0, 10.0, 0.9], [90.0, 0.0, 1.0, 1.0, 0.1]]
    assert counts(faces, [True, False], rows, "int32") == (2, 1)
    assert counts(faces, [True, False], rows, "float") == (1, 0)


def test_an_overlap_of_exactly_one_half_hits() -> None:
    """10 by 10 pixels inside 10 by 20, a pixel counted with each side."""
    assert counts([[0, 0, 9, 19]], [True], [[0, 0, 9, 9, 0.9], [90, 0, 1, 1, 0.1]]) == (2, 1)
    assert counts([[0, 0, 9, 19]], [True], [[0, 0, 9, 8.9, 0.9], [90, 0, 1, 1, 0.1]]) == (2, 0)


def test_degenerate_faces_are_never_hit() -> None:
    rows = [[5.0, 5.0, -2.0, 4.0, 0.9], [5.0, 5.0, 3.0, 3.0, 0.5], [90.0, 0.0, 1.0, 1.0, 0.1]]
    assert counts([[5, 5, -2, 4]], [True], rows) == (3, 0)


def test_numbers_beyond_any_picture_do_no_harm() -> None:
    rows = [
        [0, 0, 10, 10, 0.9],
        [-1e308, 0, 1e308, 10, 0.5],
        [1e308, 1e308, 1e308, 1e308, 0.4],
        [0, 0, 1e308, 1e308, 0.1],
    ]
    assert counts([[0, 0, 10, 10]], [True], rows) == (4, 1)


def test_faces_far_outside_do_not_disturb_the_search_for_others() -> None:
    truth = own_truth(0)
    predictions = own_predictions(truth, 0)
    plain = assign(predictions.boxes, predictions.starts, truth.boxes, truth.starts)
    boxes = truth.boxes.astype(np.float64)
    boxes[-1] = [1e12, -1e12, 5, 5]
    found = assign(predictions.boxes, predictions.starts, boxes, truth.starts)
    assert found.tolist() == np.where(plain == len(boxes) - 1, -1, plain).tolist()


def test_the_assignment_does_not_depend_on_the_size_of_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = own_truth(3)
    predictions = own_predictions(truth, 3)
    whole = assign(predictions.boxes, predictions.starts, truth.boxes, truth.starts)
    monkeypatch.setattr("benchmarks.wider_face.overlap._PAIRS_AT_ONCE", 1)
    assert assign(predictions.boxes, predictions.starts, truth.boxes, truth.starts).tolist() == whole.tolist()


def test_scores_are_normalised_over_all_images_and_on_any_scale() -> None:
    truth = own_truth(0)
    predictions = own_predictions(truth, 0)
    scaled = Predictions(
        "scaled", predictions.images, predictions.starts, predictions.boxes, 64 * predictions.scores - 1024
    )
    assert evaluate(scaled, truth).average_precision == evaluate(predictions, truth).average_precision
    assert (
        evaluate(predictions, truth, normalise=False).average_precision
        != evaluate(predictions, truth).average_precision
    )
    values, degenerate = normalised(np.array([-1.7e308, 0.0, 1.7e308]))
    assert values.tolist() == [0.0, 0.5, 1.0]
    assert not degenerate


def test_equal_scores_become_one_with_a_flag_and_a_note() -> None:
    result = evaluate(
        *one_image([[0, 0, 10, 10], [50, 0, 9, 9]], [True, True], [[0, 0, 10, 10, 0.3], [90, 0, 5, 5, 0.3]])
    )
    assert result.degenerate_scores
    assert result.average_precision == {"hard": 0.25}
    assert any("scores are equal" in note for note in result.notes)


def test_missing_detections_stay_in_the_denominator() -> None:
    truth = own_truth(0)
    detections = own_detections(truth, 0)
    curve = evaluate(Predictions.of(detections, truth), truth).curves["hard"]
    image = next(
        image for image in truth.images if image in detections and truth.boxes[truth.starts[truth.index[image]]][3] > 9
    )
    del detections[image]
    fewer = evaluate(Predictions.of(detections, truth), truth)
    assert fewer.missing_images == 2
    assert fewer.curves["hard"].kept_faces == curve.kept_faces
    assert fewer.curves["hard"].recalled[-1] < curve.recalled[-1]


def test_a_subset_without_a_face_that_counts_has_no_figure() -> None:
    result = evaluate(*one_image([[0, 0, 10, 10]], [False], [[0, 0, 10, 10, 0.3], [50, 0, 10, 10, 0.9]]))
    assert result.average_precision == {"hard": None}


def test_settings_off_the_protocol_mark_the_result() -> None:
    truth = own_truth(0)
    predictions = own_predictions(truth, 0)
    assert evaluate(predictions, truth).non_standard == ()
    result = evaluate(predictions, truth, thresholds=100, plus=0.0, normalise=False, iou=0.4)
    assert result.non_standard == ("thresholds 100", "plus 0", "scores not normalised", "iou 0.4")


def test_the_leaderboard_truncates() -> None:
    assert leaderboard_string(0.93785) == "0.937"
    assert leaderboard_string(0.8297205022059916) == "0.829"
    assert leaderboard_string(0.99996) == "0.999"
    assert leaderboard_string(1.0) == "1"
    assert leaderboard_string(0.00001) == "0.000"


@pytest.mark.parametrize(
    "setting", [{"iou": 0.0}, {"iou": 1.1}, {"plus": 0.5}, {"thresholds": 0}, {"variant": "double"}]
)
def test_settings_out_of_range_are_errors(setting: dict[str, float]) -> None:
    truth = own_truth(0)
    with pytest.raises(RepriseError):
        evaluate(own_predictions(truth, 0), truth, **setting)  # type: ignore[arg-type]


def test_int32_refuses_unrounded_ground_truth() -> None:
    truth = own_truth(0)
    moved = GroundTruth("moved", Path("moved"), truth.images, truth.starts, truth.boxes + 0.25, truth.kept)
    with pytest.raises(RepriseError, match="moved: variant int32 needs boxes of whole pixels"):
        evaluate(own_predictions(truth, 0), moved, "int32")


def test_predictions_of_another_ground_truth_are_refused() -> None:
    predictions, _ = one_image([[0, 0, 10, 10]], [True], [[0, 0, 10, 10, 0.3]])
    with pytest.raises(RepriseError, match="was read against other ground truth"):
        evaluate(predictions, own_truth(0))
