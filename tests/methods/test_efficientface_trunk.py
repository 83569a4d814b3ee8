"""The trunk against mmdet's EfficientNet, and weights to start from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks.base import RepriseError
from benchmarks.detection import install_ops
from methods.efficientface import EfficientFace, Settings
from methods.efficientface.trunk import Trunk, rounded
from methods.efficientface.weights import block_places, trunk_name

install_ops()

from mmdet.models.backbones import EfficientNet  # noqa: E402

SCALES = {"b0": (1.0, 1.0), "b1": (1.0, 1.1), "b2": (1.1, 1.2), "b3": (1.2, 1.4), "b4": (1.4, 1.8), "b5": (1.6, 2.2)}
SMALL: dict[str, Any] = {"backbone": "b0", "neck_channels": 16, "width": 0.25, "depth": 0.25}


def theirs(arch: str) -> nn.Module:
    norm = {"type": "BN", "eps": 1e-3, "momentum": 0.01}
    return EfficientNet(arch=arch, out_indices=(2, 3, 4, 5), norm_cfg=norm)


def shapes(module: nn.Module) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in module.state_dict().items()}


@pytest.mark.parametrize("arch", SCALES)
def test_names_and_shapes_are_those_of_mmdet(arch: str) -> None:
    with torch.device("meta"):
        own = Trunk(*SCALES[arch], momentum=0.01)
    assert shapes(own) == shapes(theirs(arch))


@pytest.mark.parametrize(("arch", "size"), [("b0", (128, 256)), ("b3", (128, 128))])
@pytest.mark.parametrize("training", [True, False])
def test_maps_are_those_of_mmdet_with_the_same_weights(arch: str, size: tuple[int, int], training: bool) -> None:
    torch.manual_seed(0)
    other = theirs(arch).double()
    other.train(training)  # returns nothing, in mmdet
    own = Trunk(*SCALES[arch], momentum=0.01).double().train(training)
    for value in other.state_dict().values():
        if value.is_floating_point():
            # Statistics and biases that are not the initial ones, variances above 0.
            value.copy_(
                torch.rand_like(value) * 0.4 + 0.8 if value.dim() == 1 else value + 0.01 * torch.randn_like(value)
            )
    own.load_state_dict(other.state_dict())
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    for ours, expected in zip(own(x), other(x), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-9)
    for name, value in other.state_dict().items():
        torch.testing.assert_close(own.state_dict()[name], value, rtol=1e-9, atol=1e-9)


def test_fresh_weights_spread_as_mmdet_draws_them() -> None:
    torch.manual_seed(1)
    own, other = Trunk(1.0, 1.0, momentum=0.01), theirs("b0")
    other.init_weights()
    reference = other.state_dict()
    for name, value in own.state_dict().items():
        if value.dim() == 4 and value.numel() > 2000:
            assert float(value.std() / reference[name].std()) == pytest.approx(1.0, abs=0.15), name
        elif name.endswith(("bias", "bn.weight", "running_mean", "running_var")):
            assert torch.equal(value, reference[name]), name


@pytest.mark.parametrize(
    ("channels", "expected"), [(5.6, 8), (28.0, 32), (11.2, 16), (67.2, 64), (211.2, 208), (0.5, 8)]
)
def test_channels_are_multiples_of_eight_that_lose_at_most_a_tenth(channels: float, expected: int) -> None:
    # 11.2 would go to 8, which loses 29 %.
    assert rounded(channels) == expected


# -- weights to start from --------------------------------------------------------------------------------------------


def detector(tmp_path: Path, content: Any, init: str = "imagenet") -> Any:
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    return EfficientFace(Settings(**SMALL, init=init, init_file=str(path))).build()


def source() -> tuple[nn.Module, dict[str, Tensor]]:
    """A network of the small size with weights of its own."""
    torch.manual_seed(5)
    built = EfficientFace(Settings(**SMALL)).build().network
    for value in built.state_dict().values():
        if value.is_floating_point():
            value.add_(0.5 * torch.rand_like(value))
    return built, built.state_dict()


def trunk_of(state: dict[str, Tensor], prefix: str = "") -> dict[str, Tensor]:
    return {prefix + name.removeprefix("trunk."): value for name, value in state.items() if name.startswith("trunk.")}


def ported(name: str, places: list[str], wrapped: bool) -> str:
    """A trunk tensor's name in EfficientNet-PyTorch; `wrapped` as the EfficientDet ports write it."""
    inner = ".conv" if wrapped else ""
    stem = re.fullmatch(r"layers\.0\.(conv|bn)\.(\w+)", name)
    if stem:
        return f"_conv_stem{inner}.{stem[2]}" if stem[1] == "conv" else f"_bn0.{stem[2]}"
    place = next(place for place in places if name.startswith(f"{place}."))
    part, kind, leaf = re.fullmatch(r"(\w+(?:\.conv[12])?)\.(conv|bn)\.(\w+)", name.removeprefix(f"{place}.")).groups()  # type: ignore[union-attr]
    number = {"expand_conv": 0, "depthwise_conv": 1, "linear_conv": 2}
    convs = {
        "expand_conv": "_expand_conv",
        "depthwise_conv": "_depthwise_conv",
        "linear_conv": "_project_conv",
        "se.conv1": "_se_reduce",
        "se.conv2": "_se_expand",
    }
    own = f"{convs[part]}{inner}" if kind == "conv" else f"_bn{number[part]}"
    return f"_blocks.{places.index(place)}.{own}.{leaf}"


@pytest.mark.parametrize("prefix", ["", "backbone.", "module.backbone."])
@pytest.mark.parametrize("nested", [True, False])
def test_a_trunk_loads_from_a_file_of_mmdets_names(tmp_path: Path, prefix: str, nested: bool) -> None:
    _, state = source()
    content = trunk_of(state, prefix) | {"head.fc.weight": torch.zeros(3, 3)}
    built = detector(tmp_path, {"state_dict": content} if nested else content)
    for name, value in trunk_of(state).items():
        assert torch.equal(built.network.trunk.state_dict()[name], value), name
    assert all(name.startswith("trunk.") for name in built.initial.loaded)
    assert not any(name.startswith("trunk.") for name in built.initial.new)
    assert "class_head.predict.pointwise.weight" in built.initial.new


@pytest.mark.parametrize(("prefix", "wrapped"), [("", False), ("backbone_net.model.", True)])
def test_a_trunk_loads_from_a_file_of_the_ports_names(tmp_path: Path, prefix: str, wrapped: bool) -> None:
    network, state = source()
    places = block_places(network.get_submodule("trunk"))
    content = {prefix + ported(name, places, wrapped): value for name, value in trunk_of(state).items()}
    assert len(content) == len(trunk_of(state))
    built = detector(tmp_path, content)
    for name, value in trunk_of(state).items():
        assert torch.equal(built.network.trunk.state_dict()[name], value), name


def test_port_names_number_the_blocks_of_b5_through() -> None:
    with torch.device("meta"):
        places = block_places(Trunk(1.6, 2.2, momentum=0.01))
    assert len(places) == 39
    # The fourth block is the first of 24x3's successor, 40x5.
    assert trunk_name("_blocks.3._expand_conv.weight", places) == "layers.2.0.expand_conv.conv.weight"
    assert trunk_name("_blocks.38._bn2.running_var", places) == "layers.5.11.linear_conv.bn.running_var"


def test_coco_weights_also_fill_what_fits_and_imagenet_ones_do_not(tmp_path: Path) -> None:
    _, state = source()
    content = dict(state) | {"class_head.predict.pointwise.weight": torch.zeros(90, 16, 1, 1)}
    built = detector(tmp_path, content, "coco_efficientdet")
    own = built.network.state_dict()
    assert torch.equal(own["box_head.predict.pointwise.weight"], state["box_head.predict.pointwise.weight"])
    assert built.initial.new == ("class_head.predict.pointwise.weight",)
    bare = detector(tmp_path, content, "imagenet")
    assert "box_head.predict.pointwise.weight" in bare.initial.new


def test_without_a_file_everything_is_new() -> None:
    built = EfficientFace(Settings(**SMALL)).build()
    assert built.initial.loaded == ()
    assert set(built.initial.new) == {n for n in built.network.state_dict() if not n.endswith("num_batches_tracked")}


def test_a_trunk_that_lacks_a_tensor_stops(tmp_path: Path) -> None:
    content = trunk_of(source()[1])
    del content["layers.2.0.linear_conv.conv.weight"]
    with pytest.raises(
        RepriseError, match=r"weights\.pth: 'layers\.2\.0\.linear_conv\.conv\.weight' of the trunk is missing"
    ):
        detector(tmp_path, content)


def test_a_trunk_of_another_size_stops(tmp_path: Path) -> None:
    with pytest.raises(RepriseError, match=r"of shape \(32, 3, 3, 3\), and EfficientNet-B0 .* needs \(8, 3, 3, 3\)"):
        detector(tmp_path, theirs("b0").state_dict())


def test_weights_that_are_not_finite_stop(tmp_path: Path) -> None:
    content = trunk_of(source()[1])
    content["layers.0.bn.bias"].fill_(float("nan"))
    with pytest.raises(RepriseError, match=r"weights\.pth: trunk\.layers\.0\.bn\.bias not finite"):
        detector(tmp_path, content)


@pytest.mark.parametrize("content", [{"epoch": 3}, [1, 2]])
def test_a_file_without_weights_stops(tmp_path: Path, content: Any) -> None:
    with pytest.raises(RepriseError, match=r"weights\.pth: holds no weights"):
        detector(tmp_path, content)


def test_a_damaged_file_stops(tmp_path: Path) -> None:
    (tmp_path / "broken.pth").write_bytes(b"no checkpoint")
    settings = Settings(**SMALL, init="imagenet", init_file=str(tmp_path / "broken.pth"))
    with pytest.raises(RepriseError, match=r"broken\.pth: not readable as weights"):
        EfficientFace(settings).build()


def test_a_relative_name_lies_in_the_checkpoints_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRISE_CHECKPOINTS", str(tmp_path))
    settings = Settings(**SMALL, init="imagenet", init_file="trunk.pth")
    with pytest.raises(RepriseError, match=rf"{tmp_path}/trunk\.pth: no such file, and init imagenet starts from it"):
        EfficientFace(settings).build()
    _, state = source()
    torch.save(trunk_of(state), tmp_path / "trunk.pth")
    built = EfficientFace(settings).build()
    assert torch.equal(built.network.trunk.layers[0].conv.weight, state["trunk.layers.0.conv.weight"])
