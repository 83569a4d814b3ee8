"""EfficientFace's parameters and multiply-accumulates: the specification's integers, part by part and switch by switch."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks.detection import complexity
from methods.efficientface import EfficientFace, Settings
from methods.efficientface.network import Network

SIDE = 640

PARTS = {
    ("trunk",): (27_288_112, 18_763_628_352),
    ("laterals",): (379_872, 611_942_400),
    ("neck.0.td.convs",): (432_000, 2_916_777_600),
    ("neck.0.bu.convs",): (432_000, 729_194_400),
    ("neck.0.fuse.convs",): (518_400, 2_918_916_000),
    ("neck.0.td.fusions", "neck.0.bu.fusions", "neck.0.fuse.fusions"): (38, 0),
    ("refine.rfe",): (1_624_320, 9_199_008_000),
    ("refine.attention",): (125_592, 6_937_332),
    ("box_head",): (271_588, 8_884_512_000),
    ("class_head",): (270_721, 8_855_028_000),
}
TOTAL = (31_342_643, 52_885_944_084)

VARIANTS = {
    "b0": ((24, 40, 112, 320), 64, 3.595, 2.97, 3.850, 4.881),
    "b1": ((24, 40, 112, 320), 88, 6.101, 4.47, 6.540, 7.920),
    "b2": ((24, 48, 120, 352), 112, 7.203, 5.16, 7.887, 10.617),
    "b3": ((32, 48, 136, 384), 160, 10.103, 7.60, 11.425, 18.445),
    "b4": ((32, 56, 160, 448), 224, 16.742, 11.92, 19.244, 32.758),
    "b5": ((40, 64, 176, 512), 288, 27.288, 18.76, 31.343, 52.886),
}
"""C2..C5, C, trunk M / G, total M / G (section 2.7)."""

SWITCHES: list[tuple[dict[str, Any], float, float]] = [
    ({"neck": "sbifpn12"}, 30.997, 52.159),
    ({"neck": "sbifpn12", "laterals": "dual"}, 31.216, 52.417),
    ({"laterals": "dual"}, 31.562, 53.144),
    ({"neck": "bifpn1"}, 30.824, 49.967),
    ({"head_layers": 4}, 31.521, 58.724),
    ({"rfe": "shared"}, 29.989, 52.886),
    ({"rfe": "none"}, 29.718, 43.687),
    ({"am_depth": 0}, 31.217, 52.879),
    ({"am_depth": 1}, 31.280, 52.882),
    ({"rfe": "in_head"}, 30.260, 62.085),
    ({"extra_levels": "conv_stride2"}, 33.270, 52.978),
    ({"neck_repeats": 2}, 32.725, 59.451),
]
"""Millions and GMAC of the rows below the budget table."""

B0 = (3_849_663, 4_880_657_588)
C, CELLS = 64, [(SIDE // stride) ** 2 for stride in (4, 8, 16, 32, 64, 128)]
OWN_ARITHMETIC: list[tuple[dict[str, Any], int, int]] = [
    ({"fusion": "sum"}, -38, 0),
    ({"fusion": "softmax"}, 0, 0),
    ({"rfe_norm": "bn"}, 6 * 2 * (4 * 3 * C // 4 + C), 0),
    ({"rfe_residual": False}, 0, 0),
    ({"am_shared": True}, -5 * 2 * (2 * C * 4 + 2 * 49), 0),
    ({"am_place": "before_rfe"}, 0, 0),
    ({"am_residual": True}, 0, 0),
    ({"head_bn": "shared"}, -2 * 5 * 3 * 2 * C, 0),
    ({"anchor_ratios": (1.0, 1.5)}, 5 * (C + 1), 5 * C * sum(CELLS)),
    ({"anchor_scales": (2.0, 4.0, 8.0)}, 2 * 5 * (C + 1), 2 * 5 * C * sum(CELLS)),
]
"""What the other switches add to the totals of B0, worked out by hand."""


def built(**switches: Any) -> Network:
    """On the `meta` device: shapes without numbers."""
    with torch.device("meta"):
        return Network(Settings(**switches))


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def products(network: Network, height: int = SIDE, width: int = SIDE) -> dict[str, int]:
    """Multiply-accumulates of each convolution and linear layer, from output sizes alone."""
    counted: dict[str, int] = {}

    def listen(name: str, layer: nn.Conv2d | nn.Linear) -> None:
        def count(_: nn.Module, __: Any, output: Tensor) -> None:
            # Each output sums over one filter.
            counted[name] = counted.get(name, 0) + output.numel() * math.prod(layer.weight.shape[1:])

        layer.register_forward_hook(count)

    for name, layer in network.named_modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            listen(name, layer)
    network.eval()(torch.empty(1, 3, height, width, device="meta"))
    return counted


def test_every_part_has_the_integers_of_the_budget_table() -> None:
    network = built()
    counted = products(network)
    for names, (size, macs) in PARTS.items():
        assert sum(parameters(network.get_submodule(name)) for name in names) == size, names
        inside = [value for key, value in counted.items() if any(key.startswith(f"{name}.") for name in names)]
        assert sum(inside) == macs, names
    assert (parameters(network), sum(counted.values())) == TOTAL
    assert tuple(map(sum, zip(*PARTS.values(), strict=True))) == TOTAL


def test_the_linear_layers_of_the_attention_have_their_share() -> None:
    counted = products(built())
    assert sum(value for name, value in counted.items() if ".M." in name) == 248_832


def test_both_totals_lie_within_a_hundredth_of_the_published_ones() -> None:
    assert TOTAL[0] / 1e6 == pytest.approx(31.46, rel=0.01)
    assert TOTAL[1] / 1e9 == pytest.approx(52.59, rel=0.01)


@pytest.mark.parametrize("backbone", VARIANTS)
def test_a_variant_has_its_row_of_the_table(backbone: str) -> None:
    channels, width, trunk_m, trunk_g, total_m, total_g = VARIANTS[backbone]
    network = built(backbone=backbone)
    counted = products(network)
    assert network.trunk.channels == channels
    assert network.laterals.first[0].conv.out_channels == width
    assert parameters(network.trunk) / 1e6 == pytest.approx(trunk_m, abs=6e-4)
    assert sum(v for k, v in counted.items() if k.startswith("trunk.")) / 1e9 == pytest.approx(trunk_g, abs=6e-3)
    assert parameters(network) / 1e6 == pytest.approx(total_m, rel=1e-3)
    assert sum(counted.values()) / 1e9 == pytest.approx(total_g, rel=1e-3)


@pytest.mark.parametrize(("switches", "millions", "gmacs"), SWITCHES, ids=lambda value: str(value))
def test_a_switch_costs_what_the_specification_says(switches: dict[str, Any], millions: float, gmacs: float) -> None:
    network = built(**switches)
    assert parameters(network) / 1e6 == pytest.approx(millions, abs=6e-4)
    assert sum(products(network).values()) / 1e9 == pytest.approx(gmacs, abs=6e-4)


@pytest.mark.parametrize(("switches", "size", "macs"), OWN_ARITHMETIC, ids=lambda value: str(value))
def test_a_switch_adds_what_its_definition_says(switches: dict[str, Any], size: int, macs: int) -> None:
    network = built(backbone="b0", **switches)
    assert parameters(network) - B0[0] == size
    assert sum(products(network).values()) - B0[1] == macs


@pytest.mark.parametrize(("width", "height", "gmacs"), [(384, 384, 1.76), (256, 256, 0.78)])
def test_cost_grows_with_the_pixels(width: int, height: int, gmacs: float) -> None:
    assert sum(products(built(backbone="b0"), height, width).values()) / 1e9 == pytest.approx(gmacs, abs=6e-3)


@pytest.mark.parametrize(("height", "width"), [(640, 640), (384, 384), (768, 1024), (128, 128)])
def test_there_is_one_output_per_anchor_of_six_levels(height: int, width: int) -> None:
    network = built(backbone="b0").eval()
    logits, codes = network(torch.empty(2, 3, height, width, device="meta"))
    places = sum((height // stride) * (width // stride) for stride in (4, 8, 16, 32, 64, 128))
    assert places == 34_125 or height != 640
    assert logits.shape == (2, places)
    assert codes.shape == (2, places, 4)


@pytest.mark.parametrize(("backbone", "total"), [("b0", B0), ("b5", TOTAL)])
def test_the_cost_table_counts_the_same(backbone: str, total: tuple[int, int]) -> None:
    detector = EfficientFace(Settings(backbone=backbone)).build()
    cost = complexity.measure(detector, (3, SIDE, SIDE))
    assert (cost.parameters.all, cost.product_macs) == total
    assert cost.macs > cost.product_macs
    assert cost.parameters.trainable == cost.parameters.all


def test_the_small_size_is_narrow_throughout() -> None:
    network = built(backbone="b0", width=0.35, depth=0.34, neck_channels=32)
    assert parameters(network) / 1e6 == pytest.approx(0.35, abs=0.005)
    assert network.trunk.channels == (8, 16, 40, 112)
    assert [len(group) for group in network.trunk.layers[1:]] == [1, 1, 1, 4, 3]
