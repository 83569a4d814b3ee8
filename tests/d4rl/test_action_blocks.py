"""Gradients accumulated over blocks equal those of autograd over all rows at once."""

from __future__ import annotations

import pytest
import torch

from benchmarks.d4rl.action_blocks import ActionBlocks
from benchmarks.d4rl.networks import StackedCritics, generators

RUNS, MANY, ROWS, OBSERVATION, ACTION = 2, 5, 7, 4, 3


def critics(hidden, count):
    return StackedCritics(OBSERVATION, ACTION, hidden, generators([1, 2]), count).double()


def inputs():
    g = torch.Generator().manual_seed(0)
    states = torch.randn(RUNS, ROWS, OBSERVATION, generator=g, dtype=torch.float64)
    return states, torch.randn(RUNS, MANY, ROWS, ACTION, generator=g, dtype=torch.float64)


@pytest.mark.parametrize("hidden", [(8,), (8, 6), (8, 6, 10)], ids=str)
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("block_bytes", [1, 4_000, 10**9])
def test_they_equal_autograd_whatever_the_block(hidden, count, block_bytes):
    net, (states, actions) = critics(hidden, count), inputs()
    weight = torch.randn(ROWS, generator=torch.Generator().manual_seed(3), dtype=torch.float64)

    def loss(q, rows):
        return (weight[rows] * (torch.logsumexp(q, 2) - q[:, :, 0]).square()).sum()

    expected = torch.autograd.grad(loss(net.many(states, actions), slice(None)), list(net.parameters()))
    blocks = ActionBlocks(net, block_bytes)
    for _ in range(2):
        for ours, theirs in zip(blocks.gradients(states, actions, loss), expected, strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=1e-10)


def test_every_row_is_visited_once_and_in_order():
    net, (states, actions) = critics((8,), 2), inputs()
    seen = []

    def loss(q, rows):
        seen.append((rows, q.detach().clone()))
        return q.sum()

    ActionBlocks(net, block_bytes=3 * RUNS * 2 * MANY * 8 * 8).gradients(states, actions, loss)
    assert [(rows.start, rows.stop) for rows, _ in seen] == [(0, 3), (3, 6), (6, 7)]
    torch.testing.assert_close(torch.cat([q for _, q in seen], -1), net.many(states, actions).detach())


def test_inputs_and_parameters_are_left_alone():
    net, (states, actions) = critics((8, 8), 2), inputs()
    before = [p.detach().clone() for p in net.parameters()], states.clone(), actions.clone()
    ActionBlocks(net).gradients(states, actions, lambda q, rows: q.sum())
    assert all(torch.equal(a, b) for a, b in zip(before[0], net.parameters(), strict=True))
    assert torch.equal(before[1], states)
    assert torch.equal(before[2], actions)
    assert all(p.grad is None for p in net.parameters())
