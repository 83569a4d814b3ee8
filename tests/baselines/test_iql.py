"""IQL against a plain single-network reference, its switches, its stack."""

from __future__ import annotations

import math

import pytest
import torch

from baselines.iql import IQL
from benchmarks.d4rl.presets import published

CORL = {"hidden": (32, 32)}
OFFICIAL = {
    **CORL,
    "update_order": "v,actor,q",
    "advantage_value": "after_v_update",
    "target_value": "after_v_update",
    "q_loss_reduction": "sum_of_two",
    "log_std_min": -5.0,
    "init": "orthogonal_sqrt2",
}
MIXED = [
    {"expectile": 0.7, "beta": 3.0, "discount": 0.99, "target_tau": 0.005},
    {
        "expectile": 0.9,
        "beta": 10.0,
        "discount": 0.9,
        "target_tau": 0.05,
        "actor_lr": 1e-3,
        "critic_lr": 1e-4,
        "value_lr": 2e-3,
    },
]


class Reference:
    """IQL for one run with nn.Linear and torch.optim.Adam, written from section 5 of the specification."""

    def __init__(self, method, run, lab):
        self.s, self.lab = method.runs[run], lab
        self.q = [lab.plain(method.critics.net, 2 * run + j) for j in (0, 1)]
        self.q_bar = [lab.plain(method.target.net, 2 * run + j) for j in (0, 1)]
        self.v, self.pi = lab.plain(method.value, run), lab.plain(method.actor.net, run)
        self.log_std = None
        if not self.s.deterministic_actor:
            self.log_std = method.actor.log_std.detach()[run, 0].clone().requires_grad_()
        adam = torch.optim.Adam
        self.adam_q = adam([p for q in self.q for p in q.parameters()], self.s.critic_lr)
        self.adam_v = adam(self.v.parameters(), self.s.value_lr)
        self.adam_pi = adam([*self.pi.parameters(), *([] if self.log_std is None else [self.log_std])], self.s.actor_lr)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.adam_pi, method.problem.steps)

    def step(self, optimiser, loss):
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    def update(self, batch, noise):
        s, sa = self.s, torch.cat([batch.states, batch.actions], -1)
        after = s.advantage_value == "after_v_update"
        q_min = torch.min(*(q(sa)[:, 0].detach() for q in self.q_bar))
        next_v = self.v(batch.next_states)[:, 0].detach()
        d = q_min - self.v(batch.states)[:, 0]
        v_loss = ((s.expectile - (d < 0).to(d)).abs() * d**2).mean()
        self.step(self.adam_v, v_loss)
        if after:
            d = q_min - self.v(batch.states)[:, 0]
            next_v = self.v(batch.next_states)[:, 0].detach()
        y = batch.rewards + s.discount * (1 - batch.dones) * next_v
        errors = [((q(sa)[:, 0] - y) ** 2).mean() for q in self.q]
        q_loss = sum(errors) if s.q_loss_reduction == "sum_of_two" else sum(errors) / 2
        self.step(self.adam_q, q_loss)
        for q_bar, q in zip(self.q_bar, self.q, strict=True):
            self.lab.follow(q_bar, q, s.target_tau)
        w = torch.exp(s.beta * d.detach()).clamp(max=s.adv_weight_max)
        pi_loss = (w * self.cloning(batch, noise)).mean()
        self.step(self.adam_pi, pi_loss)
        self.schedule.step()
        return {"value_loss": v_loss.item(), "critic_loss": q_loss.item(), "actor_loss": pi_loss.item()}

    def cloning(self, batch, noise):
        h, layer = batch.states, 0
        for module in self.pi:
            h = module(h)
            if isinstance(module, torch.nn.ReLU) and self.s.actor_dropout:
                h = h * (noise[f"dropout{layer}"] >= self.s.actor_dropout) / (1 - self.s.actor_dropout)
                layer += 1
        mean = torch.tanh(h)
        if self.log_std is None:
            return ((mean - batch.actions) ** 2).sum(-1)
        std = self.log_std.clamp(self.s.log_std_min, self.s.log_std_max).exp()
        return -torch.distributions.Normal(mean, std).log_prob(batch.actions).sum(-1)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-5)])
@pytest.mark.parametrize(
    "preset",
    [CORL, OFFICIAL, {**CORL, "deterministic_actor": True}, {**CORL, "actor_dropout": 0.1}],
    ids=["corl", "official", "deterministic", "dropout"],
)
@pytest.mark.parametrize("run", [0, 1])
def test_losses_and_weights_agree_with_a_plain_reference(lab, preset, run, dtype, tolerance):
    training = lab.start(IQL, [{**preset, **mixed} for mixed in MIXED], dtype=dtype, steps=20)
    reference = Reference(training.method, run, lab)
    training.run(10)
    for batch, noise, scalars in training.slice(run):
        expected = reference.update(batch, noise)
        for name, value in expected.items():
            assert scalars[name] == pytest.approx(value, abs=tolerance, rel=tolerance), name
    m = training.method
    assert max(lab.distance(m.critics.net, 2 * run + j, reference.q[j]) for j in (0, 1)) < tolerance
    assert max(lab.distance(m.target.net, 2 * run + j, reference.q_bar[j]) for j in (0, 1)) < tolerance
    assert lab.distance(m.value, run, reference.v) < tolerance
    assert lab.distance(m.actor.net, run, reference.pi) < tolerance
    if reference.log_std is not None:
        assert float((m.actor.log_std[run, 0] - reference.log_std).detach().abs().max()) < tolerance


@pytest.mark.parametrize("preset", [CORL, OFFICIAL], ids=["corl", "official"])
def test_a_stack_with_mixed_scalars_equals_its_members_alone(lab, preset):
    members = [{**preset, **mixed} for mixed in [*MIXED, {"expectile": 0.5, "adv_weight_max": 1.0}]]
    stack = lab.start(IQL, members, seeds=[3, 4, 5]).run(10)
    for run, seed in enumerate([3, 4, 5]):
        alone = lab.start(IQL, [members[run]], seeds=[seed]).run(10)
        for (_, _, ours), (_, _, theirs) in zip(stack.slice(run), alone.slice(0), strict=True):
            assert ours == pytest.approx(theirs, abs=1e-9)
        states = torch.randn(3, 8, 4, dtype=torch.float64)
        mixed, single = stack.method.act(states)[run], alone.method.act(states[run : run + 1])[0]
        torch.testing.assert_close(mixed, single, atol=1e-9, rtol=0)


def test_gradients_reach_exactly_what_each_loss_names(lab):
    training = lab.start(IQL, [{**CORL, "target_tau": 0.0}])
    moved = lab.gradient_reach(training.method)
    training.run(1)
    for name, has_moved in moved().items():
        assert has_moved == (not name.startswith("target.")), name


def test_the_actor_loss_moves_the_actor_alone(lab):
    training = lab.start(IQL, [{**CORL, "value_lr": 0.0, "critic_lr": 0.0}])
    moved = lab.gradient_reach(training.method)
    training.run(1)
    assert {name.split(".")[0] for name, has_moved in moved().items() if has_moved} == {"actor"}


def test_terminal_rows_are_worth_their_reward(lab):
    table = lab.random_table()
    table[4] = torch.ones_like(table[4])
    training = lab.start(IQL, [CORL], table=table).run(1, log=True)
    batch, _, scalars = training.slice(0)[0]
    fresh = lab.start(IQL, [CORL], table=table).method
    q = fresh.critics(batch.states[None], batch.actions[None])[0]
    assert scalars["critic_loss"] == pytest.approx((q - batch.rewards).square().mean().item(), abs=1e-12)


BASE = {**CORL, "adv_weight_max": 2.0}
SWITCHES = {
    "hidden": ((16,), {}),
    "actor_lr": (1e-3, {}),
    "critic_lr": (1e-3, {}),
    "value_lr": (1e-3, {}),
    "actor_lr_schedule": ("constant", {}),
    "critic_lr_schedule": ("cosine_to_0", {}),
    "discount": (0.9, {}),
    "target_tau": (0.1, {}),
    "expectile": (0.8, {}),
    "beta": (1.0, {}),
    "adv_weight_max": (1.0, {}),
    "deterministic_actor": (True, {}),
    "actor_dropout": (0.1, {}),
    "log_std_init": (-0.5, {}),
    "log_std_min": (0.5, {}),
    "log_std_max": (-0.5, {}),
    "update_order": ("v,actor,q", {"advantage_value": "after_v_update"}),
    "advantage_value": ("after_v_update", {}),
    "target_value": ("after_v_update", {}),
    "q_loss_reduction": ("sum_of_two", {}),
    "init": ("orthogonal_sqrt2", {}),
}


def test_every_setting_has_a_switch_test():
    assert set(SWITCHES) == set(IQL.Settings.__dataclass_fields__)


@pytest.mark.parametrize("name", SWITCHES)
def test_every_switch_changes_a_run_of_ten_steps(lab, name):
    value, given = SWITCHES[name]
    plain = lab.start(IQL, [{**BASE, **given}], steps=20).run(10).slice(0)
    switched = lab.start(IQL, [{**BASE, **given, name: value}], steps=20).run(10).slice(0)
    assert [scalars for _, _, scalars in plain] != [scalars for _, _, scalars in switched]


def test_the_same_seed_gives_the_same_bits(lab):
    first, second = (lab.start(IQL, [CORL, CORL], dtype=torch.float32).run(100) for _ in range(2))
    assert [s for _, _, s in first.slice(1)] == [s for _, _, s in second.slice(1)]


def test_schedules_run_over_the_configured_steps(lab):
    method = lab.start(IQL, [{**CORL, "critic_lr_schedule": "cosine_to_0"}], steps=1000).method
    for step, factor in ((1, 1.0), (501, 0.5), (1001, 0.0)):
        method.begin_step(step)
        assert method.actor_adam.lr == pytest.approx(3e-4 * factor)
        assert method.critic_adam.lr == method.value_adam.lr == method.actor_adam.lr
    constant = lab.start(IQL, [CORL], steps=1000).method
    constant.begin_step(1001)
    assert constant.critic_adam.lr == 3e-4


def test_presets_are_two_different_experiments():
    corl, official = (published("IQL", name)("hopper-medium") for name in ("corl", "official"))
    assert (corl["deterministic_actor"], corl["target_tau"]) == (True, 0.001)
    assert (official["deterministic_actor"], official["clip_dataset_actions"]) == (False, 0.99999)
    assert IQL.presets["corl"]("hopper-medium")["return_segmentation"] == "corl"
    assert IQL.presets["official"]("hopper-medium")["return_segmentation"] == "iql"


def test_the_one_step_problem_is_solved(lab):
    settings = {"hidden": (32, 32), "actor_lr": 1e-3, "critic_lr": 1e-3, "value_lr": 1e-3, "target_tau": 0.02}
    training = lab.start(IQL, [settings], dtype=torch.float32, steps=3000, batch_size=64, table=lab.one_step_table())
    training.run(3000, keep=False)
    assert lab.one_step_reward(training) > -0.2


def test_evaluation_acts_with_the_mean_within_bounds(lab):
    method = lab.start(IQL, [CORL]).method
    actions = method.act(100 * torch.randn(1, 50, 4, dtype=torch.float64))
    assert actions.shape == (1, 50, 2)
    assert float(actions.abs().max()) <= 1.0
    assert math.isfinite(float(actions.sum()))
