"""The warm start: one actor for every method that has it, then each method's own way."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from baselines.bc import BC
from baselines.cql import CQL
from baselines.mcq import MCQ
from benchmarks.base import RepriseError
from benchmarks.d4rl.method import StackedMethod
from benchmarks.d4rl.rehearsal import Rehearsal
from benchmarks.d4rl.warm_start import WarmStart, likelihood_loss
from methods.ilq import ILQ

WARM, TOTAL = 5, 40
CASES: list[tuple[type[StackedMethod], str, dict[str, Any]]] = [
    (ILQ, "small", {"dynamics_hidden": [8], "behavior_hidden": [8]}),
    (MCQ, "small", {"behavior_hidden": [8]}),
    (CQL, "small", {"n_sampled_actions": 2}),
]


def actor_of(method: type[StackedMethod], preset: str, settings: dict[str, Any], steps: int) -> list[torch.Tensor]:
    """The actor's parameters after some steps of a small-tier run whose warm start is five steps long."""
    given = {**settings, "warm_steps": WARM}
    rehearsal = Rehearsal(method, preset, [3, 4], given, batch_size=16, rows=400, steps=TOTAL)
    rehearsal.run(steps)
    return [p.detach().clone() for p in rehearsal.method.actor.parameters()]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("method", "preset", "settings"), CASES, ids=lambda case: getattr(case, "name", None))
def test_every_small_preset_leaves_the_warm_start_with_the_actor_of_the_control(method, preset, settings):
    control = actor_of(BC, "warm-start", {}, WARM)
    ours = actor_of(method, preset, settings, WARM)
    assert all(torch.equal(a, b) for a, b in zip(control, ours, strict=False))
    assert all(torch.equal(a, b) for a, b in zip(control, actor_of(BC, "warm-start", {}, WARM + 3), strict=True))
    later = actor_of(method, preset, settings, WARM + 1)
    assert not torch.equal(later[0], ours[0])


def test_rates_follow_the_schedule_and_drop_after_the_warm_start():
    warm = WarmStart(2, 0.1, "cosine", 10)

    def cosine(step: int) -> float:
        return 0.5 * (1 + math.cos(math.pi * (step - 1) / 10))

    assert [warm.active(step) for step in (1, 2, 3)] == [True, True, False]
    assert [warm.actor_scale(step) for step in (1, 2, 3, 10)] == pytest.approx(
        [1.0, cosine(2), 0.1 * cosine(3), 0.1 * cosine(10)]
    )
    assert [warm.critic_scale(step) for step in (1, 3)] == pytest.approx([1.0, cosine(3)])


def test_without_a_warm_start_the_actor_keeps_its_rate():
    assert WarmStart(0, 0.1, "constant", 10).actor_scale(1) == 1.0
    assert not WarmStart(0, 0.1, "constant", 10).active(1)


def test_a_cosine_of_the_actor_leaves_the_critics_alone():
    warm = WarmStart(0, 1.0, "cosine_actor", 10)
    assert (warm.critic_scale(9), warm.actor_scale(11)) == (1.0, pytest.approx(0.0))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ((-1, 1.0, "constant", 10), "warm_steps is -1"),
        ((0, -0.1, "constant", 10), r"actor_lr_after_warm is -0\.1"),
        ((0, 1.0, "cosin", 10), "did you mean 'cosine'"),
    ],
)
def test_values_without_meaning_are_refused(wrong, message):
    with pytest.raises(RepriseError, match=message):
        WarmStart(*wrong)


def test_the_likelihood_is_that_of_a_tanh_gaussian():
    g = torch.Generator().manual_seed(0)
    mean, log_std, noise = (torch.randn(2, 5, 3, generator=g, dtype=torch.float64) for _ in range(3))
    actions = torch.tanh(noise)
    normal = torch.distributions.Normal(mean, log_std.exp())
    squashed = torch.distributions.TransformedDistribution(normal, [torch.distributions.TanhTransform()])
    expected = -squashed.log_prob(actions.clamp(-0.999, 0.999)).sum(-1).mean(-1)
    torch.testing.assert_close(likelihood_loss(mean, log_std, actions), expected, atol=1e-10, rtol=0)
