"""FGD against plain loops, its attention, its context blocks."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from baselines.fgd import FGD, ContextBlock, FGDLevel, Settings
from benchmarks.base import RepriseError
from benchmarks.coco.distillation.contract import BatchContext
from benchmarks.coco.distillation.raster import background, foreground
from benchmarks.coco.distillation.rehearsal import rehearse

OFF = {"alpha": 0.0, "beta": 0.0, "gamma": 0.0, "lam": 0.0}


def level(channels: int = 6, **given: float) -> FGDLevel:
    return FGD(Settings(**{**OFF, **given})).level(channels, channels, 8).double()


def attention(f: Tensor, temperature: float) -> tuple[list[list[list[float]]], list[list[float]]]:
    """A^S[n][h][w] and A^C[n][c] by loops."""
    _, c, h, w = f.shape
    spatial, channel = [], []
    for image in f.abs().tolist():
        g = [[sum(image[k][i][j] for k in range(c)) / c for j in range(w)] for i in range(h)]
        exp = [[math.exp(value / temperature) for value in row] for row in g]
        total = sum(map(sum, exp))
        spatial.append([[h * w * value / total for value in row] for row in exp])
        g_c = [math.exp(sum(map(sum, image[k])) / (h * w) / temperature) for k in range(c)]
        channel.append([c * value / sum(g_c) for value in g_c])
    return spatial, channel


@pytest.mark.parametrize("box_scale", ["img_shape", "batch_input_shape"])
def test_focal_terms_equal_plain_loops(box_scale: str) -> None:
    fs, ft, context = rehearse(images=3, size=(4, 5))
    settings = Settings(**{**OFF, "alpha": 0.7, "beta": 0.2, "temperature": 0.8}, box_scale=box_scale)
    found = FGD(settings).level(6, 6, 8).double()(fs, ft, context)
    fg = foreground(context.boxes, context, (4, 5), box_scale)
    bg = background(fg)
    spatial, channel = attention(ft, 0.8)
    expected = {"foreground": 0.0, "background": 0.0}
    for n in range(3):
        for c in range(6):
            for i in range(4):
                for j in range(5):
                    d = float(fs[n, c, i, j] - ft[n, c, i, j]) ** 2 * spatial[n][i][j] * channel[n][c]
                    expected["foreground"] += 0.7 * d * float(fg[n, i, j]) / 3
                    expected["background"] += 0.2 * d * float(bg[n, i, j]) / 3
    for name, value in expected.items():
        assert value > 0.0
        assert found[name].item() == pytest.approx(value, rel=1e-10)


def test_the_attention_term_equals_plain_loops() -> None:
    fs, ft, context = rehearse(size=(4, 5))
    found = level(gamma=0.3, temperature=0.8)(fs, ft, context)["attention"]
    (spatial_s, channel_s), (spatial_t, channel_t) = attention(fs, 0.8), attention(ft, 0.8)
    expected = 0.0
    for n in range(2):
        expected += sum(abs(a - b) for a, b in zip(channel_s[n], channel_t[n], strict=True))
        expected += sum(abs(spatial_s[n][i][j] - spatial_t[n][i][j]) for i in range(4) for j in range(5))
    assert found.item() == pytest.approx(0.3 * expected / 2, rel=1e-10)


def test_a_context_block_equals_its_definition() -> None:
    x, _, _ = rehearse()
    block = ContextBlock(6).double()
    torch.nn.init.normal_(block.transform[3].weight)
    torch.nn.init.normal_(block.transform[3].bias)
    torch.nn.init.normal_(block.transform[1].weight)
    w1, norm, _, w2 = block.transform
    expected = x.clone()
    for n in range(2):
        logits = torch.einsum("c,chw->hw", block.key.weight[0, :, 0, 0], x[n]) + block.key.bias
        place = logits.exp() / logits.exp().sum()
        ctx = torch.stack([(place * x[n, c]).sum() for c in range(6)])
        hidden = w1.weight[:, :, 0, 0] @ ctx + w1.bias
        hidden = (hidden - hidden.mean()) / (hidden.var(correction=0) + 1e-5).sqrt()
        hidden = (hidden * norm.weight[:, 0, 0] + norm.bias[:, 0, 0]).clamp(min=0.0)
        expected[n] += (w2.weight[:, :, 0, 0] @ hidden + w2.bias)[:, None, None]
    torch.testing.assert_close(block(x), expected)


def test_the_global_term_starts_as_the_squared_distance_and_trains_both_sides() -> None:
    fs, ft, context = rehearse()
    made = level(lam=0.5)
    found = made(fs, ft, context)["global"]
    assert found.item() == pytest.approx(0.5 * ((fs - ft) ** 2).sum().item() / 2, rel=1e-12)
    found.backward()
    for block in (made.gc_s, made.gc_t):
        assert block.transform[3].weight.grad.abs().sum() > 0.0


def test_context_blocks_have_the_published_size() -> None:
    assert sum(p.numel() for p in level(256, lam=1.0).parameters()) == 132_866
    assert not list(level(256, alpha=1.0, beta=1.0, gamma=1.0).parameters())


def test_attention_has_mean_one_and_a_hot_one_is_flat() -> None:
    fs, _, _ = rehearse(size=(7, 11))
    spatial, channel = level(alpha=1.0, temperature=0.5).attention(fs)
    torch.testing.assert_close(spatial.mean((1, 2)), torch.ones(2, dtype=torch.float64))
    torch.testing.assert_close(channel.mean(1), torch.ones(2, dtype=torch.float64))
    for attended in level(alpha=1.0, temperature=1e9).attention(fs):
        torch.testing.assert_close(attended, torch.ones_like(attended))


def test_the_teachers_attention_weighs_both_maps() -> None:
    """The weights do not depend on the student, so without the attention term its focal loss is quadratic."""
    fs, ft, context = rehearse()
    made = level(alpha=1.0, beta=1.0)
    one = sum(made(ft + fs, ft, context).values())
    two = sum(made(ft + 2.0 * fs, ft, context).values())
    assert two.item() == pytest.approx(4.0 * one.item(), rel=1e-10)


def test_images_without_boxes_have_background_only() -> None:
    fs, ft, _ = rehearse()
    none = [torch.zeros(0, 4)] * 2
    found = level(alpha=1.0, beta=1.0)(fs, ft, BatchContext(none, [(80, 128)] * 2, (80, 128)))
    assert found["foreground"] == 0.0
    assert found["background"] > 0.0


def test_maps_covered_by_boxes_have_no_background() -> None:
    fs, ft, _ = rehearse()
    whole = [torch.tensor([[0.0, 0.0, 128.0, 80.0]])] * 2
    found = level(alpha=1.0, beta=1.0)(fs, ft, BatchContext(whole, [(80, 128)] * 2, (80, 128)))
    assert found["background"] == 0.0
    assert found["foreground"] > 0.0


def test_the_adapter_comes_before_everything() -> None:
    fs, ft, context = rehearse(student_channels=4)
    made = FGD(Settings()).level(4, 6, 8).double()
    narrow = made(fs, ft, context)
    wide = FGD(Settings()).level(6, 6, 8).double()(made.phi(fs), ft, context)
    for name in narrow:
        assert narrow[name].item() == pytest.approx(wide[name].item(), rel=1e-10)


def test_a_temperature_that_is_not_positive_is_refused() -> None:
    with pytest.raises(RepriseError, match="temperature is 0"):
        Settings(temperature=0.0)
