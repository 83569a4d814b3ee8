"""Selection, normalisation and reward transforms against plain loops."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from benchmarks.base import RepriseError
from benchmarks.d4rl import loaders
from benchmarks.d4rl.datasets import Transitions
from benchmarks.d4rl.transforms import (
    best_trajectories,
    clip_actions,
    normalize_states,
    state_scaling,
    trajectory_ends,
    trajectory_returns,
    transform_rewards,
)

LIMIT = 10


def transitions(ends: list[tuple[int, str]], tail: int = 0, rule: str = "full", seed: int = 0) -> Transitions:
    rng = np.random.default_rng(seed)
    columns: dict[str, list[np.ndarray]] = {
        key: [] for key in ("observations", "next_observations", "terminals", "timeouts")
    }
    for length, end in [*ends, *([(tail, "cut")] if tail else [])]:
        states = rng.normal(1.0, 3.0, (length + 1, 2)).astype(np.float32)
        last = np.arange(length) == length - 1
        columns["observations"].append(states[:-1])
        columns["next_observations"].append(states[1:])
        columns["terminals"].append(last & (end == "terminal"))
        columns["timeouts"].append(last & (end == "timeout"))
    rows = {key: np.concatenate(parts) for key, parts in columns.items()}
    rows["actions"] = rng.uniform(-1, 1, (len(rows["terminals"]), 1)).astype(np.float32)
    rows["rewards"] = rng.normal(size=len(rows["terminals"])).astype(np.float32)
    loaded = loaders.apply(rule, rows, "toy", LIMIT)
    return Transitions("toy", "hash", **{key: torch.from_numpy(array).float() for key, array in loaded.items()})


MIXED = [(4, "terminal"), (10, "timeout"), (10, "timeout"), (1, "terminal"), (10, "timeout"), (3, "terminal")]


def loop_ends(data: Transitions, segmentation: str) -> list[int]:
    """Trajectory ends row by row, in the words of the specification."""
    ends, length = [], 0
    for i in range(len(data)):
        length += 1
        if segmentation == "episode":
            end = data.terminals[i] > 0 or data.timeouts[i] > 0
        elif segmentation == "corl":
            end = data.terminals[i] > 0 or length == LIMIT
        else:
            last = i == len(data) - 1
            end = last or data.terminals[i] > 0
            end = end or np.linalg.norm(data.observations[i + 1] - data.next_observations[i]) > 1e-6
        if end:
            ends.append(i)
            length = 0
    return ends


@pytest.mark.parametrize("segmentation", ["episode", "corl", "iql"])
@pytest.mark.parametrize("rule", loaders.LOADERS)
@pytest.mark.parametrize("ends", [MIXED, [(10, "timeout")] * 4, [(25, "terminal"), (10, "terminal")], []])
def test_trajectories_agree_with_a_loop(segmentation: str, rule: str, ends: list[tuple[int, str]]) -> None:
    data = transitions(ends, tail=6, rule=rule)
    found = trajectory_ends(data, segmentation, LIMIT)
    assert found.tolist() == loop_ends(data, segmentation)
    if len(found):
        starts = [0, *(found[:-1] + 1)]
        expected = [float(data.rewards[a : b + 1].double().sum()) for a, b in zip(starts, found, strict=True)]
        np.testing.assert_allclose(trajectory_returns(data, segmentation, LIMIT), expected, rtol=1e-12)


def test_corl_segments_slide_into_the_following_episode_where_time_outs_were_dropped() -> None:
    data = transitions([(10, "timeout")] * 4, rule="d4rl")
    assert trajectory_ends(data, "episode").tolist() == [8, 17, 26, 35]
    assert trajectory_ends(data, "corl", LIMIT).tolist() == [9, 19, 29]


def test_states_are_z_scored_with_the_population_spread_of_s() -> None:
    data = transitions(MIXED)
    states, following = data.observations.double().numpy(), data.next_observations.double().numpy()
    mean, scale = states.mean(0), states.std(0, ddof=0) + 1e-3
    ours = normalize_states(data, state_scaling(data, 1e-3))
    np.testing.assert_allclose(ours.observations, (states - mean) / scale, atol=1e-6)
    np.testing.assert_allclose(ours.next_observations, (following - mean) / scale, atol=1e-6)


def test_without_normalisation_states_stay_as_they_are() -> None:
    data = transitions(MIXED)
    ours = normalize_states(data, state_scaling(data, None))
    assert torch.equal(ours.observations, data.observations)


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        ("none", lambda r: r),
        ("shift:-1", lambda r: r - 1),
        ("scale:2.5", lambda r: 2.5 * r),
        ("affine:4:-0.5", lambda r: 4 * r - 0.5),
        ("scale:2+shift:1+scale:-1", lambda r: -(2 * r + 1)),
    ],
)
def test_rewards_are_transformed_left_to_right(transform: str, expected: object) -> None:
    data = transitions(MIXED)
    ours = transform_rewards(data, transform)
    np.testing.assert_allclose(ours.rewards, expected(data.rewards.double()).float(), rtol=1e-6)  # type: ignore[operator]
    assert [step["step"] for step in ours.meta["reward_transform"]["steps"]] == transform.split("+")


@pytest.mark.parametrize("segmentation", ["episode", "corl", "iql"])
def test_return_range_scales_by_a_thousand_over_the_spread_of_returns(segmentation: str) -> None:
    data = transform_rewards(transitions(MIXED, tail=4), "scale:1000")
    returns, total = [], 0.0
    ends = set(loop_ends(data, segmentation))
    for i, reward in enumerate(data.rewards.double().tolist()):
        total += reward
        if i in ends:
            returns.append(total)
            total = 0.0
    factor = 1000 / (max(returns) - min(returns))
    ours = transform_rewards(data, "return_range_1000+shift:3", segmentation, LIMIT)
    np.testing.assert_allclose(ours.rewards, data.rewards * factor + 3, rtol=1e-5)
    assert ours.meta["reward_transform"]["steps"][0]["a"] == pytest.approx(factor)


def test_a_return_range_factor_above_one_warns_and_one_below_does_not() -> None:
    data = transitions(MIXED)
    with pytest.warns(UserWarning, match=r"toy: return_range_1000 multiplies rewards by \d"):
        transform_rewards(data, "return_range_1000")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        transform_rewards(data, "scale:10000+return_range_1000")


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        ("shfit:1", "unknown reward_transform 'shfit'; did you mean 'shift'"),
        ("shift", "'shift' takes 1 finite numbers"),
        ("affine:1", "'affine' takes 2 finite numbers"),
        ("scale:x", "'scale' takes 1 finite numbers"),
        ("shift:nan", "'shift' takes 1 finite numbers"),
        ("none+", "unknown reward_transform ''"),
    ],
)
def test_a_malformed_reward_transform_is_an_error(transform: str, message: str) -> None:
    with pytest.raises(RepriseError, match=message):
        transform_rewards(transitions(MIXED), transform)


def test_a_return_range_without_spread_or_trajectories_is_an_error() -> None:
    with pytest.raises(RepriseError, match="toy: return_range_1000 needs trajectories of different returns"):
        transform_rewards(transitions([(4, "terminal")]), "return_range_1000")
    with pytest.raises(RepriseError, match="toy: no complete trajectory under return_segmentation 'episode'"):
        transform_rewards(transitions([], tail=4), "return_range_1000")
    with pytest.raises(RepriseError, match="did you mean 'episode'"):
        trajectory_ends(transitions(MIXED), "episodes")


@pytest.mark.parametrize("segmentation", ["episode", "corl", "iql"])
@pytest.mark.parametrize("fraction", [0.1, 0.34, 0.5, 0.99])
def test_the_best_trajectories_are_kept_in_order(segmentation: str, fraction: float) -> None:
    data = transitions(MIXED * 3, tail=5)
    ends = loop_ends(data, segmentation)
    spans = [range(a, b + 1) for a, b in zip([0, *(e + 1 for e in ends)], ends, strict=False)]
    ranked = sorted(spans, key=lambda span: sum(data.rewards[i].item() for i in span), reverse=True)
    kept = sorted(i for span in ranked[: max(1, int(fraction * len(spans)))] for i in span)
    ours = best_trajectories(data, fraction, segmentation, LIMIT)
    assert torch.equal(ours.rewards, data.rewards[kept])
    assert torch.equal(ours.next_observations, data.next_observations[kept])
    assert ours.terminals[-1] + ours.timeouts[-1] == 1
    assert not (ours.terminals * ours.timeouts).any()


def test_a_fraction_of_one_keeps_every_row_and_others_out_of_range_are_errors() -> None:
    data = transitions(MIXED, tail=5)
    assert best_trajectories(data, 1.0) is data
    for fraction in (0.0, -0.1, 1.1):
        with pytest.raises(RepriseError, match="trajectory_fraction"):
            best_trajectories(data, fraction)


def test_actions_are_clipped_to_the_limit() -> None:
    data = transitions(MIXED)
    assert clip_actions(data, None) is data
    assert torch.equal(clip_actions(data, 0.5).actions, data.actions.clamp(-0.5, 0.5))
