"""The distiller under mmengine's runner, as the harness trains it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.coco.distillation.optimiser import distilling
from benchmarks.coco.distillation.wrapper import Distiller, build_distiller
from benchmarks.detection.data import training_loader
from benchmarks.detection.training import Plan, Watcher, train
from methods.dmkd import DMKD
from tests.coco import tiny_pairs as tiny
from tests.coco.tiny_pairs import RETINANET

ITERATIONS = 4


class Drawn:
    """Eight pictures, the same at every look."""

    metainfo: dict[str, Any] = {}

    def __len__(self) -> int:
        return 8

    def get_data_info(self, place: int) -> dict[str, int]:
        return {"width": tiny.SIDE, "height": tiny.SIDE}

    def __getitem__(self, place: int) -> dict[str, Any]:
        return {key: values[place % 2] for key, values in tiny.batch(place).items()}


def distiller(alpha: float) -> Distiller:
    student, teacher = tiny.detector(RETINANET), tiny.detector(RETINANET, fpn=24, seed=9)
    method = DMKD(DMKD.Settings(alpha=alpha, mask_mode="random"))
    return build_distiller(student, teacher, method, seed=3, allow_inert=True)


class Listener(Watcher):
    """Tells the distiller where training stands, keeps the losses, and ends training after `stop` iterations."""

    def __init__(self, model: nn.Module, stop: int | None) -> None:
        self.model, self.stop = model, stop
        self.logged: list[dict[str, float]] = []

    def before(self, iteration: int) -> None:
        if isinstance(self.model, Distiller):
            self.model.begin(iteration, 0, iteration / (ITERATIONS - 1))

    def after(self, done: int, losses: Mapping[str, float]) -> bool:
        self.logged.append(dict(losses))
        return done == self.stop


def trained(model: nn.Module, folder: Path, name: str, stop: int | None = None) -> list[dict[str, float]]:
    """The losses of each iteration."""
    rate = {"type": "OneCycleLR", "eta_max": 0.05, "total_steps": ITERATIONS, "by_epoch": False}
    given = distilling(tiny.OPTIMISER) if isinstance(model, Distiller) else tiny.OPTIMISER
    plan = Plan(f"{folder.parent.name}-{folder.name}-{name}", folder, given, [rate], ITERATIONS, seed=5, save_every=2)
    listener = Listener(model, stop)
    with torch.random.fork_rng(devices=[]):
        train(model, training_loader(Drawn(), 2, ITERATIONS, seed=1), plan, listener)
    return listener.logged


def test_a_training_with_every_weight_zero_is_the_plain_one_to_the_bit(tmp_path: Path) -> None:
    plain, inert = tiny.detector(RETINANET), distiller(0.0)
    losses = [trained(model, tmp_path / name, name) for name, model in (("plain", plain), ("inert", inert))]
    assert tiny.differing(plain.state_dict(), inert.student.state_dict()) == []
    assert len(losses[0]) == ITERATIONS
    for before, now in zip(*losses, strict=True):
        assert now == before | {f"loss_dmkd_feature_s{stride}": 0.0 for stride in (8, 16, 32, 64, 128)}


def test_a_stopped_training_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    whole = distiller(1e-3)
    expected = trained(whole, tmp_path / "whole", "whole")
    first = trained(distiller(1e-3), tmp_path / "parts", "first", stop=3)
    second = distiller(1e-3)
    rest = trained(second, tmp_path / "parts", "second")
    assert first == expected[:3]
    assert rest == expected[2:]
    assert tiny.differing(whole.state_dict(), second.state_dict()) == []
