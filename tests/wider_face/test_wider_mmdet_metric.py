"""The metric in mmdet's test loop gives what the files give."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.base import RepriseError
from benchmarks.wider_face.metric import evaluate
from benchmarks.wider_face.mmdet_metric import WiderFaceMetric
from benchmarks.wider_face.predictions import Predictions, load_predictions
from tests.wider_face.wider_own_set import own_predictions, own_truth, write_truth


def samples(image: str, rows: torch.Tensor) -> list[dict[str, object]]:
    corners = torch.cat([rows[:, :2], rows[:, :2] + rows[:, 2:4]], dim=1)
    return [{"img_id": image, "pred_instances": {"bboxes": corners, "scores": rows[:, 4]}}]


def test_figures_and_files_equal_those_of_the_same_predictions(tmp_path: Path) -> None:
    truth = own_truth(0)
    predictions = own_predictions(truth, 0)
    metric = WiderFaceMetric(truth, export=tmp_path / "out")
    for index, image in enumerate(truth.images):
        metric.process(None, samples(image, torch.from_numpy(predictions.of_image(index))))
    found = metric.evaluate(len(truth.images))
    expected = evaluate(predictions, truth).average_precision
    assert found == pytest.approx({f"wider_face/{subset}": value for subset, value in expected.items()}, abs=1e-9)
    written = evaluate(load_predictions(tmp_path / "out", truth), truth).average_precision
    assert {f"wider_face/{subset}": value for subset, value in written.items()} == found


def test_ground_truth_is_loaded_and_foreign_images_are_refused(tmp_path: Path) -> None:
    write_truth(tmp_path, own_truth(0))
    metric = WiderFaceMetric(tmp_path, allow_other=True)
    metric.process(None, samples("a/b", torch.zeros(1, 5)))
    with pytest.raises(RepriseError, match="image 'a/b' is not in the ground truth"):
        metric.evaluate(1)


ONE_OF_TWO = """
import json, sys
from datetime import timedelta
import torch
from torch import distributed
from benchmarks.wider_face.mmdet_metric import WiderFaceMetric
from tests.wider_face.test_wider_mmdet_metric import samples
from tests.wider_face.wider_own_set import own_predictions, own_truth

rank, meeting = int(sys.argv[1]), sys.argv[2]
distributed.init_process_group("gloo", f"file://{meeting}", timedelta(seconds=120), 2, rank)
truth = own_truth(0)
predictions = own_predictions(truth, 0)
metric = WiderFaceMetric(truth)
images = len(truth.images) - 1
for place in range(rank, images + 1, 2):
    index = place % images
    metric.process(None, samples(truth.images[index], torch.from_numpy(predictions.of_image(index))))
print(json.dumps(metric.evaluate(images)), flush=True)
distributed.barrier()  # else the one that ends first breaks the other's connection
distributed.destroy_process_group()
"""
"""A distributed sampler deals images in turn and repeats the first to fill up; here one image is left out for that."""


def test_two_processes_give_the_figures_of_one(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ONE_OF_TWO]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])}
    processes = [
        subprocess.Popen(
            [*command, str(rank), str(tmp_path / "meeting")], stdout=subprocess.PIPE, text=True, env=environment
        )
        for rank in range(2)
    ]
    printed = [process.communicate(timeout=200)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    truth = own_truth(0)
    predictions = own_predictions(truth, 0)
    images = {image: predictions.of_image(index) for index, image in enumerate(truth.images[:-1])}
    expected = evaluate(Predictions.of(images, truth), truth).average_precision
    for text in printed:
        found = json.loads(text.splitlines()[-1])
        assert found == pytest.approx({f"wider_face/{subset}": value for subset, value in expected.items()}, abs=1e-9)
