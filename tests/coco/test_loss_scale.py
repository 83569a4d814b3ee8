"""The loss-scale report: means and gradient norms as a plain computation gives them, without touching the run."""

from __future__ import annotations

import json
import math

import pytest
import torch

from benchmarks.coco.distillation.loss_scale import LossScale
from benchmarks.coco.distillation.optimiser import distilling
from benchmarks.coco.distillation.wrapper import Distiller, build_distiller
from methods.dmkd import DMKD
from tests.coco import tiny_pairs as tiny
from tests.coco.tiny_pairs import RETINANET


def test_means_ratios_and_gradients_are_those_of_a_hand_computation() -> None:
    report = LossScale((0.1, 2.0), iterations=3, gradient_every=2)
    for iteration in range(3):
        f = torch.full((1, 2, 1, 1), iteration + 1.0, requires_grad=True)
        task = {"loss_cls": (3.0 * f).sum(), "loss_bbox": [f.sum(), f.sum()], "acc": torch.tensor(50.0)}
        report.add(iteration, task, {"loss_x_feature_s8": (f * f).sum()}, {8: f}, {"x_fusion_a_s8": iteration / 4})
        assert f.grad is None
    found = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert found["iterations"] == 3
    assert found["task"] == {"loss_cls": 12.0, "loss_bbox": 8.0}
    assert found["distillation"] == {"loss_x_feature_s8": pytest.approx((2 + 8 + 18) / 3)}
    assert found["ratio"] == pytest.approx((28 / 3) / 20)
    # At iterations 0 and 2 alone: 2 f and 5 in each of two cells.
    root = math.sqrt(2.0)
    expected = {"distillation": (2 + 6) * root / 2, "task": 5 * root, "ratio": 0.8}
    assert found["gradients"] == {"8": pytest.approx(expected)}
    assert found["figures"] == {"x_fusion_a_s8": 0.5}
    assert found["warnings"] == []
    assert [report.wants(iteration) for iteration in (2, 3)] == [True, False]


@pytest.mark.parametrize(
    ("kd", "limits", "warned"),
    [(0.05, (0.1, 2.0), True), (1.0, (0.1, 2.0), False), (4.0, (0.1, 2.0), True), (4.0, (0.1, 8.0), False)],
)
def test_a_ratio_outside_the_range_is_warned_of(kd: float, limits: tuple[float, float], warned: bool) -> None:
    report = LossScale(limits)
    f = torch.ones(1, requires_grad=True)
    report.add(0, {"loss_cls": f.sum()}, {"loss_x": kd * f.sum()}, {8: f}, {})
    warnings = report.warnings()
    assert bool(warnings) is warned
    assert all(f"{kd:.3g} times the task's" in text for text in warnings)


def test_losses_that_are_no_numbers_are_null_and_warned_of() -> None:
    report = LossScale()
    f = torch.ones(1, requires_grad=True)
    report.add(0, {"loss_cls": f.sum()}, {"loss_x": f.sum() * math.nan}, {8: f}, {})
    found = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert found["ratio"] is None
    assert found["distillation"] == {"loss_x": None}
    assert len(found["warnings"]) == 1


def test_before_any_iteration_there_is_nothing_to_warn_of() -> None:
    assert LossScale().to_json()["warnings"] == []
    assert LossScale().to_json()["iterations"] == 0


def test_the_report_leaves_the_run_as_it_is_to_the_bit() -> None:
    def run(report: LossScale | None) -> tuple[Distiller, object]:
        with torch.random.fork_rng(devices=[]):
            student, teacher = tiny.detector(RETINANET), tiny.detector(RETINANET, fpn=24, seed=9)
            model = build_distiller(student, teacher, DMKD(DMKD.Settings(alpha=1e-3)), seed=3)
            model.report = report
            tiny.seed_everything(5)
            tiny.steps(model, tiny.optimiser(model, distilling(tiny.OPTIMISER)), 3)
            return model, tiny.generators()

    report = LossScale(iterations=2, gradient_every=1)
    (one, states), (two, others) = run(None), run(report)
    assert tiny.differing(one.state_dict(), two.state_dict()) == []
    assert states == others
    found = report.to_json()
    assert found["iterations"] == 2
    assert found["gradients"].keys() == {"8", "16", "32", "64", "128"}
    assert found["gradients"]["8"]["distillation"] > 0.0
    assert found["gradients"]["8"]["task"] > 0.0
    assert found["figures"].keys() == {f"dmkd_fusion_{w}_s{n}" for w in "ab" for n in (8, 16, 32, 64, 128)}
