"""Masks: how many entries, which ones, and where the draws come from."""

from __future__ import annotations

import math

import pytest
import torch

from benchmarks.coco.distillation.contract import BatchContext
from benchmarks.coco.distillation.masks import (
    CHANNEL,
    SPATIAL,
    hidden_count,
    mask_seed,
    random_mask,
    threshold_mask,
    topk_mask,
)


def context(seed: int = 0, rank: int = 0, iteration: int = 0) -> BatchContext:
    return BatchContext([], [], (8, 8), seed, rank, iteration)


@pytest.mark.parametrize(
    ("entries", "ratio", "hidden"),
    [(1050, 0.45, 473), (1050, 0.65, 683), (77, 0.45, 35), (77, 0.65, 50), (256, 0.45, 115), (256, 0.65, 166)],
)
def test_hidden_counts_of_the_specification(entries: int, ratio: float, hidden: int) -> None:
    assert hidden_count(ratio, entries) == hidden


def test_halves_are_rounded_up() -> None:
    assert [hidden_count(0.5, entries) for entries in (1, 3, 5)] == [1, 2, 3]


@pytest.mark.parametrize("important", [True, False])
@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.65, 1.0])
def test_topk_hides_exactly_k_per_image_and_the_right_ones(important: bool, ratio: float) -> None:
    score = torch.rand(3, 7, 11, generator=torch.Generator().manual_seed(1))
    mask = topk_mask(score, ratio, important)
    assert mask.shape == score.shape
    assert set(mask.unique().tolist()) <= {0.0, 1.0}
    for image in range(3):
        flat = score[image].flatten().tolist()
        order = sorted(range(77), key=lambda i: (-flat[i] if important else flat[i], i))
        expected = set(order[: math.floor(ratio * 77 + 0.5)])
        assert set((mask[image].flatten() == 0).nonzero().flatten().tolist()) == expected


@pytest.mark.parametrize("important", [True, False])
def test_ties_hide_the_smaller_index_first(important: bool) -> None:
    score = torch.tensor([[1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0] * 40])
    hidden = (topk_mask(score, 0.25, important)[0] == 0).nonzero().flatten().tolist()
    assert hidden == list(range(1 if important else 0, 160, 2))


def test_infinite_scores_are_hidden_first_in_order_of_their_index() -> None:
    score = torch.tensor([[0.0, math.inf, 5.0, math.inf, math.inf, 1.0]])
    assert topk_mask(score, 2 / 6, True).tolist() == [[1, 0, 1, 0, 1, 1]]
    assert topk_mask(score, 4 / 6, True).tolist() == [[1, 0, 0, 0, 0, 1]]


def test_threshold_hides_above_or_below() -> None:
    attention = torch.tensor([[0.5, 1.0, 1.5]])
    assert threshold_mask(attention, 1.0, True).tolist() == [[1, 1, 0]]
    assert threshold_mask(attention, 1.0, False).tolist() == [[0, 1, 1]]


def test_neighbouring_tuples_have_different_seeds() -> None:
    found = {
        mask_seed(seed, rank, iteration, stride, branch)
        for seed in range(4)
        for rank in range(4)
        for iteration in range(30)
        for stride in (8, 16, 32, 64, 128)
        for branch in (SPATIAL, CHANNEL)
    }
    assert len(found) == 4 * 4 * 30 * 5 * 2
    assert all(0 <= seed < 2**63 for seed in found)
    assert mask_seed(1, 11, 1, 8, 0) != mask_seed(11, 1, 1, 8, 0)


def test_own_draws_leave_torchs_generator_alone_and_repeat() -> None:
    like = torch.zeros(1, dtype=torch.float64)
    before = torch.get_rng_state()
    draws = [random_mask(0.5, (2, 1, 20, 20), like, "own", context(3, 1, 7), 8, SPATIAL) for _ in range(2)]
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(*draws)
    assert draws[0].dtype == torch.float64
    for other in (context(4, 1, 7), context(3, 2, 7), context(3, 1, 8)):
        assert not torch.equal(draws[0], random_mask(0.5, (2, 1, 20, 20), like, "own", other, 8, SPATIAL))
    assert not torch.equal(draws[0], random_mask(0.5, (2, 1, 20, 20), like, "own", context(3, 1, 7), 16, SPATIAL))
    assert not torch.equal(draws[0], random_mask(0.5, (2, 1, 20, 20), like, "own", context(3, 1, 7), 8, CHANNEL))


def test_global_draws_are_torchs_own() -> None:
    like = torch.zeros(1)
    torch.manual_seed(5)
    found = random_mask(0.65, (2, 1, 9, 9), like, "global", context(), 8, SPATIAL)
    torch.manual_seed(5)
    assert torch.equal(found, (torch.rand(2, 1, 9, 9) <= 1 - 0.65).float())


def test_ratio_zero_hides_nothing_and_draws_nothing() -> None:
    before = torch.get_rng_state()
    assert random_mask(0.0, (1, 1, 50, 50), torch.zeros(1), "global", context(), 8, SPATIAL).all()
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("ratio", [0.25, 0.45, 0.65])
def test_the_hidden_share_is_within_four_sigma_of_the_ratio(ratio: float) -> None:
    entries = 4 * 100 * 100
    hidden = 1.0 - random_mask(ratio, (4, 1, 100, 100), torch.zeros(1), "own", context(), 8, SPATIAL).mean().item()
    assert abs(hidden - ratio) < 4.0 * math.sqrt(ratio * (1.0 - ratio) / entries)
