"""Training by mmengine's runner: the order of data, going on from a checkpoint, stopping, and what is found afterwards."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.base import RepriseError
from benchmarks.coco.metric import evaluate
from benchmarks.coco.small_detectors import small_model
from benchmarks.coco.synth import SynthSettings, annotation_path, image_folder, load_synth, synth_artifact
from benchmarks.detection.configs import build_detector
from benchmarks.detection.data import Batches, Pictures, coco_pictures, prediction_loader, training_loader
from benchmarks.detection.predict import detections
from benchmarks.detection.training import STATE, Plan, Watcher, finite, train

SETTINGS = SynthSettings(train_images=10, val_images=4)
TRAIN = [
    {"type": "LoadImageFromFile"},
    {"type": "LoadAnnotations", "with_bbox": True},
    {"type": "RandomFlip", "prob": 0.5},
    {"type": "PackDetInputs"},
]
TEST = [{"type": "LoadImageFromFile"}, {"type": "Resize", "scale": (96, 96)}, {"type": "PackDetInputs"}]
OPTIMISER = {"type": "OptimWrapper", "optimizer": {"type": "SGD", "lr": 0.01, "momentum": 0.9}}
STEPS = 5


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folders of a small SynthCOCO."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPRISE_HOME", str(tmp_path_factory.mktemp("home")))
        return synth_artifact(SETTINGS, "train").ensure(), synth_artifact(SETTINGS, "val").ensure()


def pictures(folder: Path, pipeline: list[dict[str, Any]], split: Any, keep: bool = False) -> Any:
    truth = load_synth(folder, split)
    rule = None if keep else {"filter_empty_gt": True, "min_size": 32}
    names = list(truth.categories.values())
    return coco_pictures(annotation_path(folder, split), image_folder(folder, split), names, pipeline, rule)


def student() -> nn.Module:
    torch.manual_seed(3)
    return build_detector(small_model("GFL-R18w8", 10))


def plan(folder: Path, name: str) -> Plan:
    schedule = [{"type": "OneCycleLR", "eta_max": 0.02, "total_steps": STEPS, "by_epoch": False}]
    return Plan(name, folder, OPTIMISER, schedule, STEPS, seed=7, save_every=2)


def fitted(drawn: tuple[Path, Path], folder: Path, name: str, stop: int | None = None) -> tuple[nn.Module, list[float]]:
    """A student trained for five iterations, or until `stop`, and its losses."""
    model, losses = student(), _Losses(stop)
    source = pictures(drawn[0], TRAIN, "train")
    done = train(model, training_loader(source, 4, STEPS, seed=1), plan(folder, name), losses)
    assert done == (stop or STEPS)
    return model, losses.seen


class _Losses(Watcher):
    """Remembers the total losses; what was kept with a checkpoint comes first."""

    def __init__(self, stop: int | None) -> None:
        self.stop = stop
        self.seen: list[float] = []

    def after(self, done: int, losses: Mapping[str, float]) -> bool:
        self.seen.append(losses["loss"])
        return done == self.stop

    def state(self) -> Any:
        return self.seen

    def restore(self, state: Any) -> None:
        self.seen = list(state)


def test_every_pass_over_the_set_is_a_permutation_of_its_own() -> None:
    draws = [draw for batch in Batches(size=10, batch_size=4, iterations=5, seed=0) for draw in batch]
    first, second = ([draw.place for draw in draws[start : start + 10]] for start in (0, 10))
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert len({draw.seed for draw in draws}) == 20


def test_batches_from_the_middle_are_those_of_the_whole() -> None:
    whole = list(Batches(10, 4, 6, seed=5))
    rest = Batches(10, 4, 6, seed=5)
    rest.start = 4
    assert list(rest) == whole[4:]
    later = Batches(10, 4, 3, seed=5, first=2)
    assert list(later) == whole[2:5]
    later.start = 1
    assert list(later) == whole[3:5]
    assert list(Batches(10, 4, 6, seed=6)) != whole


def test_groups_are_never_mixed_in_a_batch() -> None:
    groups = [0, 1, 0, 0, 1, 1, 0, 0, 0, 1]
    batches = list(Batches(10, 2, 25, seed=3, groups=groups))
    assert all(len({groups[draw.place] for draw in batch}) == 1 for batch in batches)
    drawn = [draw.place for batch in batches for draw in batch]
    assert all(4 <= drawn.count(place) <= 6 for place in range(10))


def test_an_empty_set_is_refused() -> None:
    with pytest.raises(RepriseError, match="no picture is left to train on"):
        Batches(0, 4, 6, seed=5)


def test_a_picture_depends_on_its_draw_alone_and_leaves_the_generators_alone(drawn: tuple[Path, Path]) -> None:
    source = Pictures(pictures(drawn[0], TRAIN, "train"))
    draws = next(iter(Batches(len(source), 8, 1, seed=2)))
    random.seed(1)
    np.random.seed(1)
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    first = [source[draw]["inputs"] for draw in draws]
    assert random.getstate() == before[0]
    assert np.random.get_state()[1].tolist() == before[1]
    assert torch.equal(torch.get_rng_state(), before[2])
    random.seed(2)
    np.random.seed(2)
    again = [source[draw]["inputs"] for draw in reversed(draws)]
    assert all(torch.equal(one, other) for one, other in zip(first, reversed(again), strict=True))
    flipped = [source[draw]["data_samples"].flip for draw in draws]
    assert True in flipped
    assert False in flipped


def test_a_training_that_goes_on_ends_as_if_it_had_never_stopped(drawn: tuple[Path, Path], tmp_path: Path) -> None:
    whole, losses = fitted(drawn, tmp_path / "whole", "whole")
    _, begun = fitted(drawn, tmp_path / "parts", "begun", stop=3)
    resumed, rest = fitted(drawn, tmp_path / "parts", "resumed")
    assert begun == losses[:3]
    assert rest == losses
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    kept = [torch.load(tmp_path / run / STATE, weights_only=True) for run in ("whole", "parts")]
    for key in ("optimizer", "generators", "param_schedulers"):
        assert _plain(kept[0][key]) == _plain(kept[1][key]), key


def test_a_finished_training_is_only_read_back(drawn: tuple[Path, Path], tmp_path: Path) -> None:
    trained, losses = fitted(drawn, tmp_path, "first")
    again, kept = fitted(drawn, tmp_path, "second")
    assert kept == losses
    assert all(torch.equal(a, b) for a, b in zip(trained.parameters(), again.parameters(), strict=True))


def test_a_damaged_checkpoint_is_named(drawn: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / STATE).write_bytes(b"no checkpoint")
    with pytest.raises(RepriseError, match=rf"{STATE}: cannot go on from this checkpoint .*remove it"):
        fitted(drawn, tmp_path, "damaged")


def test_losses_that_are_no_numbers_are_seen() -> None:
    assert finite({"loss": 1.0})
    assert not finite({"loss": 1.0, "loss_cls": float("nan")})
    assert not finite({"loss": float("inf")})


def test_detections_are_in_the_pixels_and_categories_of_the_set(drawn: tuple[Path, Path]) -> None:
    model = build_detector(
        {**small_model("GFL-R18w8", 10), "test_cfg": {**small_model("GFL-R18w8", 10)["test_cfg"], "score_thr": 0.0}}
    )
    model.train()
    truth = load_synth(drawn[1], "val")
    loader = prediction_loader(pictures(drawn[1], TEST, "val", keep=True), batch_size=3)
    ids = [category * 10 for category in truth.categories]
    said: list[tuple[int, int]] = []
    found = detections(model, loader, ids, lambda done, of: said.append((done, of)))
    assert model.training
    assert said == [(3, 4), (4, 4)]
    assert {entry["image_id"] for entry in found} == {image["id"] for image in truth.images}
    assert {entry["category_id"] for entry in found} <= set(ids)
    for x, y, width, height in (entry["bbox"] for entry in found):
        assert 0 <= x <= x + width <= 96
        assert 0 <= y <= y + height <= 96
    scores = evaluate(truth, [{**entry, "category_id": entry["category_id"] // 10} for entry in found])
    assert scores["AP"] is not None


def _plain(value: Any) -> Any:
    """Tensors as lists, so that nested states compare."""
    if isinstance(value, torch.Tensor):
        return value.tolist()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
