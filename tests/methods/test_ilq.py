"""ILQ against a plain single-network reference, its switches, its stack, what its gradients reach."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import nn

from benchmarks.base import RepriseError
from benchmarks.d4rl.method import Source
from benchmarks.d4rl.models.behavior import vp_schedule
from benchmarks.d4rl.models.dynamics import Imagined
from methods.ilq import ILQ

BASE = {
    "actor_hidden": (24, 24),
    "critic_hidden": (24, 24),
    "n_limit_actions": 3,
    "limit_actions": "cached",
    "limit_cache_size": 6,
    "dynamics_elites": 3,
    "dynamics_ensemble": 4,
    "delta": -0.5,
    "eta": 0.7,
}
CASES = {
    "base": BASE,
    "penalty": {**BASE, "reward_penalty": 0.8},
    "disagreement": {**BASE, "reward_penalty": 0.8, "penalty": "disagreement"},
    "mean-model": {**BASE, "dynamics_sample": "mean"},
    "no-termination": {**BASE, "use_termination_fn": False},
    "no-imagination": {**BASE, "imagination": False},
    "no-limit": {**BASE, "limit": False, "reward_penalty": 0.3},
    "no-limit-no-delta": {**BASE, "limit": False, "ablation_keeps_delta": False},
    "both-states": {**BASE, "ood_states": "both"},
    "many-actions": {**BASE, "ood_actions_per_state": 3, "ood_states": "both", "reward_penalty": 0.5},
    "no-entropy": {**BASE, "use_entropy": False},
    "backup-entropy": {**BASE, "backup_entropy": True, "alpha_init": 0.3},
    "fresh": {**BASE, "limit_actions": "fresh"},
    "fresh-beta-both": {**BASE, "limit_actions": "fresh", "reverse_variance": "beta", "ood_states": "both"},
    "warm-cosine": {**BASE, "warm_steps": 4, "actor_lr_after_warm": 0.1, "lr_schedule": "cosine", "actor_lr": 3e-3},
    "cosine-actor": {**BASE, "lr_schedule": "cosine_actor", "actor_lr": 3e-3},
    "fixed-alpha": {**BASE, "alpha_lr": 0.0, "alpha_init": 0.2},
    "orthogonal": {**BASE, "init": "orthogonal"},
}
MIXED = [
    {"actor_lr": 1e-3},
    {
        "eta": 0.3,
        "delta": 1.0,
        "discount": 0.9,
        "target_tau": 0.05,
        "actor_lr": 3e-4,
        "alpha_lr": 1e-2,
        "critic_lr": 1e-3,
    },
]
TRANSFORMED = {"reward_scale": 2.0, "reward_shift": -0.5}


class Reference:
    """ILQ for one run with nn.Linear and torch.optim.Adam, written row by row from section 1.4 of the specification."""

    def __init__(self, method, run, world):
        self.s, self.p, self.steps_done = method.runs[run], method.problem, 0
        self.q = [world.plain(method.critics.net, 2 * run + j) for j in (0, 1)]
        self.q_bar = [world.plain(method.target.net, 2 * run + j) for j in (0, 1)]
        self.pi = world.plain(method.actor.net, run)
        dtype = self.p.dtype
        self.log_alpha = torch.tensor(math.log(self.s.alpha_init), dtype=dtype, requires_grad=True)
        alpha_lr = self.s.actor_lr if self.s.alpha_lr is None else self.s.alpha_lr
        self.adams = {
            "actor": torch.optim.Adam(self.pi.parameters(), self.s.actor_lr),
            "critic": torch.optim.Adam([p for q in self.q for p in q.parameters()], self.s.critic_lr),
            "alpha": torch.optim.Adam([self.log_alpha], alpha_lr),
        }
        self.rates = {name: adam.param_groups[0]["lr"] for name, adam in self.adams.items()}
        self.dynamics = self.p.models["dynamics"].to(dtype, torch.device("cpu"))
        self.behavior = self.p.models["behavior"].to(dtype, torch.device("cpu"))
        self.mean, self.std = self.p.state_mean.to(dtype), self.p.state_std.to(dtype)

    def policy(self, states):
        mean, log_std = self.pi(states).chunk(2, -1)
        return torch.distributions.Normal(mean, log_std.clamp(self.s.log_std_min, self.s.log_std_max).exp())

    def sample(self, states, noise):
        normal = self.policy(states)
        x = normal.loc + normal.scale * noise
        transform = torch.distributions.TanhTransform()
        return transform(x), (normal.log_prob(x) - transform.log_abs_det_jacobian(x, transform(x))).sum(-1)

    def value(self, critics, states, actions):
        return torch.stack([q(torch.cat([states, actions], -1))[..., 0] for q in critics])

    def bootstrap(self, states, noise):
        action, log_pi = self.sample(states, noise)
        value = self.value(self.q_bar, states, action).min(0)[0]
        return value - self.alpha() * log_pi if self.s.backup_entropy else value

    def alpha(self):
        return self.log_alpha.exp().item() if self.s.use_entropy else 0.0

    def model(self, network, raw, action):
        """Mean and standard deviation of (r, s' - s) for one row."""
        d = self.dynamics
        x = (torch.cat([raw, action]) - d.input_mean) / d.input_std
        for layer, (w, b) in enumerate(zip(d.weights, d.biases, strict=True)):
            x = x @ w[network] + b[network, 0]
            x = nn.functional.silu(x) if layer < len(d.weights) - 1 else x
        mean, lv = x.chunk(2)
        lv = d.max_log_var - nn.functional.softplus(d.max_log_var - lv)
        lv = d.min_log_var + nn.functional.softplus(lv - d.min_log_var)
        return mean * d.target_std + d.target_mean, (0.5 * lv).exp() * d.target_std

    def y_img(self, state, a_o, row, noise):
        s, raw = self.s, state * self.std + self.mean
        predictions = [self.model(n, raw, a_o) for n in range(len(self.dynamics.weights[0]))]
        elites = [int(e) for e in self.dynamics.elites]
        if s.dynamics_sample == "mean":
            y = sum(predictions[e][0] for e in elites) / len(elites)
        else:
            mean, std = predictions[elites[(row + int(noise["elite"])) % len(elites)]]
            y = mean + std * noise["model"][row]
        if s.penalty == "max_std":
            u = max(float(std.norm()) for _, std in predictions)
        else:
            centre = sum(mean for mean, _ in predictions) / len(predictions)
            u = max(float((mean - centre).norm()) for mean, _ in predictions)
        r = y[0] * self.p.reward_scale + self.p.reward_shift - s.reward_penalty * u
        following = raw + y[1:]
        done = float(following[0] > 0.5) if s.use_termination_fn else 0.0
        value = self.bootstrap((following - self.mean) / self.std, noise["imagined"][row])
        return r + s.discount * (1 - done) * value

    def fresh_action(self, state, noise):
        """One diffusion sample from noise (K, A)."""
        m, s = self.behavior, self.s
        beta, abar = (t.to(noise.dtype) for t in vp_schedule(5))
        a = noise[0]
        for k in range(5, 0, -1):
            x = torch.cat([a, m.embedding[k - 1], (state * self.std + self.mean - m.state_mean) / m.state_std])
            for layer, (w, b) in enumerate(zip(m.weights, m.biases, strict=True)):
                x = x @ w + b
                x = nn.functional.mish(x) if layer < len(m.weights) - 1 else x
            bar, before = abar[k - 1], abar[k - 2] if k > 1 else torch.ones((), dtype=noise.dtype)
            a0 = ((a - (1 - bar).sqrt() * x) / bar.sqrt()).clamp(-1, 1)
            a = (before.sqrt() * beta[k - 1] * a0 + (1 - beta[k - 1]).sqrt() * (1 - before) * a) / (1 - bar)
            if k > 1:
                posterior = beta[k - 1] * (1 - before) / (1 - bar)
                a = a + (posterior if s.reverse_variance == "posterior" else beta[k - 1]).sqrt() * noise[6 - k]
        return a.clamp(-1, 1)

    def limit_actions(self, batch, state, row, noise):
        s, size = self.s, len(batch.rewards)
        if s.limit_actions == "fresh":
            return [self.fresh_action(state, noise["limit"][:, m, row]) for m in range(s.n_limit_actions)]
        stored = self.p.models["limit_actions" if row < size else "limit_actions_next"][batch.rows[row % size]]
        start = int(noise["limit_start"][row])
        return [stored[(start + m) % len(stored)].to(state.dtype) for m in range(s.n_limit_actions)]

    def targets(self, batch, noise, states, a_o):
        s = self.s
        y_in = batch.rewards + s.discount * (1 - batch.dones) * self.bootstrap(batch.next_states, noise["next"])
        delta = s.delta if s.ablation_keeps_delta or (s.imagination and s.limit) else 0.0
        y_o = torch.empty(a_o.shape[:2], dtype=y_in.dtype)
        gaps = []
        for n in range(a_o.shape[0]):
            for row in range(a_o.shape[1]):
                state, candidates = states[row], []
                if s.imagination:
                    candidates.append(self.y_img(state, a_o[n, row], n * len(states) + row, noise))
                if s.limit:
                    b = self.limit_actions(batch, state, row, noise)
                    per_critic = [max(float(self.value([q], state, action)) for action in b) for q in self.q_bar]
                    candidates.append(torch.tensor(min(per_critic), dtype=y_in.dtype))
                if len(candidates) == 2:
                    gaps.append(float(candidates[0] - candidates[1]))
                y_o[n, row] = min(candidates) + delta
        return y_in, y_o, gaps

    def schedule(self):
        s = self.s
        cosine = 0.5 * (1 + math.cos(math.pi * self.steps_done / self.p.steps))
        late = s.actor_lr_after_warm if s.warm_steps and self.steps_done >= s.warm_steps else 1.0
        for name, adam in self.adams.items():
            share = (
                1.0 if s.lr_schedule == "constant" or (s.lr_schedule == "cosine_actor" and name == "critic") else cosine
            )
            adam.param_groups[0]["lr"] = self.rates[name] * share * (1.0 if name == "critic" else late)

    def descend(self, name, loss):
        self.adams[name].zero_grad()
        loss.backward()
        self.adams[name].step()

    def update(self, batch, noise):
        s = self.s
        self.schedule()
        warm = self.steps_done < s.warm_steps
        self.steps_done += 1
        with torch.no_grad():
            states = torch.cat([batch.states, batch.next_states]) if s.ood_states == "both" else batch.states
            a_o = torch.stack([self.sample(states, noise["ood"][n])[0] for n in range(s.ood_actions_per_state)])
            y_in, y_o, gaps = self.targets(batch, noise, states, a_o)
        critic_loss, q_data, q_policy = 0.0, [], []
        for q in self.q:
            inside, outside = (
                self.value([q], batch.states, batch.actions)[0],
                self.value([q], states.expand(len(a_o), -1, -1), a_o)[0],
            )
            critic_loss = (
                critic_loss + s.eta * ((inside - y_in) ** 2).mean() + (1 - s.eta) * ((outside - y_o) ** 2).mean()
            )
            q_data.append(inside.mean().item())
            q_policy.append(outside[:, : len(batch.rewards)].mean().item())
        self.descend("critic", critic_loss)
        alpha, (action, log_pi) = self.alpha(), self.sample(batch.states, noise["policy"])
        if warm:
            transformed = torch.distributions.TransformedDistribution(
                self.policy(batch.states), [torch.distributions.TanhTransform()]
            )
            actor_loss = -transformed.log_prob(batch.actions.clamp(-0.999, 0.999)).sum(-1).mean()
        else:
            actor_loss = (alpha * log_pi - self.value(self.q, batch.states, action).min(0)[0]).mean()
        self.descend("actor", actor_loss)
        if s.use_entropy and not warm:
            target = s.target_entropy_per_dim * action.shape[-1]
            self.descend("alpha", -self.log_alpha * (log_pi.detach() + target).mean())
        for slow, fast in zip(self.q_bar, self.q, strict=True):
            for x, y in zip(slow.parameters(), fast.parameters(), strict=True):
                x.data.mul_(1 - s.target_tau).add_(s.target_tau * y.data)
        result = {
            "critic_loss": critic_loss.item(),
            "actor_loss": actor_loss.item(),
            "q_data": sum(q_data) / 2,
            "q_data_minus_policy": (sum(q_data) - sum(q_policy)) / 2,
            "alpha": alpha,
            "entropy": -log_pi.mean().item(),
        }
        if gaps:
            result |= {
                "y_img_minus_y_lmt_min": min(gaps),
                "y_img_minus_y_lmt_max": max(gaps),
                "y_img_minus_y_lmt_mean": sum(gaps) / len(gaps),
                "limit_binds": sum(gap > 0 for gap in gaps) / len(gaps),
            }
        return result

    def distance(self, method, run, world):
        """Largest difference to a slice of the stack, over networks, targets and log alpha."""
        found = [
            world.distance(method.actor.net, run, self.pi),
            float((method.log_alpha[run] - self.log_alpha).detach().abs()),
        ]
        for j in (0, 1):
            found.append(world.distance(method.critics.net, 2 * run + j, self.q[j]))
            found.append(world.distance(method.target.net, 2 * run + j, self.q_bar[j]))
        return max(found)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-5)])
@pytest.mark.parametrize(("case", "problem"), [*((case, {}) for case in CASES), ("penalty", TRANSFORMED)])
def test_losses_diagnostics_and_weights_agree_with_a_plain_reference(world, case, problem, dtype, tolerance):
    training = world.start(ILQ, [{**CASES[case], **mixed} for mixed in MIXED], dtype=dtype, batch_size=6, **problem)
    references = [Reference(training.method, run, world) for run in (0, 1)]
    training.run(10, log=True)
    for run, reference in enumerate(references):
        for batch, noise, scalars in training.slice(run):
            assert scalars == pytest.approx(reference.update(batch, noise), abs=tolerance, rel=tolerance)
        assert reference.distance(training.method, run, world) < tolerance


@pytest.mark.parametrize("case", ["base", "penalty", "many-actions", "fresh", "warm-cosine"])
def test_a_stack_with_mixed_scalars_equals_its_members_alone(world, case):
    """The third member has no penalty, so alone it takes the way that asks one network per row."""
    members = [{**CASES[case], **mixed} for mixed in [*MIXED, {"reward_penalty": 0.0, "target_entropy_per_dim": -0.5}]]
    stack = world.start(ILQ, members, seeds=[3, 4, 5]).run(10)
    for run, seed in enumerate([3, 4, 5]):
        alone = world.start(ILQ, [members[run]], seeds=[seed]).run(10)
        for (_, _, ours), (_, _, theirs) in zip(stack.slice(run), alone.slice(0), strict=True):
            assert ours == pytest.approx(theirs, abs=1e-9)
        states = torch.randn(3, 8, 3, dtype=torch.float64)
        mixed, single = stack.method.act(states)[run], alone.method.act(states[run : run + 1])[0]
        torch.testing.assert_close(mixed, single, atol=1e-9, rtol=0)


def test_the_same_seed_gives_the_same_bits(world):
    runs = [world.start(ILQ, [BASE, BASE], dtype=torch.float32).run(100, log=True) for _ in range(2)]
    assert runs[0].slice(1) != []
    assert [x for _, _, x in runs[0].slice(0)] == [x for _, _, x in runs[1].slice(0)]


def test_gradients_reach_actor_and_critics_and_nothing_else(world):
    training = world.start(ILQ, [{**BASE, "target_tau": 0.0}])
    method = training.method
    frozen = [t.clone() for t in (*method.dynamics.weights, *method.caches)]
    before = {
        name: [p.detach().clone() for p in getattr(method, name).parameters()]
        for name in ("actor", "critics", "target")
    }
    training.run(1)
    assert not any(p.requires_grad for p in method.target.parameters())
    for name, parameters in before.items():
        for old, new in zip(parameters, getattr(method, name).parameters(), strict=True):
            assert torch.equal(old, new) == (name == "target"), name
    assert all(torch.equal(a, b) for a, b in zip(frozen, (*method.dynamics.weights, *method.caches), strict=True))
    assert not any(t.requires_grad for t in (*method.dynamics.weights, *method.caches))


def test_the_out_of_sample_term_does_not_train_the_actor(world):
    """Another margin and weight move the critics only; the actor's first step sees them through Q's new values alone."""
    runs = [world.start(ILQ, [{**BASE, "eta": eta, "critic_lr": 0.0}]).run(3) for eta in (0.2, 0.9)]
    states = torch.randn(1, 8, 3, dtype=torch.float64)
    assert torch.equal(*(training.method.act(states) for training in runs))
    assert runs[0].slice(0)[0][2]["critic_loss"] != runs[1].slice(0)[0][2]["critic_loss"]


def test_terminal_rows_are_worth_their_reward(world):
    table = world.random_table()
    table[4] = torch.ones_like(table[4])
    training = world.start(ILQ, [{**BASE, "eta": 1.0}], table=table).run(1)
    batch, _, scalars = training.slice(0)[0]
    with torch.no_grad():
        q = world.start(ILQ, [BASE], table=table).method.critics(batch.states[None], batch.actions[None])[0]
    assert scalars["critic_loss"] == pytest.approx(float((q - batch.rewards).square().mean(-1).sum()), abs=1e-12)


class StubModel:
    """A dynamics model with known answers."""

    def __init__(self, reward, ends):
        self.reward, self.offset = reward, 100.0 if ends else -100.0

    def to(self, dtype, device):
        return self

    def imagine(self, states, actions, shift, noise, sample, penalty):
        return Imagined(torch.full_like(states[..., 0], self.reward), states + self.offset, None)


def test_an_imagined_terminal_is_worth_the_imagined_reward(world):
    models = {**world.random_models(), "dynamics": StubModel(reward=-7.0, ends=True)}
    training = world.start(ILQ, [{**BASE, "eta": 0.0, "delta": 0.25, "limit": False}], models=models).run(1)
    batch, noise, scalars = training.slice(0)[0]
    fresh = world.start(ILQ, [BASE]).method
    a_o, _ = fresh.actor.sample(batch.states[None], noise["ood"][:1])
    q = fresh.critics(batch.states[None], a_o)[0]
    assert scalars["critic_loss"] == pytest.approx(float((q + 6.75).square().mean(-1).sum().detach()), abs=1e-9)


@pytest.mark.parametrize(("reward", "binds"), [(1e6, 1.0), (-1e6, 0.0)])
def test_the_limit_binds_where_imagination_is_above_it(world, reward, binds):
    models = {**world.random_models(), "dynamics": StubModel(reward, ends=True)}
    training = world.start(ILQ, [BASE], models=models).run(1, log=True)
    assert training.slice(0)[0][2]["limit_binds"] == binds


def test_the_limit_takes_the_maximum_inside_each_critic(world):
    """Two critics that prefer different actions: min over critics of their own best, not the best of the minima."""
    training = world.start(ILQ, [{**BASE, "imagination": False, "n_limit_actions": 6}], batch_size=1)
    method, batch, noise = training.method, training.batch(1), training.noise.at(0)
    values = torch.tensor([[5.0, 0.0, 1.0, 1.0, 1.0, 1.0], [0.0, 4.0, 1.0, 1.0, 1.0, 1.0]], dtype=torch.float64)
    method.target.many = lambda states, actions: values[None, :, :, None]
    assert float(method._limit(batch, batch.states, noise)) == 4.0


# -- settings ----------------------------------------------------------------------------------------------------------

COSINE = {"lr_schedule": "cosine"}
FRESH = {"limit_actions": "fresh"}
PENALISED = {"reward_penalty": 0.5}
SWITCHES = {
    "actor_hidden": ((16,), {}),
    "critic_hidden": ((16,), {}),
    "init": ("orthogonal", {}),
    "critic_lr": (1e-3, {}),
    "actor_lr": (1e-3, {}),
    "alpha_lr": (1e-2, {}),
    "lr_schedule": ("cosine", {}),
    "discount": (0.9, {}),
    "target_tau": (0.1, {}),
    "eta": (0.5, {}),
    "delta": (1.0, {}),
    "ablation_keeps_delta": (False, {"limit": False}),
    "imagination": (False, {}),
    "limit": (False, {}),
    "ood_actions_per_state": (2, {}),
    "ood_states": ("both", {}),
    "use_entropy": (False, {}),
    "backup_entropy": (True, {}),
    "target_entropy_per_dim": (-3.0, {}),
    "alpha_init": (0.1, {}),
    "log_std_min": (0.5, {}),
    "log_std_max": (-2.0, {}),
    "n_limit_actions": (1, {}),
    "limit_actions": ("fresh", {}),
    "limit_cache_size": (5, {}),
    "reverse_variance": ("beta", FRESH),
    "reward_penalty": (0.5, {}),
    "penalty": ("disagreement", PENALISED),
    "use_termination_fn": (False, {}),
    "dynamics_sample": ("mean", {}),
    "dynamics_elites": (2, {}),
    "warm_steps": (5, {}),
    "actor_lr_after_warm": (0.1, {"warm_steps": 5}),
}
OF_MODELS = {
    "behavior_hidden": (8,),
    "behavior_train_steps": 7,
    "behavior_lr": 1e-2,
    "behavior_batch_size": 8,
    "behavior_ema": True,
    "behavior_ema_decay": 0.9,
    "behavior_standardize_states": True,
    "behavior_lr_schedule": "cosine",
    "diffusion_steps": 4,
    "limit_cache_size": 11,
    "reverse_variance": "beta",
    "dynamics_hidden": (8,),
    "dynamics_ensemble": 8,
    "dynamics_elites": 2,
    "dynamics_epochs": 3,
    "dynamics_lr": 1e-2,
    "dynamics_batch_size": 8,
    "dynamics_data_ratio": 0.8,
    "dynamics_restore_best": False,
    "next_obs": "shifted",
    "dynamics_standardize_targets": True,
    "dynamics_lr_schedule": "cosine",
}
"""Settings of frozen models: they reach the key of an artifact; tests/d4rl shows that each changes the model."""


def test_every_setting_has_a_switch_test():
    assert set(SWITCHES) | set(OF_MODELS) == {field.name for field in dataclasses.fields(ILQ.Settings)}


@pytest.mark.parametrize("name", SWITCHES)
def test_every_switch_changes_a_run_of_ten_steps(world, name):
    value, given = SWITCHES[name]

    def models(settings):
        made = world.random_models()
        if name == "dynamics_elites":
            made["dynamics"] = world.random_dynamics(elites=(2, 0, 3)[: settings.get(name, 3)])
        made["limit_actions"] = made["limit_actions"][:, : settings["limit_cache_size"]].contiguous()
        return made

    results = []
    for settings in ({**BASE, **given}, {**BASE, **given, name: value}):
        results.append([x for _, _, x in world.start(ILQ, [settings], models=models(settings)).run(10).slice(0)])
    assert results[0] != results[1]


@pytest.mark.parametrize("name", OF_MODELS)
def test_every_setting_of_a_frozen_model_names_another_artifact(name):
    source = Source("toy", "toy", "hash", lambda: pytest.fail("nothing is built here"))

    def keys(settings):
        return {model.artifact.key for model in ILQ.models(ILQ.Settings(**settings), source).values()}

    assert keys({"limit_actions": "cached"}) != keys({"limit_actions": "cached", name: OF_MODELS[name]})


def test_only_the_models_that_a_setting_needs_are_asked_for():
    source = Source("toy", "toy", "hash", lambda: pytest.fail("nothing is built here"))

    def names(**settings):
        return set(ILQ.models(ILQ.Settings(**settings), source))

    assert names() == {"dynamics", "behavior"}
    assert names(imagination=False) == {"behavior"}
    assert names(limit=False) == {"dynamics"}
    assert names(limit_actions="cached") == {"dynamics", "limit_actions"}
    assert names(limit_actions="cached", ood_states="both") == {"dynamics", "limit_actions", "limit_actions_next"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"imagination": False, "limit": False}, "imagination=off and limit=off"),
        ({"eta": 1.5}, "eta is 1.5"),
        ({"alpha_init": 0.0}, "alpha_init is 0.0"),
        ({"n_limit_actions": 0}, "count actions"),
        ({"limit_actions": "cached", "n_limit_actions": 11}, "n_limit_actions is 11"),
        ({"warm_steps": -1}, "warm_steps is -1"),
        ({"lr_schedule": "cosin"}, "did you mean 'cosine'"),
    ],
)
def test_settings_without_meaning_are_refused(wrong, message):
    with pytest.raises(RepriseError, match=message):
        ILQ.Settings(**wrong)


def test_an_environment_without_a_rule_is_refused_unless_termination_is_off(world):
    with pytest.raises(RepriseError, match="register_termination"):
        world.start(ILQ, [BASE], environment="nowhere")
    world.start(ILQ, [{**BASE, "use_termination_fn": False}], environment="nowhere").run(1)


def test_state_goes_through_save_and_load(world):
    first = world.start(ILQ, [BASE, BASE]).run(4)
    second = world.start(ILQ, [BASE, BASE])
    second.method.load_state_dict(first.method.state_dict())
    first.run(3)
    second.run(3)
    assert [x for _, _, x in first.slice(1)[4:]] == [x for _, _, x in second.slice(1)]
