"""The twelve figures against the published anchor and against plain loops over the protocol's rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as rle

from benchmarks.base import RepriseError
from benchmarks.coco import predictions
from benchmarks.coco.annotations import load_annotations
from benchmarks.coco.metric import FIGURES, evaluate
from sweeps.cli import main
from tests.coco.conftest import annotation, dataset, loaded, write
from tests.coco.plain_average_precision import figures as plain_figures

ANCHOR = {
    "AP": 0.5045806987249628,
    "AP50": 0.6969727247299577,
    "AP75": 0.5729816669904824,
    "APs": 0.5856257209410443,
    "APm": 0.5193996948036719,
    "APl": 0.5013978986347466,
    "AR1": 0.38681277964578054,
    "AR10": 0.5936795762842003,
    "AR100": 0.595352982877607,
    "ARs": 0.6398109626113442,
    "ARm": 0.5664205978994309,
    "ARl": 0.5642905982905982,
}
"""detection_protocol.md, section 3, column `exact`."""

MASK_ANCHOR = (0.320, 0.562, 0.299, 0.387, 0.310, 0.327, 0.268, 0.415, 0.417, 0.469, 0.377, 0.381)
"""The COCO API's evaluation demo for masks, as printed there with three decimals."""


@pytest.fixture(scope="session")
def anchor(shared_data: Path) -> Path:
    return shared_data / "coco" / "cocoapi_val2014_100" / "tests" / "dataset" / "cocoapi"


def test_boxes_equal_the_anchor(anchor: Path) -> None:
    truth = load_annotations(anchor / "instances_val2014_100.json")
    found = evaluate(truth, predictions.read(anchor / "instances_val2014_fakebbox100_results.json"))
    assert tuple(found) == FIGURES
    assert found == pytest.approx(ANCHOR, abs=1e-9)


def test_masks_equal_the_published_demo(anchor: Path) -> None:
    truth = load_annotations(anchor / "instances_val2014_100.json")
    entries = predictions.read(anchor / "instances_val2014_fakesegm100_results.json")
    found = evaluate(truth, entries, "segm")
    assert tuple(found.values()) == pytest.approx(MASK_ANCHOR, abs=0.0006)
    with_boxes = [{**entry, "bbox": [0.0, 0.0, 1.0, 1.0]} for entry in entries]
    assert evaluate(truth, with_boxes, "segm") == found


@pytest.mark.parametrize(("split", "ar1", "ar10"), [("train2017", 0.666434, 0.993544), ("val2017", 0.723431, 0.987676)])
def test_ground_truth_fed_back_is_perfect(shared_data: Path, split: str, ar1: float, ar10: float) -> None:
    truth = load_annotations(shared_data / "coco" / "coco_free" / "annotations" / f"instances_{split}.json")
    entries = [{**entry, "score": 1.0} for entry in truth.objects if not entry["iscrowd"]]
    found = evaluate(truth, entries)
    assert found["AR1"] == pytest.approx(ar1, abs=1e-6)
    assert found["AR10"] == pytest.approx(ar10, abs=1e-6)
    assert [value for name, value in found.items() if name not in ("AR1", "AR10")] == pytest.approx([1.0] * 10)
    crowds = [{**entry, "score": 1.0} for entry in truth.objects]
    assert evaluate(truth, crowds) == pytest.approx(found)


def random_set(seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Crowds, all three sizes, ties of scores, more than ten detections of one category in one image."""
    rng = np.random.default_rng(seed)
    content: dict[str, Any] = {
        "info": {"area_limits": [144, 576]},
        "images": [{"id": 5 * index, "file_name": f"{index}.png", "width": 96, "height": 96} for index in range(4)],
        "categories": [{"id": 2, "name": "a"}, {"id": 9, "name": "b"}, {"id": 4, "name": "never there"}],
        "annotations": [],
    }
    entries = []
    for image in content["images"]:
        for _ in range(int(rng.integers(0, 9))):
            box = [*map(float, rng.uniform(0, 60, 2).round(1)), *map(float, rng.uniform(6, 36, 2).round(1))]
            truth = annotation(len(content["annotations"]) + 1, image["id"], int(rng.choice([2, 9])), box)
            truth["area"] = box[2] * box[3] * float(rng.uniform(0.5, 1.0))
            truth["iscrowd"] = int(rng.random() < 0.2)
            content["annotations"].append(truth)
            for _ in range(int(rng.integers(0, 4))):
                near = (np.array(box) + rng.normal(0, 2, 4)).clip(0.5).round(1)
                category = truth["category_id"] if rng.random() < 0.8 else int(rng.choice([2, 9, 4]))
                score = float(rng.integers(0, 6)) / 5
                entries.append(
                    {"image_id": image["id"], "category_id": category, "bbox": near.tolist(), "score": score}
                )
        for _ in range(int(rng.integers(0, 12))):
            box = [*rng.uniform(0, 60, 2).round(1).tolist(), *rng.uniform(3, 30, 2).round(1).tolist()]
            entries.append({"image_id": image["id"], "category_id": 2, "bbox": box, "score": float(rng.random())})
    rng.shuffle(entries)  # type: ignore[arg-type]
    return content, entries


@pytest.mark.parametrize("seed", range(6))
def test_figures_equal_plain_loops_over_the_rules(tmp_path: Path, seed: int) -> None:
    content, entries = random_set(seed)
    found = evaluate(loaded(tmp_path, content), entries)
    assert found == pytest.approx(plain_figures(content, entries, (144, 576)), abs=1e-9)
    assert sum(value is not None for value in found.values()) >= 10


def test_figures_equal_plain_loops_beyond_a_hundred_detections(tmp_path: Path) -> None:
    content = dataset()
    entries = [
        {"image_id": 11, "category_id": 3, "bbox": [2.0, 3.0, 10.0, 12.0 - index / 50], "score": index / 130}
        for index in range(130)
    ]
    found = evaluate(loaded(tmp_path, content), entries)
    assert found == pytest.approx(plain_figures(content, entries, (32**2, 96**2)), abs=1e-9)


def test_equal_scores_keep_file_order(tmp_path: Path) -> None:
    truth = loaded(tmp_path, dataset())
    right = {"image_id": 12, "category_id": 3, "bbox": [1, 1, 15, 10], "score": 0.5}
    wrong = {"image_id": 12, "category_id": 3, "bbox": [30, 1, 15, 10], "score": 0.5}
    first, second = evaluate(truth, [right, wrong])["AR1"], evaluate(truth, [wrong, right])["AR1"]
    assert (first, second) == (pytest.approx(0.25), 0.0)


def test_no_predictions_score_zero_and_what_has_no_object_is_none(tmp_path: Path) -> None:
    found = evaluate(loaded(tmp_path, dataset()), [])
    assert {name: value for name, value in found.items() if value is not None} == dict.fromkeys(
        ("AP", "AP50", "AP75", "APs", "AR1", "AR10", "AR100", "ARs"), 0.0
    )
    assert [name for name, value in found.items() if value is None] == ["APm", "APl", "ARm", "ARl"]


def test_without_any_object_every_figure_is_none(tmp_path: Path) -> None:
    truth = loaded(tmp_path, {**dataset(), "annotations": []})
    entry = {"image_id": 12, "category_id": 3, "bbox": [1, 1, 15, 10], "score": 0.5}
    assert set(evaluate(truth, [entry]).values()) == {None}
    assert set(evaluate(truth, []).values()) == {None}


def test_scoring_changes_neither_side_and_prints_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = loaded(tmp_path, dataset())
    entries = [{"image_id": 12, "category_id": 3, "bbox": [1, 1, 15, 10], "score": 0.5}]
    before = json.dumps([truth.dataset, entries])
    evaluate(truth, entries)
    assert json.dumps([truth.dataset, entries]) == before
    assert capsys.readouterr() == ("", "")


GOOD = {"image_id": 12, "category_id": 3, "bbox": [1, 1, 15, 10], "score": 0.5}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({**GOOD, "image_id": 99}, "image_id 99 is not in the ground truth"),
        ({**GOOD, "category_id": 1}, "category_id 1 is not in the ground truth"),
        ({**GOOD, "bbox": [1, 2, 3]}, "must be [x, y, width, height]"),
        ({**GOOD, "bbox": [1, 2, -3, 4]}, "negative width"),
        ({**GOOD, "bbox": [1, 2, float("inf"), 4]}, "no finite number"),
        ({**GOOD, "bbox": [1, 2, "3", 4]}, "no finite number"),
        ({**GOOD, "score": float("nan")}, "score nan is no finite number"),
        ({key: value for key, value in GOOD.items() if key != "score"}, "has no 'score'"),
        ([1, 2], "must be an object"),
    ],
)
def test_a_bad_entry_is_named_with_its_file(tmp_path: Path, entry: Any, message: str) -> None:
    truth = loaded(tmp_path, dataset())
    with pytest.raises(RepriseError) as error:
        evaluate(truth, [GOOD, entry], source="results.json")
    assert str(error.value).startswith("results.json: entry 1: ")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ({"size": [30, 20], "counts": "PPYo0"}, "the ground truth says [20, 50]"),
        ({"size": [20, 50], "counts": [1000]}, "must be compressed RLE"),
        ([[1, 1, 5, 1, 5, 5]], "must be compressed RLE"),
        ({"size": [20, 50], "counts": "PPYo"}, "runs cover no valid number of pixels"),
        ({"size": [20, 50], "counts": "d08"}, "runs cover 28 pixels"),
    ],
)
def test_a_bad_mask_is_named(tmp_path: Path, mask: Any, message: str) -> None:
    with pytest.raises(RepriseError, match="entry 0: ") as error:
        evaluate(loaded(tmp_path, dataset()), [{**GOOD, "segmentation": mask}], "segm")
    assert message in str(error.value)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
def test_run_lengths_cover_the_picture(share: float) -> None:
    rng = np.random.default_rng(5)
    for height, width in ((1, 1), (7, 3), (480, 640)):
        mask = np.asfortranarray(rng.random((height, width)) < share, dtype=np.uint8)
        assert predictions.pixels_of_runs(rle.encode(mask)["counts"]) == height * width


def test_masks_need_masks_in_the_ground_truth(tmp_path: Path) -> None:
    content = dataset()
    del content["annotations"][1]["segmentation"]
    with pytest.raises(RepriseError, match="annotation 2 first"):
        evaluate(loaded(tmp_path, content), [], "segm")


@pytest.mark.parametrize("text", ["", "[1, 2", '{"a": 1}'])
def test_a_file_without_a_list_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(RepriseError, match=r"results\.json: .*COCO's format"):
        predictions.read(path)


def test_the_command_prints_points_and_full_precision(anchor: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [
        *("--predictions", str(anchor / "instances_val2014_fakebbox100_results.json")),
        *("--ground-truth", str(anchor / "instances_val2014_100.json")),
    ]
    assert _status(["evaluate", "coco", *files]) == 0
    cells = [[cell.strip() for cell in line.split("│")] for line in capsys.readouterr().out.splitlines()]
    points = {row[1]: row[-2] for row in cells if len(row) > 2}
    assert [points[name] for name in FIGURES] == [f"{100 * ANCHOR[name]:.1f}" for name in FIGURES]
    assert _status(["evaluate", "coco", *files, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == pytest.approx(ANCHOR, abs=1e-9)


def test_the_command_stops_with_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = write(tmp_path, dataset())
    results = write(tmp_path, [{**GOOD, "image_id": 4}], "results.json")
    assert _status(["evaluate", "coco", "--predictions", str(results), "--ground-truth", str(truth)]) == 2
    assert capsys.readouterr().err.startswith(f"reprise: {results}: entry 0: image_id 4")


def _status(words: list[str]) -> int:
    with pytest.raises(SystemExit) as stop:
        main(words)
    return int(stop.value.code or 0)
