"""MogFace as a detector: losses put together, learning, boxes in pixels, resuming, targets to look at."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from baselines.mogface import MogFace, Settings
from baselines.mogface.anchors import encode, grid_sizes, inclusive, make_anchors
from baselines.mogface.losses import box_loss, class_loss, second_loss
from baselines.mogface.presets import PRESETS
from benchmarks.detection import install_ops

install_ops()

from mmdet.structures import DetDataSample  # noqa: E402
from mmdet.structures.bbox import HorizontalBoxes, bbox_overlaps  # noqa: E402
from mmengine.optim import OptimWrapper  # noqa: E402
from mmengine.structures import InstanceData  # noqa: E402

SIDE = 64
FACES = [[10.0, 12, 26, 30], [36, 30, 60, 58]]


def detector(seed: int = 0, **changes: Any) -> Any:
    torch.manual_seed(seed)
    return MogFace(Settings(**{**PRESETS["small"]("synth"), **changes})).build()


def batch(seed: int = 0, faces: Sequence[Sequence[float]] = FACES) -> dict[str, Any]:
    """A picture with bright squares for faces, and one of noise alone."""
    draw = torch.Generator().manual_seed(seed)
    pictures = torch.randint(0, 120, (2, 3, SIDE, SIDE), generator=draw, dtype=torch.uint8)
    samples = []
    for number in range(2):
        shape = dict.fromkeys(("img_shape", "ori_shape", "pad_shape"), (SIDE, SIDE))
        sample = DetDataSample(metainfo={**shape, "scale_factor": (1.0, 1.0), "img_id": number})
        boxes = torch.tensor(faces if number == 0 else []).reshape(-1, 4)
        sample.gt_instances = InstanceData(
            bboxes=HorizontalBoxes(boxes), labels=torch.zeros(len(boxes), dtype=torch.int64)
        )
        samples.append(sample)
    for left, top, right, bottom in torch.tensor(faces).int().tolist():
        pictures[0, :, top:bottom, left:right] = 255
    return {"inputs": list(pictures), "data_samples": samples}


def prepared(model: Any, data: dict[str, Any]) -> tuple[Tensor, list[Any]]:
    made = model.data_preprocessor(copy.deepcopy(data), training=True)
    return made["inputs"], made["data_samples"]


def test_losses_are_those_of_every_part_on_its_own_anchors() -> None:
    model = detector(hcam=True, auxiliary_weight=0.5, hcam_train_score=0.011).train()
    inputs, samples = prepared(model, batch())
    with torch.no_grad():
        losses = copy.deepcopy(model).loss(inputs, samples)
        found = copy.deepcopy(model).outputs(inputs, 0.011)
    targets = copy.deepcopy(model).targets(inputs, samples)
    anchors = make_anchors(grid_sizes(SIDE, SIDE), 0.68)

    def flat(maps: Sequence[Tensor]) -> Tensor:
        return torch.stack([torch.cat([level[image, 0].flatten() for level in maps]) for image in range(2)])

    positive = torch.stack([each.positive for each in targets])
    assert positive[0].any()
    assert not positive[1].any()
    torch.testing.assert_close(losses["loss_cls"], class_loss(flat(found.main.logits), positive))
    codes = torch.cat([level[0].flatten(1).t() for level in found.main.codes])[positive[0]]
    wanted = encode(targets[0].boxes[positive[0]], anchors[positive[0]])
    torch.testing.assert_close(losses["loss_box"], box_loss(codes, wanted, 2))
    predicted = flat(found.second.predicted)
    labels = torch.where(predicted, positive.long(), -1)
    assert predicted.any()
    torch.testing.assert_close(losses["loss_cls_second"], second_loss(flat(found.second.logits), labels))

    # The first-shot branch learns on anchors half as large, without recruits.
    plain = detector(first_shot=False, ams=False, anchor_scale=0.34).train()
    half = plain.targets(inputs, samples)
    positive = torch.stack([each.positive for each in half])
    expected = 0.5 * class_loss(flat(found.first_shot.logits), positive)
    torch.testing.assert_close(losses["loss_cls_first"], expected)
    assert set(losses) == {"loss_cls", "loss_box", "loss_cls_first", "loss_box_first", "loss_cls_second"}


def test_ali_ams_changes_targets_and_nothing_else() -> None:
    crowd = [[4.0, 4, 20, 20], [30, 5, 36, 11], [40, 33, 49, 46], [8, 40, 27, 62]]
    with_ams, without = (detector(ams=ams).train() for ams in (True, False))
    inputs, samples = prepared(with_ams, batch(faces=crowd))
    one, other = (model.targets(inputs, samples)[0] for model in (with_ams, without))
    assert one.recruited.any()
    assert torch.equal(one.positive & ~one.recruited, other.positive)
    assert not other.recruited.any()
    faces = inclusive(torch.tensor(crowd))
    assert all((box == faces).all(1).any() for box in one.boxes[one.positive])


def test_pictures_without_faces_train() -> None:
    model = detector(hcam=True).train()
    data = batch()
    data["data_samples"][0] = data["data_samples"][1]
    losses = model.loss(*prepared(model, data))
    sum(losses.values()).backward()
    assert losses["loss_box"].item() == 0
    assert all(torch.isfinite(value.grad).all() for value in model.parameters())


def test_it_learns_two_squares_and_finds_them_in_pixels() -> None:
    model = detector(hcam=True).train()
    optimiser = OptimWrapper(torch.optim.AdamW(model.parameters(), lr=3e-3))
    for step in range(60):
        model.train_step(batch(step), optimiser)
    model.eval()
    with torch.no_grad():
        squares, noise = [sample.pred_instances for sample in model.test_step(batch(99))]
    best = squares.bboxes[:2]
    assert bbox_overlaps(torch.tensor(FACES), best).max(1).values.min() > 0.7
    assert (squares.scores.diff() <= 0).all()
    assert squares.labels.unique().tolist() == [0]
    assert len(noise) == 0 or noise.scores.max() < squares.scores[1]


def loud(**changes: Any) -> Any:
    """A detector of fresh weights whose every cell passes the score."""
    model = detector(**{"score": 0.0, **changes}).eval()
    torch.nn.init.normal_(model.head.classify.weight, std=0.5)
    return model


def predicted(model: Any, sample: Any, rescale: bool = True) -> InstanceData:
    with torch.no_grad():
        image = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(3))
        return model.predict(image, [copy.deepcopy(sample)], rescale=rescale)[0].pred_instances


def test_boxes_are_those_of_the_definition() -> None:
    """Score, best first, suppression at IoU with + 1 on inclusive corners, limit, clip: box by box."""
    model = loud(per_image=30, before_nms=100)
    sample = batch()["data_samples"][0]
    found = predicted(model, sample, rescale=False)
    with torch.no_grad():
        image = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(3))
        maps = model.outputs(image, 0.12).main
    rows = []
    for level, (logits, codes) in enumerate(zip(maps.logits, maps.codes, strict=True)):
        stride = 4 * 2**level
        side = 4 * stride * 0.68
        for row in range(logits.shape[2]):
            for column in range(logits.shape[3]):
                dx, dy, dw, dh = codes[0, :, row, column].double().tolist()
                x, y = (column + 0.5) * stride + dx * side, (row + 0.5) * stride + dy * side
                w, h = side * torch.tensor([dw, dh]).double().exp()
                x1, y1 = x - (w - 1) / 2, y - (h - 1) / 2
                score = logits[0, 0, row, column].sigmoid().item()
                rows.append((score, [float(x1), float(y1), float(x1 + w - 1), float(y1 + h - 1)]))
    rows.sort(key=lambda row: -row[0])
    kept: list[tuple[float, list[float]]] = []
    for score, box in rows[:100]:
        overlaps = []
        for _, other in kept:
            w = min(box[2], other[2]) - max(box[0], other[0]) + 1
            h = min(box[3], other[3]) - max(box[1], other[1]) + 1
            shared = max(w, 0) * max(h, 0)
            areas = [(b[2] - b[0] + 1) * (b[3] - b[1] + 1) for b in (box, other)]
            overlaps.append(shared / (sum(areas) - shared))
        if max(overlaps, default=0) < 0.3:
            kept.append((score, box))
    expected = torch.tensor([[b[0], b[1], b[2] + 1, b[3] + 1] for _, b in kept[:30]]).clamp(0, SIDE)
    torch.testing.assert_close(found.bboxes, expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(found.scores, torch.tensor([score for score, _ in kept[:30]]))


def test_boxes_come_back_to_the_original_image() -> None:
    model = loud()
    sample = batch()["data_samples"][0]
    sample.set_metainfo({"img_shape": (48, 56), "scale_factor": (0.5, 0.25)})
    inside, original = predicted(model, sample, rescale=False), predicted(model, sample)
    assert inside.bboxes.max(0).values[2:].tolist() == [56, 48]
    torch.testing.assert_close(original.bboxes, inside.bboxes / torch.tensor([0.5, 0.25, 0.5, 0.25]))
    assert len(loud(score=1.0).predict(torch.zeros(1, 3, SIDE, SIDE), [sample])[0].pred_instances) == 0


def test_limits_hold() -> None:
    sample = batch()["data_samples"][0]
    assert len(predicted(loud(per_image=7, nms_iou=1.0), sample)) == 7
    assert len(predicted(loud(before_nms=11, nms_iou=1.0), sample)) == 11


def test_d2_the_second_classifier_decides_on_predicted_cells() -> None:
    sample = batch()["data_samples"][0]
    scores = {}
    for branch in ("fixed", "product", "released"):
        model = loud(hcam=True, hcam_test_branch=branch, nms_iou=1.0, before_nms=10_000, per_image=10_000)
        for layer in model.hcam.classify:
            torch.nn.init.constant_(layer.bias, -8.0)
        scores[branch] = predicted(model, sample).scores
    assert scores["released"].max() > 0.12
    assert scores["fixed"].max() <= 0.12
    assert scores["product"].max() <= 0.12


def test_d10_released_input_is_divided_by_255_again() -> None:
    standard, released = (detector(input_scale=way) for way in ("fixed", "released"))
    one, other = (prepared(model, batch())[0] for model in (standard, released))
    torch.testing.assert_close(one, other * 255, rtol=1e-5, atol=1e-5)
    assert one.std() > 0.3


@pytest.mark.parametrize("changes", [{"ams": True}, {"hcam": True}], ids=["Ali-AMS", "HCAM"])
def test_training_goes_on_from_a_checkpoint_to_the_bit(changes: dict[str, Any], tmp_path: Path) -> None:
    """Recruits and HCAM's predicted cells are counted anew in each iteration: a checkpoint holds all there is."""

    def run(model: Any, optimiser: OptimWrapper, first: int, last: int) -> list[dict[str, float]]:
        model.train()
        return [
            {name: value.item() for name, value in model.train_step(batch(step), optimiser).items()}
            for step in range(first, last)
        ]

    def fresh(seed: int) -> tuple[Any, OptimWrapper]:
        model = detector(seed, **changes)
        return model, OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9))

    whole, optimiser = fresh(0)
    expected = run(whole, optimiser, 0, 8)
    part, optimiser = fresh(0)
    run(part, optimiser, 0, 5)
    torch.save([part.state_dict(), optimiser.state_dict()], tmp_path / "state.pth")
    resumed, optimiser = fresh(1)
    state = torch.load(tmp_path / "state.pth")
    resumed.load_state_dict(state[0])
    optimiser.load_state_dict(state[1])
    assert run(resumed, optimiser, 5, 8) == expected[5:]
    assert all(torch.equal(one, whole.state_dict()[name]) for name, one in resumed.state_dict().items())
    if "hcam" in changes:
        assert any(row["loss_cls_second"] > 0 for row in expected)
