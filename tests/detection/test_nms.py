"""Suppression against loops over boxes, written from the definition."""

from __future__ import annotations

import math

import pytest
import torch
from mmcv.ops import batched_nms, nms, nms_match, soft_nms
from torch import Tensor

from benchmarks.detection.ops import nms as operators


def boxes_and_scores(count: int, seed: int, side: float = 60.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * side
    size = 2 + torch.rand(count, 2, generator=generator) * 30
    return torch.cat([corner, corner + size], 1), torch.rand(count, generator=generator)


def iou(a: list[float], b: list[float], offset: int) -> float:
    def area(box: list[float]) -> float:
        return (box[2] - box[0] + offset) * (box[3] - box[1] + offset)

    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]) + offset)
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]) + offset)
    union = area(a) + area(b) - width * height
    return width * height / union if union else 0.0


def loop_nms(boxes: Tensor, scores: Tensor, threshold: float, offset: int = 0) -> list[int]:
    rows = boxes.double().tolist()
    kept: list[int] = []
    for candidate in sorted(range(len(rows)), key=lambda i: -float(scores[i])):
        if all(iou(rows[candidate], rows[other], offset) <= threshold for other in kept):
            kept.append(candidate)
    return kept


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.7, 1.0])
@pytest.mark.parametrize("count", [1, 40, 400])
def test_nms_keeps_what_a_loop_keeps(count: int, threshold: float, offset: int) -> None:
    boxes, scores = boxes_and_scores(count, seed=count)
    dets, kept = nms(boxes, scores, threshold, offset)
    assert kept.tolist() == loop_nms(boxes, scores, threshold, offset)
    assert torch.equal(dets, torch.cat([boxes, scores[:, None]], 1)[kept])


def test_nms_does_not_depend_on_how_many_boxes_are_settled_together(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes, scores = boxes_and_scores(300, seed=5)
    expected = loop_nms(boxes, scores, 0.4)
    assert 20 < len(expected) < 280
    for block in (1, 7, 300, 4096):
        monkeypatch.setattr(operators, "BLOCK", block)
        assert nms(boxes, scores, 0.4)[1].tolist() == expected


def test_nms_follows_a_chain_in_which_every_second_box_stays() -> None:
    left = torch.arange(600.0) * 4
    boxes = torch.stack([left, torch.zeros(600), left + 10, torch.full((600,), 10.0)], 1)
    scores = torch.linspace(1, 0.1, 600)
    assert nms(boxes, scores, 0.4)[1].tolist() == list(range(0, 600, 2))


def test_equal_scores_keep_the_order_of_the_input() -> None:
    boxes, _ = boxes_and_scores(200, seed=1)
    scores = torch.full((200,), 0.5)
    kept = nms(boxes, scores, 0.5)[1].tolist()
    assert kept == loop_nms(boxes, scores, 0.5)
    assert kept == sorted(kept)


def test_an_overlap_of_exactly_the_threshold_is_kept() -> None:
    boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 2]])
    assert nms(boxes, torch.tensor([0.9, 0.8]), 0.5)[1].tolist() == [0, 1]
    assert nms(boxes, torch.tensor([0.9, 0.8]), 0.49)[1].tolist() == [0]


def test_boxes_without_area_suppress_nothing() -> None:
    assert len(nms(torch.ones(3, 4), torch.tensor([0.9, 0.8, 0.7]), 0.1)[1]) == 3


def test_no_boxes_give_no_boxes() -> None:
    dets, kept = nms(torch.empty(0, 4), torch.empty(0), 0.5)
    assert dets.shape == (0, 5)
    assert kept.dtype == torch.long
    assert soft_nms(torch.empty(0, 4), torch.empty(0))[0].shape == (0, 5)
    assert nms_match(torch.empty(0, 5), 0.5) == []


def test_nms_takes_a_score_threshold_and_a_limit() -> None:
    boxes, scores = boxes_and_scores(100, seed=2)
    expected = [i for i in loop_nms(boxes, scores, 0.5) if scores[i] > 0.3][:10]
    assert nms(boxes, scores, 0.5, score_threshold=0.3, max_num=10)[1].tolist() == expected


def test_boxes_of_different_classes_do_not_suppress_each_other() -> None:
    boxes, scores = boxes_and_scores(200, seed=3)
    classes = torch.arange(200) % 4
    dets, kept = batched_nms(boxes, scores, classes, {"type": "nms", "iou_threshold": 0.4})
    expected = [
        int(members[i])
        for members in (torch.nonzero(classes == c)[:, 0] for c in range(4))
        for i in loop_nms(boxes[members], scores[members], 0.4)
    ]
    assert kept.tolist() == sorted(expected, key=lambda i: -float(scores[i]))
    assert len(kept) > len(batched_nms(boxes, scores, classes, {"type": "nms", "iou_threshold": 0.4}, True)[1])
    assert torch.equal(dets[:, :4], boxes[kept])


def loop_soft_nms(
    boxes: Tensor, scores: Tensor, method: str, threshold: float, sigma: float, min_score: float, offset: int
) -> list[tuple[int, float]]:
    rows, left = boxes.double().tolist(), dict(enumerate(scores.double().tolist()))
    taken: list[tuple[int, float]] = []
    while left:
        best = max(left, key=lambda i: (left[i], -i))
        taken.append((best, left.pop(best)))
        for other in list(left):
            overlap = iou(rows[best], rows[other], offset)
            if method == "gaussian":
                left[other] *= math.exp(-(overlap**2) / sigma)
            elif overlap >= threshold:
                left[other] *= 0.0 if method == "naive" else 1 - overlap
            if left[other] < min_score:
                del left[other]
    return taken


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("method", ["naive", "linear", "gaussian"])
def test_soft_nms_decays_as_a_loop_does(method: str, offset: int) -> None:
    boxes, scores = boxes_and_scores(80, seed=4)
    dets, kept = soft_nms(boxes, scores, 0.3, 0.5, 0.01, method, offset)
    expected = loop_soft_nms(boxes, scores, method, 0.3, 0.5, 0.01, offset)
    assert 10 < len(expected) < 80
    assert kept.tolist() == [i for i, _ in expected]
    decayed = torch.tensor([score for _, score in expected], dtype=torch.float64)
    torch.testing.assert_close(dets[:, 4].double(), decayed, rtol=1e-5, atol=1e-6)
    assert torch.equal(dets[:, :4], boxes[kept])


def test_naive_soft_nms_is_nms() -> None:
    boxes, scores = boxes_and_scores(120, seed=6)
    assert soft_nms(boxes, scores, 0.5, min_score=1e-6, method="naive")[1].tolist() == loop_nms(boxes, scores, 0.5)


@pytest.mark.parametrize("threshold", [0.2, 0.6])
def test_nms_match_groups_a_box_with_those_it_suppresses(threshold: float) -> None:
    boxes, scores = boxes_and_scores(90, seed=7)
    rows = boxes.double().tolist()
    left = sorted(range(90), key=lambda i: -float(scores[i]))
    expected: list[list[int]] = []
    while left:
        first = left[0]
        group = [first] + [other for other in left[1:] if iou(rows[first], rows[other], 0) >= threshold]
        expected.append(group)
        left = [other for other in left if other not in group]
    groups = [group.tolist() for group in nms_match(torch.cat([boxes, scores[:, None]], 1), threshold)]
    assert groups == expected
    assert max(map(len, groups)) > 2


def test_nms_under_autocast_and_on_half_boxes_decides_in_float32() -> None:
    boxes, scores = boxes_and_scores(200, seed=8)
    with torch.autocast("cpu", torch.bfloat16):
        assert nms(boxes, scores, 0.5)[1].tolist() == loop_nms(boxes, scores, 0.5)
    half, half_scores = boxes.bfloat16(), scores.bfloat16()
    assert nms(half, half_scores, 0.5)[1].tolist() == loop_nms(half.float(), half_scores.float(), 0.5)
