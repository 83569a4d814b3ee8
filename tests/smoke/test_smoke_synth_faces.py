"""How fast SynthFaces is drawn, and what its loader, and that of large photographs, take of a trainer's time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.base import registered_methods, unheard
from benchmarks.detection.data import training_loader
from benchmarks.detection.precision import placed
from benchmarks.wider_face.annotations import FaceAnnotations, face_image, read_bbx_gt
from benchmarks.wider_face.contract import FAMILY, FaceMethod
from benchmarks.wider_face.dataset import FaceDataset
from benchmarks.wider_face.real_wider import FaceSplit
from benchmarks.wider_face.synth_faces import SynthFacesSettings, open_synth_faces, synth_faces_artifact
from sweeps.registry import discover

discover()

PICTURES = 100
SHARE = 0.2
"""The loader's time in that of a training step, both on one core."""

SECONDS_PER_1000 = 30.0
MILLISECONDS_PER_PICTURE = 3.0
"""The small detectors train on 30 to 50 pictures of 128 px in a CPU-second; a fifth of that time is 4 ms."""


def test_drawing_1000_pictures(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    artifact = synth_faces_artifact(SynthFacesSettings(train_images=PICTURES), "train")
    folders = iter(range(100))
    costs: list[float] = []

    def fresh() -> tuple[tuple[Path], dict[str, Any]]:
        folder = tmp_path / str(next(folders))
        folder.mkdir()
        return (folder,), {}

    def build(folder: Path) -> None:
        start = time.process_time()
        artifact.build(folder, unheard)
        costs.append(time.process_time() - start)

    benchmark.pedantic(build, setup=fresh, rounds=3)
    benchmark.extra_info["cpu_seconds_for_1000_pictures"] = round(1000 / PICTURES * min(costs), 1)
    assert 1000 / PICTURES * min(costs) < SECONDS_PER_1000


def test_loading_pictures_for_training(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    synth_faces_artifact(SynthFacesSettings(train_images=PICTURES), "train").build(tmp_path, unheard)
    steps: list[dict[str, Any]] = [
        {"type": "LoadImageFromFile"},
        {"type": "LoadAnnotations", "with_bbox": True},
        {"type": "RandomFlip", "prob": 0.5},
        {"type": "PackDetInputs"},
    ]
    faces = FaceDataset(open_synth_faces(tmp_path, "train"), steps)
    costs: list[float] = []

    def one_pass() -> None:
        start = time.process_time()
        assert sum(1 for _ in training_loader(faces, batch_size=4, iterations=PICTURES // 4, seed=0)) == PICTURES // 4
        costs.append(time.process_time() - start)

    benchmark.pedantic(one_pass, rounds=5, warmup_rounds=1)
    benchmark.extra_info["milliseconds_per_picture"] = round(1000 * min(costs) / PICTURES, 2)
    assert 1000 * min(costs) / PICTURES < MILLISECONDS_PER_PICTURE


def test_reading_the_official_text(benchmark: BenchmarkFixture, shared_data: Path) -> None:
    path = shared_data / "wider_face" / "wider_face_split" / "wider_face_val_bbx_gt.txt"
    benchmark.pedantic(read_bbx_gt, args=(path,), rounds=3)
    assert read_bbx_gt(path).faces == 39708


# -- beside a training step ----------------------------------------------------------------------------------------------


def loaded(method: FaceMethod, split: FaceSplit, batch_size: int, batches: int) -> tuple[Any, float]:
    """A batch of the method's training data, and the CPU-seconds that one takes to load, the mean of `batches`."""
    steps: list[dict[str, Any]] = [
        {"type": "LoadImageFromFile"},
        {"type": "LoadAnnotations", "with_bbox": True},
        *method.augmentation(0),
        {"type": "PackDetInputs", "meta_keys": ("img_id", "ori_shape", "img_shape")},
    ]
    faces = FaceDataset(split, steps, method.drop_invalid, method.swap_negative)
    turns = iter(training_loader(faces, batch_size, batches + 1, seed=0))
    batch = next(turns)
    start = time.process_time()
    assert sum(1 for _ in turns) == batches
    return batch, (time.process_time() - start) / batches


def step_seconds(method: FaceMethod, batch: Any, rounds: int) -> float:
    """CPU-seconds of a training step on a batch, the least of `rounds` after one that warms up."""
    torch.manual_seed(0)
    detector: Any = placed(method.build()).train()
    optimiser = torch.optim.AdamW(detector.parameters(), lr=1e-4)
    costs = []
    for _ in range(rounds + 1):
        start = time.process_time()
        data = detector.data_preprocessor(batch, True)
        optimiser.zero_grad()
        sum(detector.loss(data["inputs"], data["data_samples"]).values()).backward()
        optimiser.step()
        costs.append(time.process_time() - start)
    return min(costs[1:])


def made(name: str, **settings: Any) -> FaceMethod:
    kind: Any = registered_methods(FAMILY)[name]
    method: FaceMethod = kind(kind.Settings(**settings))
    return method


def assert_fed(benchmark: BenchmarkFixture, costs: list[tuple[float, float]]) -> None:
    load, step = (min(each) for each in zip(*costs, strict=True))
    benchmark.extra_info.update(share=round(load / step, 3), load_ms=round(1000 * load), step_ms=round(1000 * step))
    assert load < SHARE * step, f"a batch loads in {1000 * load:.0f} ms beside a step of {1000 * step:.0f} ms"


@pytest.mark.parametrize("name", ["efficientface", "mogface"])
def test_drawn_pictures_keep_a_small_detector_fed(name: str, benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    synth_faces_artifact(SynthFacesSettings(train_images=48), "train").build(tmp_path, unheard)
    method = made(name, **registered_methods(FAMILY)[name].presets["small"](""))
    costs: list[tuple[float, float]] = []

    def turn() -> None:
        batch, load = loaded(method, open_synth_faces(tmp_path, "train"), 8, 5)
        costs.append((load, step_seconds(method, batch, 3)))

    benchmark.pedantic(turn, rounds=2)
    assert_fed(benchmark, costs)


def photographs(folder: Path, count: int) -> FaceSplit:
    """JPEG files of WIDER's usual 1024 x 768 pixels with ten faces each, from 10 to 300 pixels."""
    rng = np.random.default_rng(0)
    images = []
    (folder / "0--E").mkdir(parents=True)
    for number in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8))
        sides = np.round(10 * 30 ** rng.random((10, 1)) * [1.0, 1.2])
        corners = np.floor(rng.random((10, 2)) * ([1024, 768] - np.minimum(sides, 700)))
        image = face_image(f"0--E/{number}.jpg", np.hstack([corners, sides]).tolist(), [[0] * 6] * 10)
        coarse.resize((1024, 768), Image.Resampling.BICUBIC).save(folder / image.name, quality=90)
        images.append(image)
    return FaceSplit(FaceAnnotations(folder / "own.txt", tuple(images)), folder, [(1024, 768)] * count)


def test_data_anchor_sampling_keeps_the_cheapest_published_size_fed(
    benchmark: BenchmarkFixture, tmp_path: Path
) -> None:
    """EfficientFace-B0 at 640 x 640, a batch of one; larger models and batches need the loader for less of their time."""
    method = made("efficientface", backbone="b0")
    split = photographs(tmp_path, 6)
    costs: list[tuple[float, float]] = []

    def turn() -> None:
        batch, load = loaded(method, split, 1, 12)
        costs.append((load, step_seconds(method, batch, 1)))

    benchmark.pedantic(turn, rounds=2)
    assert_fed(benchmark, costs)
