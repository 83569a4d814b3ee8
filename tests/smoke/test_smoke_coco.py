"""How fast SynthCOCO is drawn, and what our metric costs beside pycocotools alone."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.base import Report, unheard
from benchmarks.coco import predictions
from benchmarks.coco.annotations import load_annotations
from benchmarks.coco.metric import evaluate
from benchmarks.coco.synth import SynthSettings, synth_artifact

PICTURES = 100


def test_building_synthcoco(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    artifact = synth_artifact(SynthSettings(train_images=PICTURES), "train")
    folders = iter(range(100))

    def fresh() -> tuple[tuple[Path, Report], dict[str, Any]]:
        folder = tmp_path / str(next(folders))
        folder.mkdir()
        return (folder, unheard), {}

    benchmark.pedantic(artifact.build, setup=fresh, rounds=3)
    benchmark.extra_info["seconds_for_2000_pictures"] = round(20 * benchmark.stats.stats.median, 1)


def test_the_metric_beside_pycocotools_alone(benchmark: BenchmarkFixture, files: tuple[Path, Path]) -> None:
    results, truth = files

    def ours() -> None:
        evaluate(load_annotations(truth), predictions.read(results))

    def alone() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO(str(truth))
            scored = COCOeval(coco, coco.loadRes(str(results)), "bbox")
            scored.evaluate()
            scored.accumulate()
            scored.summarize()

    benchmark.pedantic(ours, rounds=3)
    turns = [(_cpu_seconds(ours), _cpu_seconds(alone)) for _ in range(5)]
    least = [min(taken) for taken in zip(*turns, strict=True)]
    benchmark.extra_info["cpu_time_over_pycocotools"] = round(least[0] / least[1], 3)


def _cpu_seconds(work: Callable[[], None]) -> float:
    """Without the garbage collector, whose turns would fall on one or the other by chance."""
    gc.collect()
    gc.disable()
    try:
        start = time.process_time()
        work()
        return time.process_time() - start
    finally:
        gc.enable()


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Results and ground truth in the sizes of a detector on 50 images of 80 categories: 100 detections an image."""
    rng = np.random.default_rng(0)
    images = [{"id": k, "file_name": f"{k}.jpg", "width": 640, "height": 480} for k in range(50)]
    truths, found = [], []
    for image in images:
        for _ in range(7):
            box = [*rng.uniform(0, 300, 2).tolist(), *rng.uniform(5, 150, 2).tolist()]
            entry = {"image_id": image["id"], "category_id": int(rng.integers(80)), "bbox": box}
            truths.append({**entry, "id": len(truths) + 1, "area": box[2] * box[3], "iscrowd": 0})
        for _ in range(100):
            box = [*rng.uniform(0, 300, 2).tolist(), *rng.uniform(5, 150, 2).tolist()]
            entry = {"image_id": image["id"], "category_id": int(rng.integers(80)), "bbox": box}
            found.append({**entry, "score": float(rng.random())})
    categories = [{"id": k, "name": str(k)} for k in range(80)]
    truth, results = tmp_path / "truth.json", tmp_path / "results.json"
    truth.write_text(json.dumps({"images": images, "annotations": truths, "categories": categories}))
    results.write_text(json.dumps(found))
    return results, truth
