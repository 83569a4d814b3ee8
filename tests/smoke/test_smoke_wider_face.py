"""What WIDER FACE's metric costs beside the loop of the common Python port, and its memory."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.wider_face.ground_truth import GroundTruth
from benchmarks.wider_face.metric import evaluate
from benchmarks.wider_face.predictions import Predictions, load_predictions
from tests.wider_face.plain_wider_metric import port_loop
from tests.wider_face.wider_own_set import write_text

IMAGES, FACES, DETECTIONS = 40, 12, 92
"""Faces and detections per image as in WIDER FACE's validation split and RetinaFace's predictions; fewer images."""

AT_LEAST = 15.0
MEGABYTES = 300

MEASURED = """
import json, sys, time
from pathlib import Path
from sweeps.cli import main
try:
    main(sys.argv[1:])
except SystemExit as stopped:
    if stopped.code:
        raise
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps({"cpu_seconds": round(time.process_time(), 2), "megabytes": round(int(peak.split()[1]) / 1024)}))
"""
"""Runs a command and prints its cost. (What the system reports of a child counts its parent's pages.)"""


def drawn(images: int, faces: int, detections: int) -> tuple[GroundTruth, dict[str, np.ndarray]]:
    """A set of the size of WIDER's images, with detections near faces and elsewhere, normalised and best first."""
    rng = np.random.default_rng(0)
    names = tuple(f"0--Parade/{index}" for index in range(images))
    boxes = np.column_stack([rng.uniform(0, 1000, (images * faces, 2)), np.exp(rng.uniform(2, 5, (images * faces, 2)))])
    boxes = boxes.round().astype(np.int32)
    heights = boxes[:, 3]
    kept = {"easy": heights >= 34, "medium": heights >= 16, "hard": heights >= 9}
    truth = GroundTruth("drawn", Path("drawn"), names, np.arange(images + 1) * faces, boxes, kept)
    found = {}
    for index, name in enumerate(names):
        near = boxes[index * faces : (index + 1) * faces].repeat(3, axis=0) * rng.uniform(0.95, 1.05, (3 * faces, 4))
        far = np.column_stack(
            [rng.uniform(0, 1000, (detections - 3 * faces, 2)), np.exp(rng.uniform(2, 5, (detections - 3 * faces, 2)))]
        )
        scores = np.concatenate([rng.beta(3, 1, len(near)), rng.beta(1, 6, len(far))])
        rows = np.column_stack([np.concatenate([near, far]).round(), scores])
        found[name] = rows[np.argsort(-scores)]
    scores = np.concatenate([rows[:, 4] for rows in found.values()])
    least, most = scores.min(), scores.max()
    for rows in found.values():
        rows[:, 4] = (rows[:, 4] - least) / (most - least)
    return truth, found


def test_the_metric_is_15_times_faster_than_the_loop_of_the_port(benchmark: BenchmarkFixture) -> None:
    truth, found = drawn(IMAGES, FACES, DETECTIONS)
    predictions = Predictions.of(found, truth)
    assert evaluate(predictions, truth).average_precision == pytest.approx(port_loop(found, truth), abs=1e-12)
    benchmark.pedantic(lambda: evaluate(predictions, truth), rounds=5)
    ours = min(_cpu_seconds(lambda: evaluate(predictions, truth)) for _ in range(7))
    port = min(_cpu_seconds(lambda: port_loop(found, truth)) for _ in range(2))
    benchmark.extra_info["times_faster_than_the_port"] = round(port / ours, 1)
    assert port / ours >= AT_LEAST


def test_reading_predictions_beside_their_evaluation(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    truth, found = drawn(IMAGES, FACES, DETECTIONS)
    write_text(tmp_path, found)
    benchmark.pedantic(lambda: load_predictions(tmp_path, truth), rounds=5)
    benchmark.extra_info["microseconds_per_detection"] = round(
        1e6 * benchmark.stats.stats.min / (IMAGES * DETECTIONS), 2
    )


def test_a_real_set_stays_within_its_memory(benchmark: BenchmarkFixture, shared_data: Path) -> None:
    """The whole command in a process of its own, on the larger set of 3,226 images; its seconds are recorded."""
    if not Path("/proc/self/status").exists():
        pytest.skip("reads a process's peak memory from /proc, which this system does not have")
    folder = shared_data / "wider_face"
    archive = next((folder / "predictions").glob("retinaface*.tar.xz"))
    words = ["evaluate", "wider-face", "--predictions", str(archive), "--ground-truth", str(folder / "ground_truth")]
    figures: dict[str, float] = {}

    def run() -> None:
        ended = subprocess.run([sys.executable, "-c", MEASURED, *words], check=True, capture_output=True, text=True)
        figures.update(json.loads(ended.stdout.splitlines()[-1]))

    benchmark.pedantic(run, rounds=1)
    benchmark.extra_info.update(figures)
    assert figures["megabytes"] < MEGABYTES


def _cpu_seconds(work: Callable[[], object]) -> float:
    gc.collect()
    gc.disable()
    try:
        start = time.process_time()
        work()
        return time.process_time() - start
    finally:
        gc.enable()
