"""Recipes: schedules in iterations, what deviates from a packaged configuration, pipelines over real files, backbones by path."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from benchmarks.base import RepriseError
from benchmarks.coco.annotations import load_annotations
from benchmarks.coco.recipes import Budget, CocoRecipe, detector_model, prediction_pipeline, recipe
from benchmarks.coco.zoo import ZOO, detector
from benchmarks.detection import configs, install_ops
from benchmarks.detection.data import coco_pictures, prediction_loader, training_loader

install_ops()

from mmdet.models.backbones import ResNet  # noqa: E402
from mmengine.config import ConfigDict  # noqa: E402
from mmengine.optim import build_optim_wrapper  # noqa: E402
from mmengine.registry import PARAM_SCHEDULERS  # noqa: E402

SMALL = (160, 96)
TRAIN_IMAGES = 117_266
"""What mmdet's filter leaves of train2017 (protocol, section 1)."""


def packaged(name: str = "RetinaNet-R18-1x", categories: int = 80, **budget: Any) -> CocoRecipe:
    return recipe(ZOO[name], categories, Budget(**{"images": 160, "backbone": "fresh", **budget}))


def small(**budget: Any) -> CocoRecipe:
    return recipe(detector("GFL-R18w8"), 10, Budget(**{"iterations": 40, **budget}))


def optimiser(rate: float) -> torch.optim.Optimizer:
    return torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=rate, momentum=0.9)


def rates(made: CocoRecipe) -> list[float]:
    """The learning rate of every iteration, by mmengine's schedulers stepped once per iteration."""
    sgd = optimiser(made.optim_wrapper["optimizer"]["lr"])
    schedulers = [
        PARAM_SCHEDULERS.build(dict(scheduler), default_args={"optimizer": sgd}) for scheduler in made.schedulers
    ]
    found = []
    for _ in range(made.iterations):
        found.append(sgd.param_groups[0]["lr"])
        sgd.step()
        for scheduler in schedulers:
            scheduler.step()
    return found


def rates_by_epoch(name: str, epoch: int) -> list[float]:
    """The same from the packaged configuration, its schedulers stepped as they ask for: by iteration or by epoch."""
    config = configs.packaged(str(ZOO[name].config))
    sgd = optimiser(config.optim_wrapper.optimizer.lr)
    built = [
        (PARAM_SCHEDULERS.build(dict(s), default_args={"optimizer": sgd}), s.by_epoch) for s in config.param_scheduler
    ]
    found = []
    for _ in range(config.train_cfg.max_epochs):
        for _ in range(epoch):
            found.append(sgd.param_groups[0]["lr"])
            sgd.step()
            for scheduler, by_epoch in built:
                if not by_epoch:
                    scheduler.step()
        for scheduler, by_epoch in built:
            if by_epoch:
                scheduler.step()
    return found


# -- schedules --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "images", "epoch"),
    [
        ("RetinaNet-R18-1x", 1000, 63),
        ("FasterRCNN-R50-2x", 1000, 63),
        ("FCOS-R50-ms2x", 600, 38),
        ("CascadeMaskRCNN-X101-64x4d-20e", 640, 40),
        ("RetinaNet-X101-64x4d-ms3x", 337, 64),
    ],
)
def test_a_schedule_in_iterations_has_the_rates_of_the_packaged_one(name: str, images: int, epoch: int) -> None:
    made = packaged(name, images=images)
    assert rates(made) == pytest.approx(rates_by_epoch(name, epoch), rel=1e-9)
    assert made.deviations == ("backbone without pretrained weights",)


def test_the_published_schedules_have_the_published_lengths() -> None:
    assert packaged("RetinaNet-R50-2x", images=TRAIN_IMAGES).iterations == 24 * 7330
    assert packaged("RetinaNet-X101-64x4d-ms3x", images=TRAIN_IMAGES).iterations == 12 * 21_988


@pytest.mark.parametrize("name", ZOO)
def test_every_detector_of_the_zoo_has_a_recipe(name: str) -> None:
    made = packaged(name)
    assert made.iterations > 0
    assert all(scheduler["by_epoch"] is False for scheduler in made.schedulers)
    assert made.batch_size == 16
    assert made.filter_cfg == {"filter_empty_gt": True, "min_size": 32}


def test_a_schedule_is_stretched_to_epochs_and_cut_at_iterations() -> None:
    whole = packaged("RetinaNet-R50-2x", images=1600)
    half = packaged("RetinaNet-R50-2x", images=1600, epochs=12)
    single = packaged("RetinaNet-R50-1x", images=1600)
    assert rates(half) == rates(single)
    assert "12 epochs, packaged 24" in half.deviations
    cut = packaged("RetinaNet-R50-2x", images=1600, iterations=300)
    assert rates(cut) == rates(whole)[:300]
    assert "cut after 300 of 2400 iterations of the schedule" in cut.deviations


def test_a_stage_of_so_many_iterations_is_as_long_as_asked() -> None:
    whole = packaged("RetinaNet-R50-2x", images=TRAIN_IMAGES)
    assert whole.epoch == 7330
    for iterations in (87_960, 1000, 7331):
        assert (
            packaged("RetinaNet-R50-2x", images=TRAIN_IMAGES, epochs=iterations / whole.epoch).iterations == iterations
        )


def test_the_rate_follows_the_batch_and_every_deviation_is_said() -> None:
    made = packaged(batch_size=4, clip=35.0, categories=3, scale=SMALL)
    assert made.batch_size == 4
    assert made.optim_wrapper["optimizer"]["lr"] == pytest.approx(0.0025)
    assert made.optim_wrapper["clip_grad"] == {"max_norm": 35.0, "norm_type": 2}
    assert made.iterations == 12 * 40
    assert made.deviations == (
        "batch 4, packaged 16",
        "learning rate 0.0025 (scaled with the batch), packaged 0.01",
        "gradients clipped at 35, packaged 0 (0: not)",
        "3 categories, packaged 80",
        "backbone without pretrained weights",
        "pictures resized to fit (160, 96)",
    )


def test_a_given_rate_is_taken_as_it_is() -> None:
    made = packaged(batch_size=4, learning_rate=0.01)
    assert made.optim_wrapper["optimizer"]["lr"] == 0.01
    assert made.deviations == ("batch 4, packaged 16", "backbone without pretrained weights")


def test_packaged_clipping_and_parameter_rules_are_kept_and_can_be_switched_off() -> None:
    kept = packaged("FCOS-R50-ms2x")
    assert kept.optim_wrapper["clip_grad"]["max_norm"] == 35
    assert kept.optim_wrapper["paramwise_cfg"] == {"bias_lr_mult": 2.0, "bias_decay_mult": 0.0}
    assert packaged("FCOS-R50-ms2x", clip=35).deviations == kept.deviations
    assert packaged("FCOS-R50-ms2x", clip=0).optim_wrapper["clip_grad"] is None


@pytest.mark.parametrize("iterations", [1, 2, 5, 10, 11, 40, 600])
def test_the_small_recipe_goes_up_over_a_tenth_and_down_to_nothing(iterations: int) -> None:
    made = small(iterations=iterations)
    found = rates(made)
    assert len(found) == iterations
    assert max(found) <= 0.08 + 1e-12
    assert found[-1] < 1e-5 or iterations == 1
    if iterations >= 40:
        assert found[0] == pytest.approx(0.08 / 25)
        assert abs(found.index(max(found)) - 0.1 * iterations) <= 1
        assert max(found) == pytest.approx(0.08)
        assert found[: iterations // 10] == sorted(found[: iterations // 10])


def test_the_small_recipe_is_the_measured_one() -> None:
    made = small()
    sgd = {"type": "SGD", "lr": 0.08, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-4}
    assert made.optim_wrapper["optimizer"] == sgd
    assert made.optim_wrapper["clip_grad"]["max_norm"] == 10.0
    assert (made.batch_size, made.test_batch_size, made.deviations) == (8, 50, ())
    changed = small(batch_size=4, learning_rate=0.02, clip=0.0)
    assert changed.optim_wrapper["optimizer"]["lr"] == changed.schedulers[0]["eta_max"] == 0.02
    assert (changed.batch_size, changed.optim_wrapper["clip_grad"]) == (4, None)


# -- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "budget", "words"),
    [
        ("GFL-R18w8", {}, "GFL-R18w8 has no schedule of its own; give iterations"),
        ("RetinaNet-R18-1x", {}, "RetinaNet-R18-1x: give images"),
        ("RetinaNet-R18-1x", {"images": 160, "iterations": 121}, "iterations is 121, and the schedule has 120"),
        ("RetinaNet-R18-1x", {"images": 16, "epochs": 0.1}, "less than one iteration"),
    ],
)
def test_a_budget_that_does_not_fit_is_refused(name: str, budget: dict[str, Any], words: str) -> None:
    with pytest.raises(RepriseError, match=words):
        recipe(detector(name), 10, Budget(backbone="fresh", **budget))


@pytest.mark.parametrize(
    "wrong",
    [
        {"iterations": 0},
        {"batch_size": 0},
        {"images": 0},
        {"learning_rate": 0.0},
        {"learning_rate": math.nan},
        {"epochs": -1.0},
        {"clip": -1.0},
        {"scale": (0, 96)},
    ],
)
def test_a_budget_without_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(RepriseError, match=next(iter(wrong))):
        Budget(**wrong)


# -- backbones --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    """A ResNet-18's tensors as torchvision publishes them: with a classifier, which no detector has."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        backbone = ResNet(depth=18)
    state = {
        name: torch.randn_like(value) if value.is_floating_point() else value
        for name, value in backbone.state_dict().items()
    }
    return {**state, "fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}


def test_a_backbone_starts_from_the_file_that_the_configuration_names(
    weights: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRISE_CHECKPOINTS", str(tmp_path))
    torch.save(weights, tmp_path / "resnet18-f37072fd.pth")
    made = packaged(backbone="zoo")
    assert made.deviations == ()
    built = configs.build_detector(made.model).backbone.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in built.items())


def test_a_missing_backbone_names_file_variable_and_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRISE_CHECKPOINTS", str(tmp_path))
    with pytest.raises(RepriseError) as caught:
        packaged(backbone="zoo")
    for part in (str(tmp_path / "resnet18-f37072fd.pth"), "download.pytorch.org", "REPRISE_CHECKPOINTS"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("FCOS-R50-ms2x", "resnet50_caffe-788b5fa3.pth"),
        ("RetinaNet-X101-64x4d-1x", "resnext101_64x4d-ee2c6f71.pth"),
        ("RetinaNet-SwinT-1x", "swin_tiny_patch4_window7_224.pth"),
    ],
)
def test_every_kind_of_weights_name_leads_to_a_file(name: str, file: str) -> None:
    with pytest.raises(RepriseError, match=rf"checkpoints/{file}: the backbone weights of {name} are not there"):
        packaged(name, backbone="zoo")


def test_a_backbones_file_that_does_not_fit_is_named(weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": {f"module.{name}": value for name, value in weights.items()}}, path)
    assert packaged(backbone=str(path)).deviations == ()
    without = {name: value for name, value in weights.items() if name != "layer1.0.conv1.weight"}
    torch.save(without, path)
    with pytest.raises(RepriseError, match=r"weights\.pth: 'layer1\.0\.conv1\.weight' is missing, and ResNet-18 needs"):
        packaged(backbone=str(path))
    torch.save(weights, path)
    with pytest.raises(RepriseError, match=r"ResNet-50 needs"):
        packaged("RetinaNet-R50-1x", backbone=str(path))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(RepriseError, match="not readable as weights"):
        packaged(backbone=str(path))
    with pytest.raises(RepriseError, match="no such file"):
        packaged(backbone=str(tmp_path / "absent.pth"))


# -- models and pipelines ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["RetinaNet-R18-1x", "CascadeMaskRCNN-X101-32x4d-DCN-1x", "GFL-R18w8"])
def test_a_teachers_model_asks_for_no_weights_and_has_heads_for_the_categories(name: str) -> None:
    model = detector_model(detector(name), 7)
    assert model["backbone"].get("init_cfg") is None
    text = str(model)
    assert "'num_classes': 7" in text
    assert "'num_classes': 80" not in text


@pytest.mark.parametrize("name", ["RetinaNet-R18-1x", "FCOS-R50-ms2x", "RetinaNet-R101-2x", "MaskRCNN-SwinS-ms3x"])
def test_a_fixed_scale_takes_the_place_of_every_rule_of_resizing(name: str) -> None:
    made = packaged(name, scale=SMALL)
    for pipeline in (made.train_pipeline, made.test_pipeline):
        sizes = [step["scale"] for step in pipeline if "Resize" in step["type"] or "Choice" in step["type"]]
        assert sizes == [SMALL]


def step(made: CocoRecipe, batch: dict[str, Any]) -> dict[str, float]:
    """The losses of one training step, after which every tensor is still finite."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = configs.build_detector(made.model).train()
        wrapper = build_optim_wrapper(model, ConfigDict(made.optim_wrapper))
        losses = model.train_step(batch, wrapper)
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())
    return {name: float(torch.as_tensor(value).detach()) for name, value in losses.items()}


def load(annotations: Path, folder: Path, made: CocoRecipe, train: bool = True) -> tuple[Any, list[str]]:
    names = list(load_annotations(annotations).categories.values())
    pipeline = made.train_pipeline if train else made.test_pipeline
    return coco_pictures(annotations, folder, names, pipeline, made.filter_cfg if train else None), names


def test_our_own_pictures_go_through_the_packaged_pipeline_and_a_step(own_coco: tuple[Path, Path]) -> None:
    made = packaged(categories=10, scale=SMALL, batch_size=5, images=5)
    source, names = load(*own_coco, made)
    truth = load_annotations(own_coco[0])
    assert [source.get_data_info(place)["img_id"] for place in range(len(source))] == [1, 2, 3, 4, 6]
    batch = next(iter(training_loader(source, 5, 1, seed=0)))
    for picture, sample in zip(batch["inputs"], batch["data_samples"], strict=True):
        known = [entry for entry in truth.dataset["annotations"] if entry["image_id"] == sample.img_id]
        plain = [names.index(truth.categories[entry["category_id"]]) for entry in known if not entry["iscrowd"]]
        assert sample.gt_instances.labels.tolist() == plain
        assert len(sample.ignored_instances) == len(known) - len(plain) == (sample.img_id == 3)
        height, width = sample.img_shape
        assert tuple(picture.shape) == (3, height, width)
        # As large as fits with the long side at most 160 and the short side at most 96.
        assert max(max(height, width) / 160, min(height, width) / 96) == 1.0
        corners = sample.gt_instances.bboxes.tensor
        assert ((corners >= 0) & (corners <= torch.tensor([width, height, width, height]))).all()
    assert all(math.isfinite(value) for value in step(made, batch).values())


def test_prediction_sees_every_picture_even_the_empty_one(own_coco: tuple[Path, Path]) -> None:
    made = recipe(detector("GFL-R18w8"), 10, Budget(iterations=1))
    source, _ = load(*own_coco, made, train=False)
    samples = [sample for batch in prediction_loader(source, 1) for sample in batch["data_samples"]]
    assert [sample.img_id for sample in samples] == [1, 2, 3, 4, 5, 6]
    assert all(sample.img_shape == sample.ori_shape for sample in samples)
    assert all(sample.scale_factor == (1.0, 1.0) for sample in samples)
    assert made.test_pipeline == prediction_pipeline(detector("GFL-R18w8"))


def test_the_small_pipeline_mirrors_both_ways_and_boxes_follow(own_coco: tuple[Path, Path]) -> None:
    made = small(iterations=1)
    source, _ = load(*own_coco, made)
    loader = training_loader(source, 5, 8, seed=3)
    plain = {int(source.get_data_info(place)["img_id"]): place for place in range(len(source))}
    seen = set()
    for batch in loader:
        for picture, sample in zip(batch["inputs"], batch["data_samples"], strict=True):
            how = sample.flip_direction or "none"
            seen.add(how)
            height, width = sample.img_shape
            entries = [e for e in source.get_data_info(plain[sample.img_id])["instances"] if not e["ignore_flag"]]
            expected = []
            for x1, y1, x2, y2 in (entry["bbox"] for entry in entries):
                if how in ("horizontal", "diagonal"):
                    x1, x2 = width - x2, width - x1
                if how in ("vertical", "diagonal"):
                    y1, y2 = height - y2, height - y1
                expected.append([x1, y1, x2, y2])
            assert sample.gt_instances.bboxes.tensor.tolist() == expected
            assert tuple(picture.shape) == (3, height, width)
    assert seen == {"none", "horizontal", "vertical", "diagonal"}


def test_a_small_detector_trains_a_step_on_our_own_pictures(own_coco: tuple[Path, Path]) -> None:
    made = small(iterations=1, batch_size=5)
    source, _ = load(*own_coco, made)
    losses = step(made, next(iter(training_loader(source, 5, 1, seed=0))))
    assert losses["loss_bbox"] > 0.0


def test_real_pictures_go_through_the_packaged_pipeline_and_a_step(shared_data: Path) -> None:
    root = shared_data / "coco" / "coco_free"
    made = packaged(scale=SMALL, batch_size=4, images=47)
    sizes = {}
    for split in ("train2017", "val2017"):
        source, names = load(root / "annotations" / f"instances_{split}.json", root / split, made)
        sizes[split] = len(source)
        assert len(names) == 80
    assert sizes == {"train2017": 47, "val2017": 55}
    source, _ = load(root / "annotations" / "instances_train2017.json", root / "train2017", made)
    losses = step(made, next(iter(training_loader(source, 4, 1, seed=0))))
    assert losses["loss_cls"] > 0.0
    assert losses["loss_bbox"] > 0.0
