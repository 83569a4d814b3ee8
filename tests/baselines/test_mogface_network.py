"""MogFace's networks: exact parameters and multiply-accumulates, shapes, form of each part, and gradients everywhere."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from baselines.mogface import MogFace, Settings
from baselines.mogface.anchors import grid_sizes
from baselines.mogface.context import CPM, SSHContext
from baselines.mogface.detector import MogFaceDetector
from baselines.mogface.heads import DeepHead
from baselines.mogface.lfpn import LFPN, doubled
from baselines.mogface.presets import PRESETS
from benchmarks.base import RepriseError
from benchmarks.detection import install_ops

install_ops()

from mmdet.structures import DetDataSample  # noqa: E402
from mmengine.structures import InstanceData  # noqa: E402

from benchmarks.detection.complexity import measure  # noqa: E402


def settings(preset: str, **changes: Any) -> Settings:
    return Settings(**{**PRESETS[preset]("wider-face"), **changes})


def detector(preset: str, **changes: Any) -> Any:
    torch.manual_seed(0)
    return MogFace(settings(preset, **changes)).build()


def shapes(preset: str) -> Any:
    """The same without numbers."""
    with torch.device("meta"):
        return MogFaceDetector(settings(preset))


def convolution_macs(model: Any, side: int = 640) -> int:
    """Outputs times weights of a filter, over every convolution that one image passes. Shapes alone: no number is computed."""
    total = 0

    def count(layer: nn.Conv2d, inputs: Any, output: Tensor) -> None:
        nonlocal total
        total += output.numel() * layer.weight[0].numel()

    model.eval()
    hooks = [part.register_forward_hook(count) for part in model.modules() if isinstance(part, nn.Conv2d)]
    model(torch.zeros(1, 3, side, side, device="meta"), mode="tensor")
    for hook in hooks:
        hook.remove()
    return total


@pytest.mark.parametrize(
    ("preset", "parameters", "macs"),
    [
        ("paper", 85_268_938, 808_051_628_800),
        ("released", 85_268_938, 808_051_628_800),
        ("mogface_e", 86_787_658, 356_434_035_200),
        ("mogface_e_released", 85_667_402, 349_303_718_400),
        ("baseline", 36_068_318, 59_201_030_400),
        ("ali_ams", 36_068_318, 59_201_030_400),
        ("sse", 36_068_318, 59_201_030_400),
        ("hcam", 41_786_852, 102_533_414_400),
    ],
)
def test_budget_is_the_specifications_to_the_integer(preset: str, parameters: int, macs: int) -> None:
    model = shapes(preset)
    assert sum(value.numel() for value in model.parameters()) == parameters
    assert convolution_macs(model) == macs


def test_parts_are_those_of_the_budget() -> None:
    model = shapes("paper")
    parts = {name: sum(value.numel() for value in part.parameters()) for name, part in model.named_children()}
    assert {name: round(count / 1e6, 3) for name, count in parts.items() if count} == {
        "backbone": 42.500,
        "neck": 12.491,
        "context": 1.328,
        "head": 18.910,  # heads 18.887 and predictors 0.023
        "first_shot": 10.040,
    }


def test_the_suites_counter_agrees_at_640() -> None:
    cost = measure(detector("baseline"), (3, 640, 640))
    assert cost.product_macs == 59_201_030_400
    assert cost.parameters.all == cost.parameters.trainable == 36_068_318
    assert cost.macs == pytest.approx(cost.product_macs, rel=0.01)


def test_the_small_model_is_narrow_throughout() -> None:
    cost = measure(detector("small"), (3, 128, 128))
    assert 0.3e6 < cost.parameters.all < 0.45e6
    assert cost.product_macs < 0.2e9
    assert settings("small").hcam is False


# -- gradients ---------------------------------------------------------------------------------------------------------------


def samples(side: int, *boxes: list[list[float]]) -> list[Any]:
    made = []
    for own in boxes:
        sample = DetDataSample(
            metainfo={"img_shape": (side, side), "ori_shape": (side, side), "scale_factor": (1.0, 1.0)}
        )
        corners = torch.tensor(own).reshape(-1, 4)
        sample.gt_instances = InstanceData(bboxes=corners, labels=torch.zeros(len(corners), dtype=torch.int64))
        made.append(sample)
    return made


def faces_of_every_level(scale: float, side: int) -> list[list[float]]:
    """A face as large as each level's anchor, and as each first-shot anchor, around the picture's centre."""
    sizes = [4 * stride * scale * factor for stride in (4, 8, 16, 32, 64, 128) for factor in (1.0, 0.5)]
    return [[side / 2 - size / 2, side / 2 - size / 2, side / 2 + size / 2, side / 2 + size / 2] for size in sizes]


def wide_awake(model: Any) -> None:
    """Past the start, at which residual blocks are off and no cell is predicted."""
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.ones_(part.weight)
    for name, value in model.named_parameters():
        if "classify" in name and name.endswith("bias"):
            nn.init.zeros_(value)


@pytest.mark.parametrize(
    ("preset", "changes"),
    [
        ("paper", {}),
        ("hcam", {}),
        ("small", {}),
        ("small", {"hcam": True}),
        ("small", {"context": "cpm"}),
    ],
    ids=["paper", "hcam", "small", "small with HCAM", "small with CPM"],
)
def test_every_counted_parameter_receives_a_gradient(preset: str, changes: Mapping[str, Any]) -> None:
    side = 64
    model = detector(preset, **changes).train()
    wide_awake(model)
    faces = faces_of_every_level(model.settings.anchor_scale, side)
    draw = torch.Generator().manual_seed(0)
    losses = model.loss(torch.randn(2, 3, side, side, generator=draw), samples(side, faces, faces[:2]))
    assert all(torch.isfinite(value) and value > 0 for value in losses.values())
    sum(losses.values()).backward()
    silent = [name for name, value in model.named_parameters() if value.grad is None]
    assert silent == []
    # A bias before batch norm is in the graph, but cannot change the loss.
    still = [name for name, value in model.named_parameters() if value.dim() > 1 and not value.grad.any()]
    assert still == []


def test_d1_released_heads_have_idle_convolutions_of_the_size_given() -> None:
    model = detector("small", deephead_convs="released").train()
    sum(model.loss(torch.randn(2, 3, 64, 64), samples(64, [[8, 8, 24, 30]], [])).values()).backward()
    idle = {name for name, value in model.named_parameters() if value.grad is None}
    wanted = {
        f"head.{part}.convs.{layer}.{kind}"
        for part in ("class_head", "box_head")
        for layer in (1, 2, 3)
        for kind in ("weight", "bias")
    }
    assert idle == wanted
    assert 2 * 3 * (512 * 512 * 9 + 512) == 14_158_848  # R101: 14.16 M


# -- form of the parts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(64, 64), (65, 131), (97, 40)])
def test_maps_have_the_anchors_grid_at_any_size(height: int, width: int) -> None:
    model = detector("small", hcam=True).eval()
    with torch.no_grad():
        found = model.outputs(torch.zeros(1, 3, height, width), 0.1)
    for maps in (found.main, found.first_shot):
        assert [tuple(level.shape[-2:]) for level in maps.logits] == grid_sizes(height, width)
        assert [level.shape[1] for level in maps.codes] == [4] * 6
    assert [tuple(level.shape[-2:]) for level in found.second.logits] == grid_sizes(height, width)


def test_lfpn_keeps_running_sums() -> None:
    torch.manual_seed(0)
    neck = LFPN((4, 8, 16, 32), 8, 0.1).eval()
    trunk = [torch.randn(1, 4 * 2**level, 24 // 2**level, -(-20 // 2**level)) for level in range(4)]
    p2, p3, p4, p5, p6, p7 = neck(trunk)
    s4 = doubled(p5, trunk[2]) + neck.laterals[2](trunk[2])
    s3 = doubled(s4, trunk[1]) + neck.laterals[1](trunk[1])
    s2 = doubled(s3, trunk[0]) + neck.laterals[0](trunk[0])
    for level, (total, output) in enumerate(zip((s2, s3, s4), (p2, p3, p4), strict=True)):
        torch.testing.assert_close(output, neck.smooth[level](total))
    torch.testing.assert_close(p5, neck.tops[0](trunk[3]))
    assert p6.shape[-2:] == (2, 2)
    assert p7.shape[-2:] == (1, 1)
    assert (p5 < 0).any()  # no ReLU on outputs


def test_doubling_is_bilinear_and_cropped() -> None:
    row = torch.tensor([[[[0.0, 1.0, 2.0]]]])
    grown = doubled(row, torch.zeros(1, 1, 1, 5))
    assert grown.flatten().tolist() == [0.0, 0.25, 0.75, 1.25, 1.75]


def test_ssh_context_is_three_branches_with_relu() -> None:
    torch.manual_seed(0)
    module = SSHContext(8, 0.3)
    x = torch.randn(1, 8, 9, 9)
    reach = relu(module.reach(x))
    far = relu(module.far[2](relu(module.far[0](reach))))
    expected = torch.cat([relu(module.near(x)), relu(module.middle(reach)), far], 1)
    torch.testing.assert_close(module(x), expected)
    assert expected.shape == (1, 16, 9, 9)
    assert [module.reach.dilation, module.far[0].dilation, module.middle.dilation] == [(2, 2), (2, 2), (1, 1)]


def test_cpm_keeps_channels_and_adds_a_shortcut() -> None:
    torch.manual_seed(0)
    module = CPM(8, 0.3).eval()
    x = torch.randn(1, 8, 5, 5)
    wide = relu(module.shortcut(x) + module.block(x))
    reach = relu(module.reach(wide))
    expected = relu(torch.cat([module.near(wide), module.middle(reach), module.far(reach)], 1))
    assert wide.shape[1] == 16
    torch.testing.assert_close(module(x), expected)
    assert expected.shape == x.shape


def test_d1_released_head_repeats_its_first_convolution() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 8, 5, 5)
    fixed, released = DeepHead(8, 2, 0.3, "fixed"), DeepHead(8, 2, 0.3, "released")
    released.load_state_dict(fixed.state_dict())
    for head, layers in ((fixed, (0, 1, 2, 3)), (released, (0, 0, 0, 0))):
        y = x
        for norm, layer in enumerate(layers):
            y = relu(head.norms[norm](head.convs[layer](y)))
        torch.testing.assert_close(head(x), y)


def test_layers_outside_the_trunk_start_as_specified() -> None:
    model = detector("baseline")
    assert model.neck.c6[0].weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert not model.neck.c6[0].bias.any()
    for layer in model.head.classify:
        assert layer.bias.item() == pytest.approx(-math.log(99))
    assert not any(layer.bias.any() for layer in model.head.locate)
    probabilities = torch.cat([level.flatten() for level in model.eval()(torch.zeros(1, 3, 64, 64), mode="tensor")[0]])
    torch.testing.assert_close(probabilities.sigmoid(), torch.full_like(probabilities, 0.01), atol=2e-3, rtol=0)


# -- trunk -----------------------------------------------------------------------------------------------------------------------


def test_d11_released_trunk_has_four_blocks_in_its_second_stage() -> None:
    fixed, released = shapes("mogface_e").backbone, shapes("mogface_e_released").backbone
    assert [len(getattr(fixed, f"layer{stage}")) for stage in (1, 2, 3, 4)] == [3, 8, 36, 3]
    assert [len(getattr(released, f"layer{stage}")) for stage in (1, 2, 3, 4)] == [3, 4, 36, 3]
    assert released.layer2[0].conv2.stride == (2, 2)


def test_trunk_weights_come_from_a_file(tmp_path: Any) -> None:
    donor = detector("small").backbone.state_dict()
    file = tmp_path / "trunk.pth"
    torch.save({**donor, "fc.weight": torch.zeros(3)}, file)
    torch.manual_seed(5)
    model = MogFace(settings("small", trunk_weights=str(file))).build()
    assert all(torch.equal(value, donor[name]) for name, value in model.backbone.state_dict().items())
    model.init_weights()  # mmengine's runner does so again
    assert torch.equal(model.backbone.conv1.weight, donor["conv1.weight"])


def test_trunk_weights_of_another_trunk_are_refused(tmp_path: Any) -> None:
    file = tmp_path / "trunk.pth"
    torch.save(detector("small", width=6).backbone.state_dict(), file)
    with pytest.raises(RepriseError, match=r"trunk.pth: 'conv1.weight' is of shape \(6, 3, 7, 7\)"):
        MogFace(settings("small", trunk_weights=str(file))).build()
    torch.save({}, file)
    with pytest.raises(RepriseError, match=r"'conv1.weight' is missing"):
        MogFace(settings("small", trunk_weights=str(file))).build()
    file.write_text("no weights")
    with pytest.raises(RepriseError, match="not readable as weights"):
        MogFace(settings("small", trunk_weights=str(file))).build()
    with pytest.raises(RepriseError, match="no such file; trunk_weights is 'fresh'"):
        MogFace(settings("small", trunk_weights=str(tmp_path / "absent.pth"))).build()
