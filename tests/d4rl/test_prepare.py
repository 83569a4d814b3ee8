"""From transitions to the table that minibatches are drawn from."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.d4rl.datasets import Transitions
from benchmarks.d4rl.prepare import prepare
from benchmarks.d4rl.settings import TrainingSettings
from benchmarks.d4rl.transforms import best_trajectories


def transitions() -> Transitions:
    """Twelve episodes of five steps that end in terminals."""
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(12, 6, 3, generator=generator) * 4 + 1
    ends = torch.zeros(12, 5)
    ends[:, -1] = 1
    actions, rewards = torch.rand(60, 2, generator=generator) * 2 - 1, torch.randn(60, generator=generator)
    observations, following = states[:, :-1].reshape(60, 3), states[:, 1:].reshape(60, 3)
    return Transitions("toy", "hash", observations, actions, rewards, following, ends.reshape(-1), torch.zeros(60))


def test_statistics_are_those_of_the_selected_rows_and_columns_lie_side_by_side() -> None:
    data = transitions()
    training = TrainingSettings(
        normalize_states=True,
        trajectory_fraction=0.3,
        reward_transform="scale:3+shift:1",
        clip_dataset_actions=0.9,
    )
    prepared, kept = prepare(data, training), best_trajectories(data, 0.3)
    states = kept.observations.double()
    np.testing.assert_allclose(prepared.mean, states.mean(0), rtol=1e-6)
    np.testing.assert_allclose(prepared.std, states.std(0, correction=0) + 1e-3, rtol=1e-6)
    s, a, r, s_next, d = prepared.table.split(prepared.widths, 1)
    np.testing.assert_allclose(s * prepared.std + prepared.mean, kept.observations, atol=1e-5)
    np.testing.assert_allclose(s_next * prepared.std + prepared.mean, kept.next_observations, atol=1e-5)
    assert torch.equal(a, kept.actions.clamp(-0.9, 0.9))
    np.testing.assert_allclose(r[:, 0], 3 * kept.rewards + 1, rtol=1e-6)
    assert torch.equal(d[:, 0], kept.terminals)
    assert (prepared.reward_scale, prepared.reward_shift) == (3.0, 1.0)
    assert prepared.record["rows_used"] == len(kept) == 15


def test_by_default_rows_stay_as_they_are() -> None:
    data = transitions()
    s, a, r, s_next, d = prepare(data, TrainingSettings()).table.split((3, 2, 1, 3, 1), 1)
    for column, expected in ((s, data.observations), (a, data.actions), (s_next, data.next_observations)):
        assert torch.equal(column, expected)
    assert torch.equal(r[:, 0], data.rewards)
    assert torch.equal(d[:, 0], data.terminals)
