"""What of a detector's neck is caught, and which strides and channels it has."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from benchmarks.base import RepriseError
from benchmarks.coco.distillation.capture import Captured, channels, strides
from tests.coco import tiny_pairs as tiny
from tests.coco.tiny_pairs import FASTER_RCNN, RETINANET

IMAGES = torch.zeros(1, 3, 64, 64)


@pytest.fixture(scope="module")
def retinanet() -> Any:
    return tiny.detector(RETINANET).eval()


@pytest.fixture(scope="module")
def faster_rcnn() -> Any:
    return tiny.detector(FASTER_RCNN).eval()


def reppoints() -> Any:
    """Its neck normalises after the convolution."""
    model = tiny.configs.local(tiny.configs.packaged("reppoints/reppoints-moment_r50_fpn-gn_head-gn_1x_coco")).model
    model.backbone.update(depth=18, base_channels=8)
    model.neck.in_channels = [8, 16, 32, 64]
    return tiny.configs.build_detector(model).eval()


def test_strides_and_channels_of_both_families(retinanet: Any, faster_rcnn: Any) -> None:
    assert strides(retinanet, "fpn_conv") == strides(retinanet, "neck") == [8, 16, 32, 64, 128]
    assert strides(faster_rcnn, "fpn_conv") == [4, 8, 16, 32]
    assert strides(faster_rcnn, "neck") == [4, 8, 16, 32, 64]
    assert channels(retinanet, "fpn_conv") == channels(retinanet, "neck") == [16] * 5
    assert channels(faster_rcnn, "fpn_conv") == [16] * 4


@pytest.mark.parametrize("capture", ["fpn_conv", "neck"])
def test_a_stride_is_the_images_side_over_the_maps(retinanet: Any, faster_rcnn: Any, capture: Any) -> None:
    for detector in (retinanet, faster_rcnn):
        with Captured(detector, capture) as caught, torch.no_grad():
            outputs = detector.extract_feat(torch.zeros(1, 3, 256, 256))
            maps = caught.maps()
        assert [256 // each.shape[2] for each in maps] == strides(detector, capture)
        assert [each.shape[1] for each in maps] == channels(detector, capture)
        assert all(torch.equal(one, two) for one, two in zip(maps, outputs, strict=False))


def test_the_two_places_differ_where_the_neck_normalises() -> None:
    detector = reppoints()
    found = {}
    for capture in ("fpn_conv", "neck"):
        with Captured(detector, capture) as caught, torch.no_grad():  # type: ignore[arg-type]
            detector.extract_feat(IMAGES + 1.0)
            found[capture] = caught.maps()
    for place, block in enumerate(detector.neck.fpn_convs):
        assert not torch.equal(found["fpn_conv"][place], found["neck"][place])
        assert torch.equal(block.norm(found["fpn_conv"][place]), found["neck"][place])


def test_hooks_and_maps_are_gone_afterwards(retinanet: Any) -> None:
    with Captured(retinanet, "neck") as caught, torch.no_grad():
        retinanet.extract_feat(IMAGES)
    assert not any(module._forward_hooks for module in retinanet.modules())
    with pytest.raises(RepriseError, match="0 maps caught"):
        caught.maps()


def test_hooks_are_gone_after_an_error(retinanet: Any) -> None:
    with pytest.raises(RuntimeError), Captured(retinanet, "fpn_conv"):
        retinanet.extract_feat(torch.zeros(1, 7, 64, 64))
    assert not any(module._forward_hooks for module in retinanet.modules())


def test_two_passes_are_not_mixed_up(retinanet: Any) -> None:
    with Captured(retinanet, "neck"), torch.no_grad():
        retinanet.extract_feat(IMAGES)
        with pytest.raises(RepriseError, match="two forward passes"):
            retinanet.extract_feat(IMAGES)


def test_a_map_overwritten_in_place_is_noticed() -> None:
    detector = tiny.detector(RETINANET)
    with Captured(detector, "fpn_conv") as caught, torch.no_grad():
        outputs = detector.extract_feat(IMAGES)
        outputs[1].relu_()
        with pytest.raises(RepriseError, match="level 1 overwritten in place"):
            caught.maps()


def test_detectors_that_cannot_be_distilled_are_named() -> None:
    class Headless(nn.Module):
        neck = None

    with pytest.raises(RepriseError, match="Headless cannot be distilled: it has no neck"):
        strides(Headless(), "neck")
    detector = tiny.detector(RETINANET)
    del detector.neck.fpn_convs
    with pytest.raises(RepriseError, match="without fpn_convs; use capture=neck"):
        strides(detector, "fpn_conv")
    assert channels(detector, "neck") == [16] * 5
    detector.neck.out_channels = [16] * 5
    with pytest.raises(RepriseError, match="does not tell its out_channels"):
        channels(detector, "neck")
    detector.bbox_head.prior_generator = None
    with pytest.raises(RepriseError, match="strides of its maps are not known"):
        strides(detector, "neck")


@pytest.mark.parametrize(
    ("name", "convs", "outputs"),
    [
        ("gfl/gfl_r50_fpn_1x_coco", [8, 16, 32, 64, 128], [8, 16, 32, 64, 128]),
        ("atss/atss_r50_fpn_1x_coco", [8, 16, 32, 64, 128], [8, 16, 32, 64, 128]),
        ("fcos/fcos_r50-caffe_fpn_gn-head_1x_coco", [8, 16, 32, 64, 128], [8, 16, 32, 64, 128]),
        ("cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco", [4, 8, 16, 32], [4, 8, 16, 32, 64]),
    ],
)
def test_strides_of_the_packaged_families(name: str, convs: list[int], outputs: list[int]) -> None:
    model = tiny.configs.local(tiny.configs.packaged(name)).model
    model.backbone.update(depth=18, base_channels=8)
    model.neck.in_channels = [8, 16, 32, 64]
    detector = tiny.configs.build_detector(model).eval()
    for capture, expected in (("fpn_conv", convs), ("neck", outputs)):
        assert strides(detector, capture) == expected  # type: ignore[arg-type]
        with Captured(detector, capture) as caught, torch.no_grad():  # type: ignore[arg-type]
            detector.extract_feat(torch.zeros(1, 3, 128, 128))
            assert [(each.shape[1], 128 // each.shape[2]) for each in caught.maps()] == [(256, s) for s in expected]
