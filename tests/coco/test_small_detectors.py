"""Small detectors: names, training from scratch, prediction, and that any may teach any other."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks.base import RepriseError
from benchmarks.coco.small_detectors import CHANNELS, HEADS, STRIDES, SmallDetector, parse, small_model
from benchmarks.detection import configs, install_ops

install_ops()

from mmdet.structures import DetDataSample  # noqa: E402
from mmdet.structures.bbox import HorizontalBoxes, bbox_overlaps  # noqa: E402
from mmengine.optim import OptimWrapper  # noqa: E402
from mmengine.structures import InstanceData  # noqa: E402

SIDE = 96


def detector(name: str, categories: int = 10) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return configs.build_detector(small_model(name, categories))


def batch() -> dict[str, Any]:
    """Two pictures: two coloured squares, and noise without an object."""
    samples = []
    boxes = torch.tensor([[8.0, 10, 30, 32], [50, 40, 84, 74]])
    pictures = torch.randint(0, 256, (2, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    for label, (left, top, right, bottom) in enumerate(boxes.int().tolist()):
        pictures[0, label, top:bottom, left:right] = 255
    for number in range(2):
        shape = dict.fromkeys(("img_shape", "ori_shape", "pad_shape"), (SIDE, SIDE))
        sample = DetDataSample(metainfo={**shape, "scale_factor": (1.0, 1.0), "img_id": number})
        kept = slice(None) if number == 0 else slice(0, 0)
        labels = torch.arange(2)[kept]
        sample.gt_instances = InstanceData(bboxes=HorizontalBoxes(boxes[kept]), labels=labels)
        samples.append(sample)
    return {"inputs": list(pictures), "data_samples": samples}


def step(model: nn.Module) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of a training step, whole and in parts."""
    data = model.data_preprocessor(batch(), training=True)
    return model.parse_losses(model.loss(data["inputs"], data["data_samples"]))


@pytest.mark.parametrize("head", HEADS)
def test_every_head_trains_all_its_parameters_and_predicts(head: str) -> None:
    model = detector(f"{head}-R18w8").train()
    statistics = model.backbone.bn1.running_mean.clone()
    total, losses = step(model)
    total.backward()
    assert all(torch.isfinite(value) for value in losses.values())
    assert [name for name, value in model.named_parameters() if not value.requires_grad or value.grad is None] == []
    moving = {name.partition(".")[0] for name, value in model.named_parameters() if value.grad.any()}
    assert moving == {"backbone", "neck", "bbox_head"}
    assert model.backbone.conv1.weight.grad.any()
    assert not torch.equal(model.backbone.bn1.running_mean, statistics)

    model.eval()
    model.bbox_head.test_cfg.score_thr = 0.0
    with torch.no_grad():
        found = [sample.pred_instances for sample in model.test_step(batch())]
    for instances in found:
        assert 0 < len(instances) <= 100
        assert ((instances.bboxes >= 0) & (instances.bboxes <= SIDE)).all()
        assert (instances.labels < 10).all()


@pytest.mark.parametrize("head", HEADS)
def test_every_head_learns_two_squares(head: str) -> None:
    model = detector(f"{head}-R18w8", categories=2).train()
    optimiser = OptimWrapper(
        torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True), clip_grad={"max_norm": 10.0}
    )
    for _ in range(40):
        model.train_step(batch(), optimiser)
    model.eval()
    with torch.no_grad():
        squares, noise = [sample.pred_instances for sample in model.test_step(batch())]
    for label, box in enumerate(batch()["data_samples"][0].gt_instances.bboxes.tensor):
        best = squares[squares.labels == label][0]
        assert bbox_overlaps(box[None], best.bboxes) > 0.5
        assert (noise.scores < best.scores).all()


def maps(name: str) -> list[Tensor]:
    model = detector(name).eval()
    with torch.no_grad():
        inputs = model.data_preprocessor({"inputs": batch()["inputs"]}, training=False)["inputs"]
        return list(model.extract_feat(inputs))


def test_all_small_detectors_have_maps_of_the_same_shapes_at_stated_strides() -> None:
    expected = [(2, CHANNELS, SIDE // stride, SIDE // stride) for stride in STRIDES]
    for head in HEADS:
        assert [tuple(level.shape) for level in maps(f"{head}-R18w4")] == expected
    assert [tuple(level.shape) for level in maps("GFL-R34w6")] == expected


def test_all_small_detectors_see_pictures_alike() -> None:
    seen = [small_model(f"{head}-R{depth}w8", 10)["data_preprocessor"] for head in HEADS for depth in (18, 34)]
    assert all(other == seen[0] for other in seen)


@pytest.mark.parametrize(("head", "half"), [("GFL", 4), ("ATSS", 4), ("RetinaNet", 2)])
def test_anchors_are_half_as_large_as_in_the_packaged_detector(head: str, half: int) -> None:
    name = {"GFL": "gfl_r50_fpn_1x_coco", "ATSS": "atss_r50_fpn_1x_coco", "RetinaNet": "retinanet_r50_fpn_1x_coco"}[
        head
    ]
    packaged = configs.packaged(name).model.bbox_head.anchor_generator
    small = small_model(f"{head}-R18w8", 10)["bbox_head"]["anchor_generator"]
    assert small["octave_base_scale"] == half == packaged.octave_base_scale / 2
    assert (small["ratios"], small["scales_per_octave"]) == (packaged.ratios, packaged.scales_per_octave)


def test_width_and_depth_are_those_of_the_name() -> None:
    model = detector("GFL-R34w12")
    assert model.backbone.conv1.out_channels == 12
    assert [len(model.backbone.layer1), len(model.backbone.layer3)] == [3, 6]
    assert model.backbone.layer4[-1].conv2.out_channels == 96
    assert model.bbox_head.num_classes == 10


def test_the_demos_teacher_is_under_five_megabytes_in_half_precision() -> None:
    buffer = io.BytesIO()
    state = detector("GFL-R18w28").state_dict()
    torch.save({name: value.half() if value.is_floating_point() else value for name, value in state.items()}, buffer)
    assert buffer.tell() < 5_000_000


def test_a_name_says_head_depth_and_width() -> None:
    assert parse("GFL-R18w16") == SmallDetector("GFL", 18, 16)
    assert parse("GFL-R18-1x") is None
    assert parse("RetinaNet-R50-2x") is None


@pytest.mark.parametrize("name", ["YOLO-R18w16", "GFL-R50w16", "GFL-R18w0"])
def test_a_small_detector_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(RepriseError, match=rf"small detector '{name}': name it <head>-R<depth>w<base width>"):
        small_model(name, 10)


def test_a_model_needs_a_small_name_and_a_category() -> None:
    with pytest.raises(RepriseError, match="'RetinaNet-R50-2x' is no small detector"):
        small_model("RetinaNet-R50-2x", 10)
    with pytest.raises(RepriseError, match="0 categories"):
        small_model("GFL-R18w8", 0)
