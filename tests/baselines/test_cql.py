"""CQL against a plain single-network reference, its switches, its stack."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from baselines.cql import CQL, OFFICIAL
from benchmarks.base import RepriseError

CORL = {
    "actor_hidden": (24, 24),
    "critic_hidden_width": 24,
    "critic_1_hidden_layers": 2,
    "critic_2_hidden_layers": 2,
    "n_sampled_actions": 3,
}
IN_TURN = {**CORL, **OFFICIAL, "max_backup_order": "max_then_min", "log_alpha_prime_init": 0.0}
LAGRANGE = {"lagrange": True, "lagrange_gap": 0.8, "max_target_backup": True}
CASES = {
    "corl": CORL,
    "corl-antmaze": {**CORL, **LAGRANGE, "clip_diff_min": 3.2, "critic_1_hidden_layers": 3},
    "corl-warmup": {**CORL, "bc_warmup_steps": 6},
    "corl-rho": {**CORL, "importance_sample": False, "temperature": 2.0},
    "corl-backup-entropy": {**CORL, "backup_entropy": True, "max_target_backup": True, "alpha_multiplier": 0.5},
    "corl-fixed-temperature": {**CORL, "auto_entropy": False, "backup_entropy": True, "clip_diff_max": 3.2},
    "official": {**IN_TURN, "bc_warmup_steps": 4},
    "official-lagrange": {**IN_TURN, **LAGRANGE, "lagrange_form": "gap_after_weight", "max_target_backup": True},
    "small": {
        **CORL,
        "orthogonal_init": False,
        "actor_init": "pytorch_default",
        "log_std_affine": False,
        "warm_steps": 4,
        "actor_lr_after_warm": 0.1,
        "lr_schedule": "cosine",
        "actor_lr": 3e-3,
    },
}
MIXED = [
    {"actor_lr": 1e-3},
    {"cql_alpha": 2.0, "discount": 0.9, "target_tau": 0.05, "actor_lr": 3e-4, "alpha_lr": 1e-2, "critic_lr": 1e-3},
]


class Reference:
    """CQL for one run with nn.Linear and torch.optim.Adam, written from section 4 of the specification."""

    def __init__(self, method, run, lab):
        self.s, self.lab, self.step, self.steps = method.runs[run], lab, 0, method.problem.steps
        self.q, self.q_bar = (
            [self.critic(pair, run, j, lab) for j in (0, 1)] for pair in (method.critics, method.target)
        )
        self.pi = lab.plain(method.actor.net, run)
        dtype = method.problem.dtype
        self.m, self.b = (torch.tensor(v, dtype=dtype, requires_grad=True) for v in (1.0, -1.0))
        self.log_alpha = torch.zeros((), dtype=dtype, requires_grad=True)
        self.log_alpha_prime = torch.tensor(float(self.s.log_alpha_prime_init), dtype=dtype, requires_grad=True)
        s, adam = self.s, torch.optim.Adam
        affine = [self.m, self.b] if s.log_std_affine else []
        self.adam_pi = adam([*self.pi.parameters(), *affine], s.actor_lr)
        self.adam_q = adam([p for q in self.q for p in q.parameters()], s.critic_lr)
        self.adam_alpha = adam([self.log_alpha], s.actor_lr if s.alpha_lr is None else s.alpha_lr)
        self.adam_prime = adam([self.log_alpha_prime], s.critic_lr if s.alpha_prime_lr is None else s.alpha_prime_lr)
        self.initial = {
            opt: opt.param_groups[0]["lr"] for opt in (self.adam_pi, self.adam_q, self.adam_alpha, self.adam_prime)
        }

    @staticmethod
    def critic(pair, run, j, lab):
        return (
            lab.plain(pair.stacks[0].net, 2 * run + j) if len(pair.stacks) == 1 else lab.plain(pair.stacks[j].net, run)
        )

    def schedule(self):
        s, done = self.s, self.step - 1
        cosine = 0.5 * (1 + math.cos(math.pi * done / self.steps)) if s.lr_schedule == "cosine" else 1.0
        late = s.actor_lr_after_warm if s.warm_steps and self.step > s.warm_steps else 1.0
        for optimiser, lr in self.initial.items():
            actor_like = optimiser in (self.adam_pi, self.adam_alpha)
            optimiser.param_groups[0]["lr"] = lr * cosine * (late if actor_like else 1.0)

    def descend(self, optimiser, loss):
        optimiser.zero_grad()
        loss.backward(retain_graph=True)
        return optimiser.step

    def distribution(self, states):
        mean, log_std = self.pi(states).chunk(2, -1)
        if self.s.log_std_affine:
            log_std = self.m * log_std + self.b
        return torch.distributions.Normal(mean, log_std.clamp(self.s.log_std_min, self.s.log_std_max).exp())

    def sample(self, states, noise):
        """Noise (..., B, A): every action from a forward pass of its own over repeated states, as CORL does."""
        normal = self.distribution(states.expand(*noise.shape[:-1], -1))
        x = normal.loc + normal.scale * noise
        transform = torch.distributions.TanhTransform()
        action = transform(x)
        return action, (normal.log_prob(x) - transform.log_abs_det_jacobian(x, action)).sum(-1)

    def value(self, q, states, actions):
        return q(torch.cat([states.expand(*actions.shape[:-1], -1), actions], -1))[..., 0]

    def target(self, batch, noise, alpha):
        s = self.s
        with torch.no_grad():
            a, log_pi = self.sample(batch.next_states, noise["target"])
            q1, q2 = (self.value(q, batch.next_states, a) for q in self.q_bar)
            if not s.max_target_backup:
                best, log_pi = torch.min(q1, q2)[0], log_pi[0]
            elif s.max_backup_order == "min_then_max":
                best, which = torch.min(q1, q2).max(0)
                log_pi = log_pi[which, torch.arange(len(which))]
            else:
                return batch.rewards + s.discount * (1 - batch.dones) * torch.min(q1.max(0)[0], q2.max(0)[0])
            if s.backup_entropy:
                best = best - alpha * log_pi
            return batch.rewards + s.discount * (1 - batch.dones) * best

    def critic_losses(self, batch, noise, alpha):
        s = self.s
        y = self.target(batch, noise, alpha)
        with torch.no_grad():
            u = 2 * noise["uniform"] - 1
            a, log_pi = self.sample(batch.states, noise["current"])
            a_next, log_pi_next = self.sample(batch.next_states, noise["next"])
        td, gaps = [], []
        for q in self.q:
            q_data = self.value(q, batch.states, batch.actions)
            q_u, q_a, q_next = (self.value(q, batch.states, each) for each in (u, a, a_next))
            if s.importance_sample:
                inside = [q_u - u.shape[-1] * math.log(0.5), q_next - log_pi_next, q_a - log_pi]
            else:
                inside = [q_u, q_data[None], q_next, q_a]
            lse = s.temperature * torch.logsumexp(torch.cat(inside) / s.temperature, 0)
            gaps.append((lse - q_data).clamp(s.clip_diff_min, s.clip_diff_max).mean())
            td.append(((q_data - y) ** 2).mean())
        return td, gaps

    def actor_loss(self, batch, noise, action, log_pi, alpha):
        s = self.s
        if self.step <= s.warm_steps:
            return -self.density(batch.states, batch.actions, 0.999).mean()
        if self.step <= s.bc_warmup_steps:
            if s.warmup_log_density == "fresh_sample":
                return (alpha * log_pi - self.sample(batch.states, noise["warmup"])[1]).mean()
            return (alpha * log_pi - self.density(batch.states, batch.actions, 1 - 1e-6)).mean()
        return (alpha * log_pi - torch.min(*(self.value(q, batch.states, action) for q in self.q))).mean()

    def density(self, states, actions, limit):
        normal = self.distribution(states)
        transformed = torch.distributions.TransformedDistribution(normal, [torch.distributions.TanhTransform()])
        return transformed.log_prob(actions.clamp(-limit, limit)).sum(-1)

    def update(self, batch, noise):
        s = self.s
        self.step += 1
        self.schedule()
        action, log_pi = self.sample(batch.states, noise["policy"])
        alpha_loss = -(self.log_alpha * (log_pi.detach() + s.target_entropy_per_dim * action.shape[-1])).mean()
        alpha_steps = s.auto_entropy and self.step > s.warm_steps
        if alpha_steps and s.update_schedule == "in_turn":
            self.descend(self.adam_alpha, alpha_loss)()
        alpha = s.alpha_multiplier * (self.log_alpha.exp().item() if s.auto_entropy else 1.0)
        td, gaps = self.critic_losses(batch, noise, alpha)
        alpha_prime = self.log_alpha_prime.exp().clamp(0, 1e6)
        if s.lagrange:
            weighted = s.lagrange_form == "weighted_gap"
            penalties = [
                alpha_prime * (s.cql_alpha * (gap - s.lagrange_gap) if weighted else s.cql_alpha * gap - s.lagrange_gap)
                for gap in gaps
            ]
            self.descend(self.adam_prime, -0.5 * sum(penalties))()
        else:
            penalties = [s.cql_alpha * gap for gap in gaps]
        critic_loss = sum(td) + sum(penalties)
        critic_step = self.descend(self.adam_q, critic_loss)
        if s.update_schedule == "in_turn":
            critic_step()
            actor_loss = self.actor_loss(batch, noise, action, log_pi, alpha)
            self.descend(self.adam_pi, actor_loss)()
        else:
            actor_loss = self.actor_loss(batch, noise, action, log_pi, alpha)
            gradients = torch.autograd.grad(actor_loss, self.adam_pi.param_groups[0]["params"])
            critic_step()
            for parameter, gradient in zip(self.adam_pi.param_groups[0]["params"], gradients, strict=True):
                parameter.grad = gradient
            self.adam_pi.step()
            if alpha_steps:
                self.descend(self.adam_alpha, alpha_loss)()
        result = {
            "critic_loss": critic_loss.item(),
            "td_loss": sum(td).item(),
            "gap": sum(gaps).item() / 2,
            "actor_loss": actor_loss.item(),
            "alpha": alpha,
        }
        if s.lagrange:
            result["alpha_prime"] = alpha_prime.item()
        for q_bar, q in zip(self.q_bar, self.q, strict=True):
            self.lab.follow(q_bar, q, s.target_tau)
        return result

    def distance(self, method, run, lab):
        """Largest difference to a slice of the stack, over networks, targets and learned scalars."""
        scalars = [(method.log_alpha, self.log_alpha), (method.log_alpha_prime, self.log_alpha_prime)]
        if self.s.log_std_affine:
            scalars += [(method.actor.multiplier, self.m), (method.actor.offset, self.b)]
        found = [float((ours[run] - theirs).detach().abs().max()) for ours, theirs in scalars]
        found.append(lab.distance(method.actor.net, run, self.pi))
        for pair, plain in ((method.critics, self.q), (method.target, self.q_bar)):
            for j in (0, 1):
                index, stack = (2 * run + j, pair.stacks[0]) if len(pair.stacks) == 1 else (run, pair.stacks[j])
                found.append(lab.distance(stack.net, index, plain[j]))
        return max(found)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-5)])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("run", [0, 1])
def test_losses_and_weights_agree_with_a_plain_reference(lab, case, run, dtype, tolerance):
    training = lab.start(CQL, [{**CASES[case], **mixed} for mixed in MIXED], dtype=dtype, steps=20)
    reference = Reference(training.method, run, lab)
    training.run(10)
    for batch, noise, scalars in training.slice(run):
        assert scalars == pytest.approx(reference.update(batch, noise), abs=tolerance, rel=tolerance)
    assert reference.distance(training.method, run, lab) < tolerance


@pytest.mark.parametrize("case", ["corl", "corl-antmaze", "official-lagrange", "small"])
def test_a_stack_with_mixed_scalars_equals_its_members_alone(lab, case):
    extra = {
        "temperature": 2.0,
        "clip_diff_min": 0.5,
        "alpha_multiplier": 0.5,
        "lagrange_gap": 0.1,
        "alpha_prime_lr": 1e-2,
    }
    members = [{**CASES[case], **mixed} for mixed in [*MIXED, {**extra, "target_entropy_per_dim": -0.5}]]
    stack = lab.start(CQL, members, seeds=[3, 4, 5]).run(10)
    for run, seed in enumerate([3, 4, 5]):
        alone = lab.start(CQL, [members[run]], seeds=[seed]).run(10)
        for (_, _, ours), (_, _, theirs) in zip(stack.slice(run), alone.slice(0), strict=True):
            assert ours == pytest.approx(theirs, abs=1e-9)
        states = torch.randn(3, 8, 4, dtype=torch.float64)
        mixed, single = stack.method.act(states)[run], alone.method.act(states[run : run + 1])[0]
        torch.testing.assert_close(mixed, single, atol=1e-9, rtol=0)


def test_gradients_reach_exactly_what_each_loss_names(lab):
    training = lab.start(CQL, [{**CORL, "target_tau": 0.0}])
    moved = lab.gradient_reach(training.method)
    training.run(1)
    for name, has_moved in moved().items():
        assert has_moved == (not name.startswith("target.")), name


@pytest.mark.parametrize("settings", [CORL, IN_TURN], ids=["corl", "official"])
def test_the_conservative_term_does_not_train_the_actor(lab, settings):
    """Without Q in the actor's loss (its warm-up), other proposals and another weight leave the actor as it is."""
    runs = [
        lab.start(CQL, [{**settings, "bc_warmup_steps": 9, "auto_entropy": False, "cql_alpha": weight}]).run(3)
        for weight in (1.0, 50.0)
    ]
    states = torch.randn(1, 8, 4, dtype=torch.float64)
    assert torch.equal(*(training.method.act(states) for training in runs))
    assert runs[0].slice(0)[-1][2]["gap"] != runs[1].slice(0)[-1][2]["gap"]


def test_terminal_rows_are_worth_their_reward(lab):
    table = lab.random_table()
    table[4] = torch.ones_like(table[4])
    training = lab.start(CQL, [CORL], table=table).run(1)
    batch, _, scalars = training.slice(0)[0]
    with torch.no_grad():
        q = lab.start(CQL, [CORL], table=table).method.critics(batch.states[None], batch.actions[None])[0]
    assert scalars["td_loss"] == pytest.approx(float((q - batch.rewards).square().mean(-1).sum()), abs=1e-12)


LAGRANGIAN = {"lagrange": True, "lagrange_gap": 0.8}
BACKUP = {"max_target_backup": True}
UNBALANCED = {"bc_warmup_steps": 5}
SWITCHES = {
    "actor_hidden": ((16,), {}),
    "critic_hidden_width": (16, {}),
    "critic_1_hidden_layers": (3, {}),
    "critic_2_hidden_layers": (3, {}),
    "orthogonal_init": (False, {}),
    "actor_init": ("rlkit", {}),
    "log_std_affine": (False, {}),
    "log_std_multiplier_init": (0.5, {}),
    "log_std_offset_init": (0.0, {}),
    "log_std_min": (0.5, {}),
    "log_std_max": (-2.0, {}),
    "actor_lr": (1e-3, {}),
    "critic_lr": (1e-3, {}),
    "alpha_lr": (1e-2, {}),
    "alpha_prime_lr": (1e-2, LAGRANGIAN),
    "discount": (0.9, {}),
    "target_tau": (0.1, {}),
    "auto_entropy": (False, {}),
    "alpha_multiplier": (0.5, {}),
    "log_alpha_init": (-1.0, {}),
    "target_entropy_per_dim": (-3.0, {}),
    "backup_entropy": (True, {}),
    "max_target_backup": (True, {}),
    "max_backup_order": ("max_then_min", BACKUP),
    "cql_alpha": (1.0, {}),
    "n_sampled_actions": (4, {}),
    "temperature": (2.0, {}),
    "importance_sample": (False, {}),
    "clip_diff_min": (3.3, {}),
    "clip_diff_max": (3.0, {}),
    "lagrange": (True, {}),
    "lagrange_gap": (0.1, LAGRANGIAN),
    "lagrange_form": ("gap_after_weight", LAGRANGIAN),
    "log_alpha_prime_init": (0.0, LAGRANGIAN),
    "update_schedule": ("in_turn", {}),
    "bc_warmup_steps": (5, {}),
    "warmup_log_density": ("data", UNBALANCED),
    "warm_steps": (5, {}),
    "actor_lr_after_warm": (0.1, {"warm_steps": 5}),
    "lr_schedule": ("cosine", {}),
}


def test_every_setting_has_a_switch_test():
    assert set(SWITCHES) == set(CQL.Settings.__dataclass_fields__)


@pytest.mark.parametrize("name", SWITCHES)
def test_every_switch_changes_a_run_of_ten_steps(lab, name):
    value, given = SWITCHES[name]
    plain = lab.start(CQL, [{**CORL, **given}], steps=20).run(10).slice(0)
    switched = lab.start(CQL, [{**CORL, **given, name: value}], steps=20).run(10).slice(0)
    assert [scalars for _, _, scalars in plain] != [scalars for _, _, scalars in switched]


def test_initialisations_are_those_of_the_two_code_bases(lab):
    corl = lab.start(CQL, [{**CORL, "critic_1_hidden_layers": 3}]).method
    first, last = corl.critics.stacks[0].net.weights[1][0], corl.critics.stacks[0].net.weights[-1][0]
    torch.testing.assert_close(first.t() @ first, 2 * torch.eye(24, dtype=torch.float64), atol=1e-5, rtol=0)
    assert last.norm().item() == pytest.approx(0.01)
    assert len(corl.critics.stacks[0].net.weights) == 4
    assert len(corl.critics.stacks[1].net.weights) == 3
    limit = 0.01 * math.sqrt(6 / (24 + 4))
    assert 0.5 * limit < corl.actor.net.weights[-1].abs().max().item() <= limit
    assert not corl.actor.net.biases[-1].any()
    assert corl.actor.net.biases[0].any()
    rlkit = lab.start(CQL, [IN_TURN]).method
    for net, bound in ((rlkit.actor.net, 1e-3), (rlkit.critics.stacks[0].net, 3e-3)):
        for parameter in (net.weights[-1], net.biases[-1]):
            assert 0.0 < parameter.abs().max().item() <= bound
        assert bool((net.biases[0] == torch.tensor(0.1)).all())
        assert 0.9 / math.sqrt(24) < net.weights[0].abs().max().item() <= 1 / math.sqrt(24)


def test_the_same_seed_gives_the_same_bits(lab):
    first, second = (lab.start(CQL, [CORL, CORL], dtype=torch.float32).run(100) for _ in range(2))
    assert [s for _, _, s in first.slice(1)] == [s for _, _, s in second.slice(1)]


def test_schedules_run_over_the_configured_steps(lab):
    settings = {**CORL, "lr_schedule": "cosine", "warm_steps": 200, "actor_lr_after_warm": 0.1}
    method = lab.start(CQL, [settings], steps=1000).method
    for step, actor, critic in ((1, 1.0, 1.0), (501, 0.05, 0.5), (1001, 0.0, 0.0)):
        method.begin_step(step)
        assert method.actor_adam.lr == pytest.approx(3e-5 * actor)
        assert method.critic_adam.lr == pytest.approx(3e-4 * critic)
    assert method.begin_step(200) != method.begin_step(201)


def test_a_warm_start_that_means_nothing_is_refused():
    with pytest.raises(RepriseError, match="warm_steps"):
        CQL.Settings(warm_steps=-1)


def test_the_one_step_problem_is_solved_with_a_small_weight_and_not_ruined_by_a_large_one(lab):
    settings = {
        "actor_hidden": (32, 32),
        "critic_hidden_width": 32,
        "critic_1_hidden_layers": 2,
        "critic_2_hidden_layers": 2,
        "actor_lr": 1e-3,
        "critic_lr": 1e-3,
        "target_tau": 0.02,
        "n_sampled_actions": 4,
    }
    members = [{**settings, "cql_alpha": weight} for weight in (1.0, 10.0)]
    training = lab.start(CQL, members, dtype=torch.float32, steps=3000, batch_size=64, table=lab.one_step_table())
    training.run(3000, keep=False)
    assert lab.one_step_reward(training, 0) > -0.2
    data = training.table[2].mean().item()
    assert data < lab.one_step_reward(training, 1) < lab.one_step_reward(training, 0)


def test_the_gap_is_that_of_the_formula(lab):
    """One state, Q known: clip(logsumexp - Q) by hand, in both variants."""
    method = lab.start(CQL, [CORL]).method
    q, density = torch.tensor([0.5, 1.0, 2.0, -1.0]), torch.tensor([-1.4, 0.3, 0.1])
    by_hand = math.log(sum(math.exp(float(v - d)) for v, d in zip(q[1:], density, strict=True))) - 0.5
    gap = method._gap(q.view(1, 1, 4, 1).double(), density.view(1, 3, 1).double())
    assert float(gap) == pytest.approx(by_hand)
    rho = lab.start(CQL, [{**CORL, "importance_sample": False, "clip_diff_max": 1.0}]).method
    assert float(rho._gap(q.view(1, 1, 4, 1).double(), density.view(1, 3, 1).double())) == 1.0


def test_modules_hold_every_network(lab):
    method = lab.start(CQL, [CORL]).method
    assert {name for name, value in vars(method).items() if isinstance(value, nn.Module)} == {
        "actor",
        "critics",
        "target",
    }
