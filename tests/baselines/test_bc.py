"""BC against a plain single-network reference, and the warm start alone."""

from __future__ import annotations

import pytest
import torch

from baselines.bc import BC
from baselines.cql import CQL
from benchmarks.base import RepriseError

BASE = {"hidden": (32, 32)}
WARM = {**BASE, "actor": "tanh_gaussian", "warm_steps": 5}


def plain_mean_squared_error(net, batch):
    return ((torch.tanh(net(batch.states)) - batch.actions) ** 2).mean()


def plain_likelihood(net, batch):
    mean, log_std = net(batch.states).chunk(2, -1)
    transform = torch.distributions.TanhTransform()
    base = torch.distributions.Normal(mean, log_std.clamp(-20, 2).exp())
    density = torch.distributions.TransformedDistribution(base, [transform])
    return -density.log_prob(batch.actions.clamp(-0.999, 0.999)).sum(-1).mean()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-5)])
@pytest.mark.parametrize(
    ("settings", "loss"), [(BASE, plain_mean_squared_error), (WARM, plain_likelihood)], ids=["mse", "nll"]
)
@pytest.mark.parametrize("run", [0, 1])
def test_losses_and_weights_agree_with_a_plain_reference(lab, settings, loss, run, dtype, tolerance):
    members = [{**settings, "warm_steps": 10 * bool(settings.get("warm_steps"))} | {"lr": lr} for lr in (3e-4, 2e-3)]
    training = lab.start(BC, members, dtype=dtype)
    net = getattr(training.method.actor, "net", training.method.actor)
    reference = lab.plain(net, run)
    adam = torch.optim.Adam(reference.parameters(), members[run]["lr"])
    training.run(10)
    for batch, _, scalars in training.slice(run):
        expected = loss(reference, batch)
        adam.zero_grad()
        expected.backward()
        adam.step()
        assert scalars["actor_loss"] == pytest.approx(expected.item(), abs=tolerance, rel=tolerance)
    assert lab.distance(net, run, reference) < tolerance


def test_a_stack_with_mixed_rates_equals_its_members_alone(lab):
    members = [{**BASE, "lr": 1e-3}, {**BASE, "lr": 1e-4}]
    stack = lab.start(BC, members, seeds=[3, 4]).run(10)
    for run, seed in enumerate([3, 4]):
        alone = lab.start(BC, [members[run]], seeds=[seed]).run(10)
        for (_, _, ours), (_, _, theirs) in zip(stack.slice(run), alone.slice(0), strict=True):
            assert ours == pytest.approx(theirs, abs=1e-9)


def test_the_warm_start_alone_stops_learning_after_its_steps(lab):
    training = lab.start(BC, [WARM]).run(5)
    moved = lab.gradient_reach(training.method)
    training.run(5, keep=False)
    assert not any(moved().values())
    assert training.run(1, log=True).history[-1][2]["actor_loss"].isfinite().all()


def test_the_warm_start_alone_is_the_actor_that_cql_leaves_its_warm_start_with(lab):
    shared = {"lr_schedule": "cosine", "warm_steps": 5}
    alone = lab.start(BC, [{**BASE, **shared, "actor": "tanh_gaussian", "lr": 3e-3}] * 2, steps=40).run(12)
    cql = {**CQL.presets["small"]("any"), **shared, "actor_hidden": (32, 32), "n_sampled_actions": 2}
    names = set(CQL.Settings.__dataclass_fields__)
    whole = lab.start(CQL, [{k: v for k, v in cql.items() if k in names}] * 2, steps=40).run(5)
    states = torch.randn(2, 9, 4, dtype=torch.float64)
    assert torch.equal(alone.method.act(states), whole.method.act(states))
    assert not torch.equal(alone.method.act(states), whole.run(1).method.act(states))


SWITCHES = {
    "hidden": (16,),
    "lr": 1e-3,
    "lr_schedule": "cosine",
    "warm_steps": 3,
    "log_std_min": 0.5,
    "log_std_max": -0.5,
}


def test_every_setting_has_a_switch_test():
    assert {*SWITCHES, "actor"} == set(BC.Settings.__dataclass_fields__)


@pytest.mark.parametrize("name", SWITCHES)
def test_every_switch_changes_a_run_of_ten_steps(lab, name):
    plain = lab.start(BC, [WARM], steps=20).run(10, log=True).slice(0)
    switched = lab.start(BC, [{**WARM, name: SWITCHES[name]}], steps=20).run(10, log=True).slice(0)
    assert [scalars for _, _, scalars in plain] != [scalars for _, _, scalars in switched]


@pytest.mark.parametrize("settings", [{"warm_steps": 5}, {"actor": "tanh_gaussian"}])
def test_warm_steps_without_their_actor_are_refused(settings):
    with pytest.raises(RepriseError, match="warm_steps"):
        BC.Settings(**settings)


def test_the_same_seed_gives_the_same_bits(lab):
    first, second = (lab.start(BC, [BASE, BASE], dtype=torch.float32).run(100) for _ in range(2))
    assert [s for _, _, s in first.slice(1)] == [s for _, _, s in second.slice(1)]


def test_on_the_one_step_problem_it_ends_at_the_mean_of_the_behaviour(lab):
    settings = {"hidden": (32, 32), "lr": 1e-3}
    training = lab.start(BC, [settings], dtype=torch.float32, steps=3000, batch_size=64, table=lab.one_step_table())
    training.run(3000, keep=False)
    states = torch.randn(2000, 2, generator=torch.Generator().manual_seed(1))
    mean = training.table[1].mean(0)
    assert float((training.method.act(states[None])[0] - mean).mean(0).abs().max()) < 0.05
    assert lab.one_step_reward(training) == pytest.approx(-0.5, abs=0.06)
