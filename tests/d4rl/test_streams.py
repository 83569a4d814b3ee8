"""Random streams: the same numbers alone, stacked, resumed."""

from __future__ import annotations

import pytest
import torch

from benchmarks.base import stream_seed
from benchmarks.d4rl.method import Draw
from benchmarks.d4rl.streams import BLOCK, Stream

DRAWS = {"a": Draw("normal", (4, 2)), "b": Draw("uniform", (3,)), "c": Draw("integers", (5,), high=7)}


def test_a_run_draws_the_same_alone_and_in_a_stack() -> None:
    alone, stacked = Stream("noise", "t", [3], DRAWS), Stream("noise", "t", [1, 3, 2], DRAWS)
    for step in (0, 1, BLOCK - 1, BLOCK, 5 * BLOCK + 3):
        one, many = alone.at(step), stacked.at(step)
        for name in DRAWS:
            assert torch.equal(one[name][0], many[name][1])


def test_any_step_can_be_drawn_without_the_steps_before_it() -> None:
    through, jumped = Stream("noise", "t", [0], DRAWS), Stream("noise", "t", [0], DRAWS)
    for step in range(2 * BLOCK + 1):
        last = through.at(step)
    assert torch.equal(last["a"], jumped.at(2 * BLOCK)["a"])


def test_steps_seeds_purposes_and_tasks_differ() -> None:
    base = Stream("noise", "t", [0], DRAWS).at(0)["a"]
    for other in (
        Stream("noise", "t", [0], DRAWS).at(1),
        Stream("noise", "t", [0], DRAWS).at(BLOCK),
        Stream("noise", "t", [1], DRAWS).at(0),
        Stream("batches", "t", [0], DRAWS).at(0),
        Stream("noise", "u", [0], DRAWS).at(0),
    ):
        assert not torch.equal(base, other["a"])


def test_kinds_have_their_ranges() -> None:
    drawn = [Stream("noise", "t", list(range(20)), DRAWS).at(step) for step in range(0, 100, 10)]
    uniform = torch.cat([d["b"].flatten() for d in drawn])
    integers = torch.cat([d["c"].flatten() for d in drawn])
    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert set(integers.tolist()) == set(range(7))
    with pytest.raises(ValueError, match="kind"):
        Stream("noise", "t", [0], {"x": Draw("poisson", (1,))}).at(0)


def test_stream_seeds_are_stable() -> None:
    """A change here changes every number of the suite."""
    assert stream_seed("batches", "hopper-medium", 0) == 7428519604405439273
    assert stream_seed("batches", "hopper-medium", 0, 1) != stream_seed("batches", "hopper-medium", 0, 2)
