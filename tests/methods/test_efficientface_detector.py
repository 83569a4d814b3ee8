"""EfficientFace as an mmdet detector: losses, gradients, predictions, and what a bad batch is told."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks.base import RepriseError
from benchmarks.detection import install_ops
from benchmarks.wider_face.contract import FaceMethod
from methods.efficientface import EfficientFace, Settings
from methods.efficientface.anchors import anchors, encode
from methods.efficientface.losses import box_loss, class_loss
from methods.efficientface.matching import RULES, match
from methods.efficientface.network import Outputs

install_ops()

from mmdet.structures import DetDataSample  # noqa: E402
from mmdet.structures.bbox import HorizontalBoxes  # noqa: E402
from mmengine.structures import InstanceData  # noqa: E402

TINY: dict[str, Any] = {"backbone": "b0", "width": 0.25, "depth": 0.25, "neck_channels": 16}


def detector(**switches: Any) -> Any:
    torch.manual_seed(0)
    return EfficientFace(Settings(**{**TINY, **switches})).build()


def sample(
    boxes: list[list[float]], shape: tuple[int, int] = (128, 128), factor: tuple[float, float] = (1.0, 1.0)
) -> DetDataSample:
    found = DetDataSample(metainfo={"img_shape": shape, "scale_factor": factor, "ori_shape": shape})
    corners = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    found.gt_instances = InstanceData(bboxes=corners, labels=torch.zeros(len(corners), dtype=torch.long))
    return found


def pictures(count: int, height: int = 128, width: int = 128) -> Tensor:
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(1))


EVERY_LEVEL = [[s * 0.4, s * 0.4, s * 1.4, s * 1.4] for s in (16, 32, 64, 128)] + [
    [0.0, 0.0, 256.0, 256.0],
    [-192.0, -192.0, 320.0, 320.0],
]
"""Faces of every level in a picture of 256; the last reaches beyond it, as no smaller one meets an anchor of 512."""


def silenced(network: nn.Module) -> set[str]:
    """Biases that a BN in training cancels: their gradient is 0 but for rounding."""
    return {
        name
        for name, _ in network.named_parameters()
        if name.startswith(("laterals.", "neck.")) or ".convs." in name
        if name.endswith(("pointwise.bias", "conv.bias"))
    }


def test_it_is_a_method_of_the_family() -> None:
    assert issubclass(EfficientFace, FaceMethod)
    assert EfficientFace.reconstruction
    assert EfficientFace.divisor == 128
    assert EfficientFace(Settings()).variant == "EfficientFace-B5 (reconstructed topology)"


@pytest.mark.parametrize("backbone", ["b0", "b5"])
def test_every_parameter_receives_a_gradient_in_one_backward_pass(backbone: str) -> None:
    torch.manual_seed(0)
    built: Any = EfficientFace(Settings(backbone=backbone)).build().train()  # type: ignore[arg-type]
    losses = built.loss(pictures(1, 256, 256), [sample(EVERY_LEVEL, (256, 256))])
    sum(losses.values()).backward()
    without = {name for name, p in built.network.named_parameters() if p.grad is None or not p.grad.any()}
    # B0's attention has four hidden units behind a ReLU: for a single picture all may be silent.
    quiet = {name for name in without if backbone == "b0" and ".M." in name}
    assert without - quiet <= silenced(built.network)
    assert len(quiet) <= 4
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in built.parameters())
    assert sum(p.numel() for p in built.parameters()) == {"b0": 3_849_663, "b5": 31_342_643}[backbone]


ALTERNATIVES: list[dict[str, Any]] = [
    {"neck": "sbifpn12", "laterals": "dual"},
    {"neck": "bifpn1", "laterals": "dual", "fusion": "softmax"},
    {"extra_levels": "conv_stride2", "neck_repeats": 2, "fusion": "sum"},
    {"rfe": "shared", "rfe_norm": "bn", "rfe_residual": False},
    {"rfe": "in_head", "am_shared": True, "head_bn": "shared"},
    {"rfe": "none", "am_depth": 1, "am_residual": True, "head_layers": 4},
    {"am_depth": 0, "anchor_ratios": (1.0, 1.4), "anchor_scales": (3.0, 5.0)},
    {"am_place": "before_rfe", "match": "iou040_050", "loc_loss": "giou"},
    {"loc_loss": "smoothl1_sum_x2", "bn_momentum": 0.1},
]


@pytest.mark.parametrize("switches", ALTERNATIVES, ids=str)
def test_every_alternative_trains_and_predicts(switches: dict[str, Any]) -> None:
    built = detector(**switches)
    batch, samples = pictures(2), [sample([[10, 10, 40, 44], [60, 60, 124, 120]]), sample([[5, 70, 17, 84]])]
    losses = built.train().loss(batch, samples)
    sum(losses.values()).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in built.parameters())
    with torch.no_grad():
        (found, _) = built.eval().predict(batch, samples)
    assert torch.isfinite(found.pred_instances.bboxes).all()


def test_losses_are_those_of_the_parts() -> None:
    built = detector().train()
    batch = pictures(2)
    boxes = [[[10.0, 10, 40, 44], [60, 60, 124, 120]], []]
    state = {name: value.clone() for name, value in built.state_dict().items()}
    losses = built.loss(batch, [sample(each) for each in boxes])
    built.load_state_dict(state)
    logits, codes = built.network(batch)
    beside = anchors(128, 128, (1.0,), (4.0,), batch.device)
    faces = [torch.tensor(each).reshape(-1, 4) for each in boxes]
    owners = [match(each, beside, RULES["iou035_rescue"]) for each in faces]
    torch.testing.assert_close(losses["loss_cls"], class_loss(logits, owners))
    torch.testing.assert_close(losses["loss_bbox"], box_loss(codes, owners, faces, beside, "smoothl1_mean_x50"))
    assert set(losses) == {"loss_cls", "loss_bbox"}


def test_faces_without_an_area_are_left_out_and_mmdets_boxes_are_taken() -> None:
    built = detector().eval()
    clean = [[10.0, 10, 40, 44]]
    wanted = built.loss(pictures(1), [sample(clean)])
    flawed = sample([*clean, [20, 20, 20, 30], [50, 50, 40, 60], [7, 7, 9, 7]])
    boxed = sample(clean)
    boxed.gt_instances.bboxes = HorizontalBoxes(boxed.gt_instances.bboxes)
    for other in (flawed, boxed):
        for name, value in built.loss(pictures(1), [other]).items():
            assert torch.equal(value, wanted[name]), name


def test_a_few_steps_lower_the_loss_and_find_the_face() -> None:
    built = EfficientFace(Settings(**{**TINY, "bn_momentum": 0.3})).build().train()
    batch = 0.3 * pictures(2)
    truth = [[32.0, 40.0, 64.0, 72.0], [70.0, 24.0, 86.0, 40.0]]
    for picture, (x1, y1, x2, y2) in zip(batch, truth, strict=True):
        picture[:, int(y1) : int(y2), int(x1) : int(x2)] += 2.0
    samples: list[Any] = [sample([box]) for box in truth]
    optimiser = torch.optim.AdamW(built.parameters(), lr=3e-3)
    history = []
    for _ in range(25):
        total: Any = sum(built.loss(batch, samples).values())  # type: ignore[operator]
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        history.append(float(total))
    assert history[-1] < 0.3 * history[0]
    with torch.no_grad():
        found = built.eval().predict(batch, samples)  # type: ignore[operator]
    for each, box in zip(found, truth, strict=True):
        torch.testing.assert_close(each.pred_instances.bboxes[0], torch.tensor(box), rtol=0, atol=6.0)


# -- predictions ------------------------------------------------------------------------------------------------------


class Scripted(nn.Module):
    """Answers with boxes and scores of our choice, for a picture of 128 x 256."""

    def __init__(self, wanted: list[tuple[list[float], float]]) -> None:
        super().__init__()
        beside = anchors(128, 256, (1.0,), (4.0,), torch.device("cpu"))
        self.logits = torch.full((1, len(beside)), -20.0)
        self.codes = torch.zeros(1, len(beside), 4)
        for place, (box, score) in enumerate(wanted, 100):
            self.logits[0, place] = torch.tensor(score).logit()
            self.codes[0, place] = encode(torch.tensor([box]), beside[place : place + 1])[0]

    def forward(self, x: Tensor) -> Outputs:
        return Outputs(self.logits.expand(len(x), -1), self.codes.expand(len(x), -1, -1))


def predicted(wanted: list[tuple[list[float], float]], rescale: bool = True, **switches: Any) -> Any:
    """Of a picture of 120 x 200 padded to 128 x 256, resized from 240 x 300."""
    built = detector(**switches).eval()
    built.network = Scripted(wanted)
    asked = sample([], (120, 200), (200 / 300, 120 / 240))
    with torch.no_grad():
        (found,) = built.predict(torch.zeros(1, 3, 128, 256), [asked], rescale=rescale)
    return found.pred_instances


def test_boxes_come_in_pixels_of_the_original_picture() -> None:
    found = predicted([([20.0, 30.0, 50.0, 60.0], 0.9)])
    torch.testing.assert_close(found.bboxes, torch.tensor([[30.0, 60.0, 75.0, 120.0]]))
    torch.testing.assert_close(found.scores, torch.tensor([0.9]))
    assert found.labels.tolist() == [0]
    resized = predicted([([20.0, 30.0, 50.0, 60.0], 0.9)], rescale=False)
    torch.testing.assert_close(resized.bboxes, torch.tensor([[20.0, 30.0, 50.0, 60.0]]))


def test_boxes_end_where_the_unpadded_picture_does_and_those_in_the_padding_go() -> None:
    wanted = [([150.0, 90.0, 230.0, 127.0], 0.9), ([-9.0, -8.0, 20.0, 20.0], 0.8), ([201.0, 5.0, 220.0, 20.0], 0.7)]
    found = predicted(wanted, rescale=False)
    torch.testing.assert_close(
        found.bboxes, torch.tensor([[150.0, 90.0, 200.0, 120.0], [0.0, 0.0, 20.0, 20.0]]), rtol=0, atol=1e-4
    )


def test_a_box_goes_when_a_surer_one_overlaps_it_by_more_than_two_fifths() -> None:
    # Overlaps with the first: 0.45 and 0.35.
    wanted = [([0.0, 0.0, 100.0, 100.0], 0.6), ([0.0, 0.0, 100.0, 45.0], 0.9), ([0.0, 50.0, 35.0, 100.0], 0.5)]
    assert predicted(wanted, rescale=False).scores.tolist() == pytest.approx([0.9, 0.5])
    kept = predicted(wanted[:2], rescale=False, nms_iou=0.46).scores
    assert kept.tolist() == pytest.approx([0.9, 0.6])


def test_scores_fall_and_the_unlikely_are_dropped() -> None:
    wanted = [([5.0 + 20 * n, 5.0, 20.0 + 20 * n, 20.0], score) for n, score in enumerate((0.3, 0.009, 0.8, 0.02))]
    assert predicted(wanted).scores.tolist() == pytest.approx([0.8, 0.3, 0.02])
    assert predicted(wanted, score_threshold=0.5).scores.tolist() == pytest.approx([0.8])
    assert predicted(wanted, max_faces=2).scores.tolist() == pytest.approx([0.8, 0.3])
    assert predicted(wanted, candidates=1).scores.tolist() == pytest.approx([0.8])


def test_a_picture_without_faces_gives_empty_tensors() -> None:
    found = predicted([])
    assert found.bboxes.shape == (0, 4)
    assert found.scores.shape == (0,)
    assert found.labels.dtype == torch.long


# -- the bridge -------------------------------------------------------------------------------------------------------


def test_the_preprocessor_normalises_rgb_and_pads_to_128() -> None:
    built = detector()
    picture = torch.zeros(3, 100, 150, dtype=torch.uint8)
    picture[2] = 255  # red, as the reader gives blue, green, red
    data = {"inputs": [picture], "data_samples": [sample([], (100, 150))]}
    ready = built.data_preprocessor(data)
    assert ready["inputs"].shape == (1, 3, 128, 256)
    means, stds = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
    expected = [(value - mean) / std for value, mean, std in zip((255, 0, 0), means, stds, strict=True)]
    assert ready["inputs"][0, :, 0, 0].tolist() == pytest.approx(expected, rel=1e-5)
    assert not ready["inputs"][0, :, 100:].any()
    with torch.no_grad():
        (found,) = built.eval().test_step(data)
    assert found.pred_instances.bboxes.shape[1] == 4


def test_mmengine_does_not_draw_the_weights_again() -> None:
    built = detector()
    before = {name: value.clone() for name, value in built.state_dict().items()}
    built.init_weights()
    assert all(torch.equal(value, before[name]) for name, value in built.state_dict().items())


def test_the_same_seed_builds_the_same_weights() -> None:
    one, two = detector().state_dict(), detector().state_dict()
    assert all(torch.equal(value, two[name]) for name, value in one.items())


@pytest.mark.parametrize("training", [True, False])
def test_a_batch_that_is_not_padded_is_refused(training: bool) -> None:
    built = detector().train(training)
    with pytest.raises(RepriseError, match="EfficientFace got a batch of 128 x 160"):
        built.loss(pictures(2, 128, 160), [sample([]), sample([])])


def test_one_small_picture_alone_cannot_be_trained_on() -> None:
    built = detector().train()
    with pytest.raises(RepriseError, match="batch of one picture of 128 x 128"):
        built.loss(pictures(1), [sample([])])
    assert torch.isfinite(built.eval().loss(pictures(1), [sample([])])["loss_cls"])


def test_losses_stay_in_single_precision_under_autocast() -> None:
    built = detector().train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = built.loss(pictures(2), [sample([[10, 10, 40, 44]]), sample([])])
    assert {value.dtype for value in losses.values()} == {torch.float32}
    assert all(torch.isfinite(value) for value in losses.values())
