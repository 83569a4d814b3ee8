"""TD3+BC against a plain single-network reference, its switches, its stack."""

from __future__ import annotations

import pytest
import torch

from baselines.td3_bc import TD3BC

BASE = {"hidden": (32, 32)}
MIXED = [
    {"alpha": 2.5},
    {"alpha": 1.0, "discount": 0.9, "target_tau": 0.05, "lr": 1e-3, "policy_noise": 0.5, "noise_clip": 0.3},
]


class Reference:
    """TD3+BC for one run with nn.Linear and torch.optim.Adam, written from section 6 of the specification."""

    def __init__(self, method, run, lab):
        self.s, self.lab, self.step = method.runs[run], lab, 0
        self.q = [lab.plain(method.critics.net, 2 * run + j) for j in (0, 1)]
        self.q_bar = [lab.plain(method.target_critics.net, 2 * run + j) for j in (0, 1)]
        self.pi, self.pi_bar = lab.plain(method.actor, run), lab.plain(method.target_actor, run)
        self.adam_q = torch.optim.Adam([p for q in self.q for p in q.parameters()], self.s.lr)
        self.adam_pi = torch.optim.Adam(self.pi.parameters(), self.s.lr)

    def update(self, batch, noise):
        s, q = self.s, lambda net, a: net(torch.cat([a[0], a[1]], -1))[:, 0]
        with torch.no_grad():
            smooth = (s.policy_noise * noise["target"]).clamp(-s.noise_clip, s.noise_clip)
            a = (torch.tanh(self.pi_bar(batch.next_states)) + smooth).clamp(-1, 1)
            best = torch.min(*(q(net, (batch.next_states, a)) for net in self.q_bar))
            y = batch.rewards + s.discount * (1 - batch.dones) * best
        q_loss = sum(((q(net, (batch.states, batch.actions)) - y) ** 2).mean() for net in self.q)
        self.adam_q.zero_grad()
        q_loss.backward()
        self.adam_q.step()
        losses = {"critic_loss": q_loss.item()}
        self.step += 1
        if self.step % s.policy_freq == 0:
            pi = torch.tanh(self.pi(batch.states))
            value = q(self.q[0], (batch.states, pi))
            lam = s.alpha / value.abs().mean().detach()
            pi_loss = -lam * value.mean() + ((pi - batch.actions) ** 2).mean()
            self.adam_pi.zero_grad()
            pi_loss.backward()
            self.adam_pi.step()
            losses["actor_loss"] = pi_loss.item()
            for slow, fast in zip([self.pi_bar, *self.q_bar], [self.pi, *self.q], strict=True):
                self.lab.follow(slow, fast, s.target_tau)
        return losses


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-5)])
@pytest.mark.parametrize("run", [0, 1])
def test_losses_and_weights_agree_with_a_plain_reference(lab, run, dtype, tolerance):
    training = lab.start(TD3BC, [{**BASE, **mixed} for mixed in MIXED], dtype=dtype)
    reference = Reference(training.method, run, lab)
    training.run(10)
    for batch, noise, scalars in training.slice(run):
        assert scalars == pytest.approx(reference.update(batch, noise), abs=tolerance, rel=tolerance)
    m = training.method
    assert max(lab.distance(m.critics.net, 2 * run + j, reference.q[j]) for j in (0, 1)) < tolerance
    assert max(lab.distance(m.target_critics.net, 2 * run + j, reference.q_bar[j]) for j in (0, 1)) < tolerance
    assert lab.distance(m.actor, run, reference.pi) < tolerance
    assert lab.distance(m.target_actor, run, reference.pi_bar) < tolerance


def test_a_stack_with_mixed_scalars_equals_its_members_alone(lab):
    members = [{**BASE, **mixed} for mixed in MIXED]
    stack = lab.start(TD3BC, members, seeds=[3, 4]).run(10)
    for run, seed in enumerate([3, 4]):
        alone = lab.start(TD3BC, [members[run]], seeds=[seed]).run(10)
        for (_, _, ours), (_, _, theirs) in zip(stack.slice(run), alone.slice(0), strict=True):
            assert ours == pytest.approx(theirs, abs=1e-9)


def test_the_actor_and_the_targets_move_on_every_second_step_only(lab):
    training = lab.start(TD3BC, [BASE])
    moved = lab.gradient_reach(training.method)
    training.run(1)
    assert {name.split(".")[0] for name, has_moved in moved().items() if has_moved} == {"critics"}
    moved = lab.gradient_reach(training.method)
    training.run(1)
    assert all(moved().values())


def test_the_actor_loss_gives_the_critics_and_targets_no_gradient(lab):
    training = lab.start(TD3BC, [{**BASE, "policy_freq": 1, "target_tau": 0.0}])
    training.method.critic_adam.set_scale(0.0)
    training.method.begin_step = lambda step: setattr(training.method, "actor_turn", True)
    moved = lab.gradient_reach(training.method)
    training.run(1)
    assert {name.split(".")[0] for name, has_moved in moved().items() if has_moved} == {"actor"}


def test_terminal_rows_are_worth_their_reward(lab):
    table = lab.random_table()
    table[4] = torch.ones_like(table[4])
    training = lab.start(TD3BC, [BASE], table=table).run(1)
    batch, _, scalars = training.slice(0)[0]
    q = lab.start(TD3BC, [BASE], table=table).method.critics(batch.states[None], batch.actions[None])[0]
    assert scalars["critic_loss"] == pytest.approx((q - batch.rewards).square().mean(-1).sum().item(), abs=1e-12)


SWITCHES = {
    "hidden": (16,),
    "lr": 1e-3,
    "lr_schedule": "cosine",
    "alpha": 1.0,
    "discount": 0.9,
    "target_tau": 0.1,
    "policy_freq": 1,
    "policy_noise": 0.4,
    "noise_clip": 0.05,
}


def test_every_setting_has_a_switch_test():
    assert set(SWITCHES) == set(TD3BC.Settings.__dataclass_fields__)


@pytest.mark.parametrize("name", SWITCHES)
def test_every_switch_changes_a_run_of_ten_steps(lab, name):
    plain = lab.start(TD3BC, [BASE], steps=20).run(10).slice(0)
    switched = lab.start(TD3BC, [{**BASE, name: SWITCHES[name]}], steps=20).run(10).slice(0)
    assert [scalars for _, _, scalars in plain] != [scalars for _, _, scalars in switched]


def test_the_same_seed_gives_the_same_bits(lab):
    first, second = (lab.start(TD3BC, [BASE, BASE], dtype=torch.float32).run(100) for _ in range(2))
    assert [s for _, _, s in first.slice(1)] == [s for _, _, s in second.slice(1)]


def test_the_one_step_problem_is_solved(lab):
    settings = {"hidden": (32, 32), "lr": 1e-3, "target_tau": 0.02}
    training = lab.start(TD3BC, [settings], dtype=torch.float32, steps=3000, batch_size=64, table=lab.one_step_table())
    training.run(3000, keep=False)
    assert lab.one_step_reward(training) > -0.2
