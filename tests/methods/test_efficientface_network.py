"""EfficientFace's neck, modules and heads against the formulas of the specification, written out in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from methods.efficientface import Settings
from methods.efficientface.convolutions import doubled, halved
from methods.efficientface.heads import Head
from methods.efficientface.laterals import Inputs, Laterals
from methods.efficientface.modules import RFE, Attention, PerLevel
from methods.efficientface.neck import Cells, S, cell
from methods.efficientface.network import Network

C = 16


def maps(seed: int, count: int = 6, channels: int = C) -> list[Tensor]:
    """Levels 2..7 of a picture of 128 x 256."""
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(2, channels, 32 >> level, 64 >> level, dtype=torch.float64, generator=generator)
        for level in range(count)
    ]


def stirred(module: nn.Module, seed: int = 3) -> Any:
    """The module in float64 and evaluation mode, with weights and statistics that are not the initial ones."""
    generator = torch.Generator().manual_seed(seed)
    module = module.double().eval()
    with torch.no_grad():
        for value in module.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.rand(value.shape, dtype=torch.float64, generator=generator) * 0.6 + 0.2)
                if value.dim() > 1:
                    value.sub_(0.5)
    return module


def test_pooling_takes_the_largest_of_three_from_every_second_place_on() -> None:
    # Negative values: padding with zeros would show.
    x = -1.0 - torch.rand(1, 2, 6, 4, dtype=torch.float64)
    expected = torch.empty(1, 2, 3, 2, dtype=torch.float64)
    for channel in range(2):
        for row in range(3):
            for column in range(2):
                window = x[0, channel, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
                expected[0, channel, row, column] = max(window.flatten().tolist())
    assert torch.equal(halved(x), expected)
    assert torch.equal(halved(x[..., :2, :2]), x[..., :2, :2].amax((2, 3), keepdim=True))


def test_doubling_repeats_every_place() -> None:
    x = torch.arange(6.0).reshape(1, 1, 2, 3)
    expected = torch.tensor([[0, 0, 1, 1, 2, 2], [0, 0, 1, 1, 2, 2], [3, 3, 4, 4, 5, 5], [3, 3, 4, 4, 5, 5]])
    assert torch.equal(doubled(x)[0, 0], expected.float())


def test_s_is_swish_then_depthwise_then_pointwise_then_bn() -> None:
    part = stirred(S(C, 0.01))
    x = maps(0, 1)[0][:1, :, :4, :4]
    depth, point, bn = part.conv.depthwise, part.conv.pointwise, part.bn
    swish = x * (1.0 / (1.0 + (-x).exp()))
    padded = torch.zeros(C, 6, 6, dtype=torch.float64)
    padded[:, 1:5, 1:5] = swish[0]
    expected = torch.empty(C, 4, 4, dtype=torch.float64)
    for row in range(4):
        for column in range(4):
            inner = (padded[:, row : row + 3, column : column + 3] * depth.weight[:, 0]).sum((1, 2))
            mixed = point.weight[:, :, 0, 0] @ inner + point.bias
            expected[:, row, column] = (mixed - bn.running_mean) / (bn.running_var + 1e-3).sqrt() * bn.weight + bn.bias
    assert depth.bias is None
    torch.testing.assert_close(part(x)[0], expected)


# -- the neck ---------------------------------------------------------------------------------------------------------

Fuse = Callable[[Tensor, list[Tensor]], Tensor]


def fast(w: Tensor, values: list[Tensor]) -> Tensor:
    positive = [max(float(value), 0.0) for value in w]
    return sum(p / (sum(positive) + 1e-4) * value for p, value in zip(positive, values, strict=True))  # type: ignore[return-value]


def soft(w: Tensor, values: list[Tensor]) -> Tensor:
    powers = [math.exp(float(value)) for value in w]
    return sum(p / sum(powers) * value for p, value in zip(powers, values, strict=True))  # type: ignore[return-value]


def plain(w: Tensor, values: list[Tensor]) -> Tensor:
    return sum(values)  # type: ignore[return-value]


def weights(way: nn.Module, place: int) -> Any:
    return getattr(way.fusions[place], "w", None)  # type: ignore[index]


def sbifpn16(neck: Any, F: list[Tensor], G: list[Tensor], fuse: Fuse) -> list[Tensor]:
    """Section 2.3, level by level; dictionaries by level. F feeds td and P, G feeds bu."""
    td, bu = {7: F[5]}, {2: G[0]}
    for place, i in enumerate((6, 5, 4, 3, 2)):
        td[i] = neck.td.convs[place](fuse(weights(neck.td, place), [F[i - 2], doubled(td[i + 1])]))
    for place, i in enumerate((3, 4, 5, 6, 7)):
        bu[i] = neck.bu.convs[place](fuse(weights(neck.bu, place), [G[i - 2], halved(bu[i - 1])]))
    return [
        neck.fuse.convs[i - 2](fuse(weights(neck.fuse, i - 2), [F[i - 2], td[i], bu[i]])) for i in (2, 3, 4, 5, 6, 7)
    ]


def sbifpn12(neck: Any, F: list[Tensor], G: list[Tensor], fuse: Fuse) -> list[Tensor]:
    td, bu = {7: neck.td_start(F[5])}, {2: neck.bu_start(G[0])}
    for place, i in enumerate((6, 5, 4, 3, 2)):
        td[i] = neck.td.convs[place](fuse(weights(neck.td, place), [F[i - 2], doubled(td[i + 1])]))
    for place, i in enumerate((3, 4, 5, 6, 7)):
        bu[i] = neck.bu.convs[place](fuse(weights(neck.bu, place), [G[i - 2], halved(bu[i - 1])]))
    return [fuse(weights(neck.fuse, i - 2), [td[i], bu[i]]) for i in (2, 3, 4, 5, 6, 7)]


def bifpn1(neck: Any, F: list[Tensor], G: list[Tensor], fuse: Fuse) -> list[Tensor]:
    td = {7: F[5]}
    for place, i in enumerate((6, 5, 4, 3, 2)):
        td[i] = neck.td.convs[place](fuse(weights(neck.td, place), [F[i - 2], doubled(td[i + 1])]))
    P = {2: td[2]}
    for place, i in enumerate((3, 4, 5, 6)):
        P[i] = neck.bu.convs[place](fuse(weights(neck.bu, place), [G[i - 2], td[i], halved(P[i - 1])]))
    P[7] = neck.bu.convs[4](fuse(weights(neck.bu, 4), [G[5], halved(P[6])]))
    return [P[i] for i in (2, 3, 4, 5, 6, 7)]


NECKS = {"sbifpn16": (sbifpn16, 16, 38), "sbifpn12": (sbifpn12, 12, 32), "bifpn1": (bifpn1, 10, 24)}
FUSIONS = {"fast_normalised": fast, "softmax": soft, "sum": plain}


@pytest.mark.parametrize("kind", FUSIONS)
@pytest.mark.parametrize("name", NECKS)
def test_a_cell_follows_its_formulas(name: Any, kind: Any) -> None:
    formula, convolutions, scalars = NECKS[name]
    neck = stirred(cell(name, C, kind, 0.01))
    F, G = maps(1), maps(2)
    for ours, expected in zip(neck(Inputs(F, G)), formula(neck, F, G, FUSIONS[kind]), strict=True):
        torch.testing.assert_close(ours, expected)
    assert sum(isinstance(part, S) for part in neck.modules()) == convolutions
    found = [parameter for parameter_name, parameter in neck.named_parameters() if parameter_name.endswith(".w")]
    assert sum(parameter.numel() for parameter in found) == (0 if kind == "sum" else scalars)


def test_a_negative_fusion_weight_counts_as_none() -> None:
    neck = cell("sbifpn16", C, "fast_normalised", 0.01)
    fusion: Any = neck.fuse.fusions[0]  # type: ignore[union-attr,index]
    assert torch.equal(fusion.w, torch.ones(3))
    fusion.w.data = torch.tensor([1.0, -5.0, 3.0])
    torch.testing.assert_close(fusion.shares(), torch.tensor([1.0, 0.0, 3.0]) / 4.0001)


def test_cells_in_sequence_feed_each_other() -> None:
    cells = stirred(Cells(cell("sbifpn16", C, "fast_normalised", 0.01) for _ in range(2)))
    F, G = maps(1), maps(2)
    middle = sbifpn16(cells[0], F, G, fast)
    for ours, expected in zip(cells(Inputs(F, G)), sbifpn16(cells[1], middle, middle, fast), strict=True):
        torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize("copies", ["single", "dual"])
@pytest.mark.parametrize("extra", ["conv_pool", "conv_stride2"])
def test_laterals_give_six_levels(copies: Any, extra: Any) -> None:
    trunk = (8, 12, 20, 28)
    laterals = stirred(Laterals(trunk, C, copies, extra, 0.01))
    generator = torch.Generator().manual_seed(0)
    c = [
        torch.randn(1, width, 32 >> i, 32 >> i, dtype=torch.float64, generator=generator)
        for i, width in enumerate(trunk)
    ]
    F, G = laterals(c)
    assert [tuple(f.shape) for f in F] == [(1, C, side, side) for side in (32, 16, 8, 4, 2, 1)]
    for level in (2, 3, 4, 5):
        part = laterals.first[level - 2]
        torch.testing.assert_close(
            F[level - 2], part.bn(nn.functional.conv2d(c[level - 2], part.conv.weight, part.conv.bias))
        )
    if extra == "conv_pool":
        torch.testing.assert_close(F[4], halved(laterals.sixth.bn(laterals.sixth.conv(c[3]))))
        torch.testing.assert_close(F[5], halved(F[4]))
    else:
        # SAME at stride 2 on even sides: one row and column at the end.
        ended = nn.functional.pad(c[3], (0, 1, 0, 1))
        six = nn.functional.conv2d(ended, laterals.sixth.conv.weight, laterals.sixth.conv.bias, stride=2)
        torch.testing.assert_close(F[4], laterals.sixth.bn(six))
        torch.testing.assert_close(F[5], laterals.seventh(F[4]))
    second = {3, 4, 5} if copies == "dual" else set()
    assert {level for level in range(2, 8) if not torch.equal(F[level - 2], G[level - 2])} == second


# -- refinement -------------------------------------------------------------------------------------------------------


def correlated(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A convolution of stride 1 with SAME padding, as sums over shifted maps: x (C, H, W), weight (D, C, rows, columns)."""
    rows, columns = weight.shape[2:]
    height, width = x.shape[1:]
    out = torch.zeros(len(weight), height, width, dtype=x.dtype)
    for a in range(rows):
        for b in range(columns):
            up, left = a - rows // 2, b - columns // 2
            for i in range(height):
                for j in range(width):
                    if 0 <= i + up < height and 0 <= j + left < width:
                        out[:, i, j] += weight[:, :, a, b] @ x[:, i + up, j + left]
    return out if bias is None else out + bias[:, None, None]


@pytest.mark.parametrize("residual", [True, False])
def test_rfe_is_four_branches_side_by_side(residual: bool) -> None:
    rfe = stirred(RFE(C, normed=False, residual=residual, momentum=0.01))
    x = maps(4, 1)[0][0, :, :5, :6]
    found = []
    for branch, kernel in zip(rfe.branches, ((1, 5), (5, 1), (1, 3), (3, 1)), strict=True):
        convs = [layer for layer in branch if isinstance(layer, nn.Conv2d)]
        assert [conv.kernel_size for conv in convs] == [(1, 1), kernel, (1, 1)]
        y = x
        for conv in convs:
            y = correlated(y, conv.weight, conv.bias).clamp(min=0)
        found.append(y)
    merge = rfe.merge[0]
    expected = correlated(torch.cat(found), merge.weight, merge.bias).clamp(min=0)
    torch.testing.assert_close(rfe(x[None])[0], expected + x if residual else expected)


def test_rfe_may_be_normed_before_every_relu() -> None:
    layers = [type(layer) for layer in RFE(C, normed=True, residual=True, momentum=0.1).branches[0]]  # type: ignore[arg-type]
    assert [kind.__name__ for kind in layers] == ["SameConv2d", "BatchNorm2d", "ReLU"] * 3


@pytest.mark.parametrize("residual", [True, False])
def test_attention_gates_channels_then_places(residual: bool) -> None:
    attention = stirred(Attention(2 * C, residual))
    x = maps(5, 1, 2 * C)[0][0, :, :4, :5]
    first, second = attention.M[0].weight, attention.M[2].weight
    assert first.shape == (2, 2 * C)

    def M(v: Tensor) -> Tensor:
        return second @ (first @ v).clamp(min=0)

    means = torch.stack([x[c].sum() / 20 for c in range(2 * C)])
    tops = torch.stack([x[c].max() for c in range(2 * C)])
    y = x * (1 / (1 + (-(M(means) + M(tops))).exp()))[:, None, None]
    pooled = torch.stack([y.sum(0) / (2 * C), y.max(0).values])
    y = y * (1 / (1 + (-correlated(pooled, attention.place.weight, None)).exp()))
    torch.testing.assert_close(attention(x[None])[0], x + y if residual else y)


@pytest.mark.parametrize(("shared", "owned"), [(True, 1), (False, 6)])
def test_levels_own_or_share_a_module(shared: bool, owned: int) -> None:
    levels = stirred(PerLevel(lambda: nn.Conv2d(C, C, 1), 6, shared))
    x = maps(6)
    assert len(levels.owned) == owned
    for level, (out, value) in enumerate(zip(levels(x), x, strict=True)):
        torch.testing.assert_close(out, levels.owned[0 if shared else level](value))


@pytest.mark.parametrize("place", ["after_rfe", "before_rfe"])
def test_attention_stands_on_the_chosen_side_of_the_rfe(place: Any) -> None:
    network = stirred(Network(Settings(backbone="b0", width=0.25, depth=0.25, neck_channels=C, am_place=place)))
    x = torch.rand(1, 3, 128, 128, dtype=torch.float64)
    P = network.neck(network.laterals(network.trunk(x)))
    rfe, attention = network.refine.rfe, network.refine.attention
    expected = attention(rfe(P)) if place == "after_rfe" else rfe(attention(P))
    for ours, wanted in zip(network.levels(x), expected, strict=True):
        torch.testing.assert_close(ours, wanted)
    assert len(attention.owned[0]) == 2


def test_an_rfe_in_the_head_stands_at_each_entrance() -> None:
    network = stirred(Network(Settings(backbone="b0", width=0.25, depth=0.25, neck_channels=C, rfe="in_head")))
    assert "rfe" not in dict(network.refine.named_children())
    x = maps(7)
    for head in (network.class_head, network.box_head):
        before, head.entrance = head.entrance, nn.Identity()
        bare = head([before(value) for value in x])
        head.entrance = before
        torch.testing.assert_close(head(x), bare)
        assert isinstance(before, RFE)


# -- heads ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("norms", [1, 6])
def test_a_head_answers_level_by_level_row_by_row(norms: int) -> None:
    anchors, values = 2, 4
    head = stirred(Head(C, 3, anchors, values, norms, 0.01, None))
    x = maps(8)
    out = head(x)
    start = 0
    for level, value in enumerate(x):
        y = value
        for layer in range(3):
            y = head.norms[level % norms][layer](head.convs[layer](y))
            y = y * y.sigmoid()
        y = head.predict(y)
        height, width = y.shape[2:]
        for row, column in {(0, 0), (height - 1, 0), (0, width - 1), (height // 2, width // 2)}:
            for anchor in range(anchors):
                place = start + (row * width + column) * anchors + anchor
                channels = slice(anchor * values, (anchor + 1) * values)
                torch.testing.assert_close(out[:, place], y[:, channels, row, column])
        start += height * width * anchors
    assert out.shape == (2, start, values)


def test_fresh_heads_call_one_anchor_in_a_hundred_a_face() -> None:
    torch.manual_seed(0)
    network = Network(Settings(backbone="b0")).eval()
    assert network.class_head.predict.pointwise.bias is not None
    assert float(network.class_head.predict.pointwise.bias.sigmoid()) == pytest.approx(0.01)
    for name, value in network.state_dict().items():
        if name.startswith("trunk.") or name == "class_head.predict.pointwise.bias":
            continue
        if name.endswith("bias"):
            assert not value.any(), name
        elif value.dim() > 1 and value.numel() > 1000:
            fan_in = value[0].numel()
            assert float(value.var() * fan_in) == pytest.approx(1.0, abs=0.2), name
    assert {part.eps for part in network.modules() if isinstance(part, nn.BatchNorm2d)} == {1e-3}
    assert {part.momentum for part in network.modules() if isinstance(part, nn.BatchNorm2d)} == {0.01}
