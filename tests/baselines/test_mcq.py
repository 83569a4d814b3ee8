"""MCQ against a plain single-network reference, its relation to ILQ, its switches, its stack."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import nn

from baselines.mcq import MCQ
from benchmarks.base import RepriseError
from benchmarks.d4rl.method import Problem, Source, StackedMethod
from benchmarks.d4rl.streams import Stream
from methods.ilq import ILQ

NETWORKS = {"actor_hidden": (24, 24), "critic_hidden": (24, 24), "cvae_hidden": (16, 16)}
OFFICIAL = {**NETWORKS, "lam": 0.7, "n_behavior_actions": 3, "ood_actions_per_state": 3}
KIT = {
    **NETWORKS,
    "lam": 0.9,
    "n_behavior_actions": 3,
    "pseudo_critics": "target",
    "clamp_pseudo_target": False,
    "ood_actions_per_state": 1,
    "cvae_loss": "means",
    "actor_dropout": 0.1,
    "alpha_max": 1.0,
    "alpha_update": "last",
}
CACHED = {"behavior": "cached_diffusion", "limit_cache_size": 4}
CASES = {
    "official": (OFFICIAL, "toy"),
    "kit": (KIT, "toy"),
    "kit-clamped-alpha": ({**KIT, "alpha_init": 1.5}, "toy"),
    "margin": ({**OFFICIAL, "mcq_special_cases": True}, "hopper-medium-v2"),
    "positive-only": ({**OFFICIAL, "mcq_special_cases": True}, "maze2d-umaze"),
    "no-special-task": ({**OFFICIAL, "mcq_special_cases": True}, "hopper-random-v2"),
    "cached": ({**KIT, **CACHED, "actor_dropout": 0.0, "limit_offset": -2.0}, "toy"),
    "small": (
        {
            **KIT,
            **CACHED,
            "actor_dropout": 0.0,
            "ood_states": "current",
            "limit_offset": -2.0,
            "warm_steps": 4,
            "actor_lr_after_warm": 0.1,
            "lr_schedule": "cosine",
            "actor_lr": 3e-3,
        },
        "toy",
    ),
}
MIXED = [
    {"actor_lr": 1e-3},
    {
        "lam": 0.3,
        "discount": 0.9,
        "target_tau": 0.05,
        "alpha_lr": 1e-2,
        "critic_lr": 1e-3,
        "cvae_lr": 3e-3,
        "limit_offset": 0.4,
    },
]


def caches() -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(3)
    return {name: torch.tanh(torch.randn(200, 4, 2, generator=g)) for name in ("limit_actions", "limit_actions_next")}


def start(
    lab: Any,
    settings: Sequence[Mapping[str, Any]],
    seeds: Sequence[int] | None = None,
    *,
    kind: type[StackedMethod] = MCQ,
    task: str = "toy",
    dtype: torch.dtype = torch.float64,
    batch_size: int = 16,
    table: Sequence[torch.Tensor] | None = None,
) -> Any:
    """`lab.start` with cached actions in the problem."""
    training = lab.start(MCQ, [NETWORKS], table=table, dtype=dtype)
    mean, std = torch.zeros(4), torch.ones(4)
    problem = Problem(task, "toy", 4, 2, 20, batch_size, mean, std, dtype, models=caches())
    method = kind([kind.Settings(**values) for values in settings], problem, seeds or range(len(settings)))
    training.method, training.seeds, training.task = method, list(seeds or range(len(settings))), task
    training.noise = Stream("noise", task, method.seeds, method.draws(), dtype)
    return training


class Reference:
    """MCQ for one run with nn.Linear and torch.optim.Adam, written from section 3 of the specification."""

    def __init__(self, method, run, lab):
        self.s, self.p, self.lab, self.steps_done = method.runs[run], method.problem, lab, 0
        self.q = [lab.plain(method.critics.net, 2 * run + j) for j in (0, 1)]
        self.q_bar = [lab.plain(method.target.net, 2 * run + j) for j in (0, 1)]
        self.pi = lab.plain(method.actor.net, run)
        self.log_alpha = torch.tensor(math.log(self.s.alpha_init), dtype=self.p.dtype, requires_grad=True)
        s = self.s
        self.adams = {
            "actor": torch.optim.Adam(self.pi.parameters(), s.actor_lr),
            "q0": torch.optim.Adam(self.q[0].parameters(), s.critic_lr),
            "q1": torch.optim.Adam(self.q[1].parameters(), s.critic_lr),
            "alpha": torch.optim.Adam([self.log_alpha], s.actor_lr if s.alpha_lr is None else s.alpha_lr),
        }
        if s.behavior == "cvae":
            self.encoder, self.decoder = (lab.plain(net, run) for net in (method.cvae.encoder, method.cvae.decoder))
            self.adams["cvae"] = torch.optim.Adam([*self.encoder.parameters(), *self.decoder.parameters()], s.cvae_lr)
        self.rates = {name: adam.param_groups[0]["lr"] for name, adam in self.adams.items()}

    def descend(self, name, loss):
        self.adams[name].zero_grad()
        loss.backward()
        self.adams[name].step()

    def alpha(self):
        alpha = self.log_alpha.exp().item()
        return alpha if self.s.alpha_max is None else min(max(alpha, 0.0), self.s.alpha_max)

    def policy(self, states, noise, name):
        x, p = states, self.s.actor_dropout
        linears = [layer for layer in self.pi if isinstance(layer, nn.Linear)]
        for number, layer in enumerate(linears):
            x = layer(x)
            if number < len(linears) - 1:
                x = x.relu()
                if p:
                    x = torch.where(noise[f"dropout.{name}.{number}"] < p, 0.0, x / (1 - p))
        mean, log_std = x.chunk(2, -1)
        return torch.distributions.Normal(mean, log_std.clamp(self.s.log_std_min, self.s.log_std_max).exp())

    def sample(self, normal, noise):
        x, transform = normal.loc + normal.scale * noise, torch.distributions.TanhTransform()
        return transform(x), (normal.log_prob(x) - transform.log_abs_det_jacobian(x, transform(x))).sum(-1)

    def value(self, q, states, actions):
        return q(torch.cat([states.expand(*actions.shape[:-1], -1), actions], -1))[..., 0]

    def cvae_loss(self, batch, noise):
        mean, log_std = self.encoder(torch.cat([batch.states, batch.actions], -1)).chunk(2, -1)
        latent = torch.distributions.Normal(mean, log_std.clamp(-4, 15).exp())
        unit = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
        kl = torch.distributions.kl_divergence(latent, unit)
        z = latent.loc + latent.scale * noise["encode"]
        error = (self.decoder(torch.cat([batch.states, z], -1)).tanh() - batch.actions) ** 2
        if self.s.cvae_loss == "sums":
            return kl.sum(-1).mean() + error.sum(-1).mean()
        return kl.mean() + error.mean()

    def behavior_actions(self, batch, states, noise):
        if self.s.behavior == "cvae":
            z = noise["latent"].clamp(-0.5, 0.5)
            return self.decoder(torch.cat([states.expand(len(z), -1, -1), z], -1)).tanh()
        size, out = len(batch.rewards), []
        for row in range(len(states)):
            stored = self.p.models["limit_actions" if row < size else "limit_actions_next"][batch.rows[row % size]]
            first = int(noise["limit_start"][row])
            out.append(stored[[(first + n) % len(stored) for n in range(self.s.n_behavior_actions)]])
        return torch.stack(out, 1).to(states.dtype)

    def critic_losses(self, batch, noise, alpha):
        s = self.s
        with torch.no_grad():
            a, log_pi = self.sample(self.policy(batch.next_states, noise, "next"), noise["next"])
            q_next = torch.min(*(self.value(q, batch.next_states, a) for q in self.q_bar))
            y = batch.rewards + s.discount * (1 - batch.dones) * (q_next - alpha * log_pi)
            states = torch.cat([batch.states, batch.next_states]) if s.ood_states == "both" else batch.states
            a_pi = self.sample(self.policy(states, noise, "ood"), noise["ood"])[0]
            b = self.behavior_actions(batch, states, noise)
            best = [
                self.value(q, states, b).max(0)[0] for q in (self.q if s.pseudo_critics == "online" else self.q_bar)
            ]
            if s.clamp_pseudo_target:
                best = [torch.max(x, torch.zeros_like(x)) for x in best]
            y_pseudo = torch.min(*best) + s.limit_offset
        losses, data, policy = [], [], []
        for q in self.q:
            q_data, q_pi = self.value(q, batch.states, batch.actions), self.value(q, states, a_pi)
            outside = self.outside(q_pi, y_pseudo, a_pi, b)
            losses.append(s.lam * ((q_data - y) ** 2).mean() + (1 - s.lam) * outside)
            data.append(q_data.mean().item())
            policy.append(q_pi[:, : len(batch.rewards)].mean().item())
        return losses, sum(data) / 2, (sum(data) - sum(policy)) / 2

    def outside(self, q_pi, y_pseudo, a_pi, b):
        task = self.p.task.removesuffix("-v2")
        if self.s.mcq_special_cases and task == "hopper-medium":
            total = 0.0
            for n in range(len(q_pi)):
                deviation = q_pi[n] - (y_pseudo - 5)
                weight = (((a_pi[n] - b[n]) ** 2).sum(-1) >= 0.1).to(q_pi)
                total = total + (weight * torch.where(deviation > 0, deviation, 0.0) ** 2).mean()
            return total / len(q_pi)
        if self.s.mcq_special_cases and task == "maze2d-umaze":
            return (torch.where(q_pi > y_pseudo, q_pi - y_pseudo, 0.0) ** 2).mean()
        return ((q_pi - y_pseudo) ** 2).mean()

    def update(self, batch, noise):
        s, warm, result = self.s, self.steps_done < self.s.warm_steps, {}
        cosine = 0.5 * (1 + math.cos(math.pi * self.steps_done / self.p.steps)) if s.lr_schedule == "cosine" else 1.0
        late = s.actor_lr_after_warm if s.warm_steps and not warm else 1.0
        for name, adam in self.adams.items():
            adam.param_groups[0]["lr"] = self.rates[name] * cosine * (late if name in ("actor", "alpha") else 1.0)
        self.steps_done += 1
        if s.behavior == "cvae":
            loss = self.cvae_loss(batch, noise)
            result["cvae_loss"] = loss.item()
            self.descend("cvae", loss)
        normal = self.policy(batch.states, noise, "policy")
        action, log_pi = self.sample(normal, noise["policy"])
        alpha_loss = -self.log_alpha * (log_pi.detach() + s.target_entropy_per_dim * action.shape[-1]).mean()
        if s.alpha_update == "first" and not warm:
            self.descend("alpha", alpha_loss)
        alpha = self.alpha()
        losses, q_data, gap = self.critic_losses(batch, noise, alpha)
        self.descend("q0", losses[0])
        self.descend("q1", losses[1])
        if warm:
            squashed = torch.distributions.TransformedDistribution(normal, [torch.distributions.TanhTransform()])
            actor_loss = -squashed.log_prob(batch.actions.clamp(-0.999, 0.999)).sum(-1).mean()
        else:
            actor_loss = (alpha * log_pi - torch.min(*(self.value(q, batch.states, action) for q in self.q))).mean()
        self.descend("actor", actor_loss)
        if s.alpha_update == "last" and not warm:
            self.descend("alpha", alpha_loss)
        for slow, fast in zip(self.q_bar, self.q, strict=True):
            self.lab.follow(slow, fast, s.target_tau)
        result |= {"critic_loss": (losses[0] + losses[1]).item(), "actor_loss": actor_loss.item(), "q_data": q_data}
        return result | {"q_data_minus_policy": gap, "alpha": alpha, "entropy": -log_pi.mean().item()}

    def distance(self, method, run, lab):
        found = [lab.distance(method.actor.net, run, self.pi)]
        found.append(float((method.log_alpha[run] - self.log_alpha).detach().abs()))
        for j in (0, 1):
            found.append(lab.distance(method.critics.net, 2 * run + j, self.q[j]))
            found.append(lab.distance(method.target.net, 2 * run + j, self.q_bar[j]))
        if self.s.behavior == "cvae":
            found.append(lab.distance(method.cvae.encoder, run, self.encoder))
            found.append(lab.distance(method.cvae.decoder, run, self.decoder))
        return max(found)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-5)])
@pytest.mark.parametrize("case", CASES)
def test_losses_diagnostics_and_weights_agree_with_a_plain_reference(lab, case, dtype, tolerance):
    settings, task = CASES[case]
    training = start(lab, [{**settings, **mixed} for mixed in MIXED], task=task, dtype=dtype)
    references = [Reference(training.method, run, lab) for run in (0, 1)]
    training.run(10, log=True)
    for run, reference in enumerate(references):
        for batch, noise, scalars in training.slice(run):
            assert scalars == pytest.approx(reference.update(batch, noise), abs=tolerance, rel=tolerance)
        assert reference.distance(training.method, run, lab) < tolerance


def test_ilq_without_imagination_is_the_kit_version_on_the_states_s(lab):
    """eta = lam, delta 0, one action per state, entropy in the backup, the same behaviour actions (specification,
    section 3).
    """
    shared = {
        **{k: NETWORKS[k] for k in ("actor_hidden", "critic_hidden")},
        "log_std_min": -20.0,
        "limit_cache_size": 4,
    }
    shared |= {"actor_lr": 1e-3, "critic_lr": 1e-3, "alpha_init": 0.5}
    kit = {**KIT, **CACHED, **shared, "ood_states": "current", "actor_dropout": 0.0, "lam": 0.8}
    ilq = {**shared, "imagination": False, "delta": 0.0, "eta": 0.8, "backup_entropy": True}
    ilq |= {"limit_actions": "cached", "n_limit_actions": 3}
    ours = start(lab, [ilq], kind=ILQ).run(10, log=True)
    theirs = start(lab, [kit]).run(10, log=True)
    for (_, _, x), (_, _, y) in zip(ours.slice(0), theirs.slice(0), strict=True):
        assert x == pytest.approx(y, abs=1e-9)


@pytest.mark.parametrize("case", ["official", "kit", "margin", "small"])
def test_a_stack_with_mixed_scalars_equals_its_members_alone(lab, case):
    settings, task = CASES[case]
    members = [{**settings, **mixed} for mixed in [*MIXED, {"target_entropy_per_dim": -0.5, "alpha_init": 0.5}]]
    stack = start(lab, members, [3, 4, 5], task=task).run(10)
    for run, seed in enumerate([3, 4, 5]):
        alone = start(lab, [members[run]], [seed], task=task).run(10)
        for (_, _, ours), (_, _, theirs) in zip(stack.slice(run), alone.slice(0), strict=True):
            assert ours == pytest.approx(theirs, abs=1e-9)
        states = torch.randn(3, 8, 4, dtype=torch.float64)
        mixed, single = stack.method.act(states)[run], alone.method.act(states[run : run + 1])[0]
        torch.testing.assert_close(mixed, single, atol=1e-9, rtol=0)


def test_gradients_reach_everything_but_the_targets(lab):
    training = start(lab, [{**OFFICIAL, "target_tau": 0.0}])
    moved = lab.gradient_reach(training.method)
    training.run(1)
    for name, has_moved in moved().items():
        assert has_moved == (not name.startswith("target.")), name


def test_the_critics_do_not_train_the_cvae(lab):
    runs = [start(lab, [{**OFFICIAL, "lam": lam}]).run(3) for lam in (0.1, 0.9)]
    weights = [training.method.cvae.decoder.weights[0] for training in runs]
    assert torch.equal(*weights)


def test_terminal_rows_are_worth_their_reward(lab):
    table = lab.random_table()
    table[4] = torch.ones_like(table[4])
    settings = [{**OFFICIAL, "lam": 1.0}]
    training = start(lab, settings, table=table).run(1)
    batch, _, scalars = training.slice(0)[0]
    with torch.no_grad():
        q = start(lab, settings, table=table).method.critics(batch.states[None], batch.actions[None])[0]
    assert scalars["critic_loss"] == pytest.approx(float((q - batch.rewards).square().mean(-1).sum()), abs=1e-12)


def test_evaluation_drops_no_units(lab):
    method = start(lab, [{**KIT, "actor_dropout": 0.9}]).method
    states = torch.randn(1, 5, 4, dtype=torch.float64)
    assert torch.equal(method.act(states), torch.tanh(method.actor(states)[0]))


LAST = {"alpha_update": "last"}
SWITCHES = {
    "actor_hidden": ((16,), {}),
    "critic_hidden": ((16,), {}),
    "critic_lr": (1e-3, {}),
    "actor_lr": (1e-3, {}),
    "alpha_lr": (1e-2, {}),
    "lr_schedule": ("cosine", {}),
    "discount": (0.9, {}),
    "target_tau": (0.1, {}),
    "lam": (0.5, {}),
    "n_behavior_actions": (2, {}),
    "ood_actions_per_state": (2, {}),
    "ood_states": ("current", {}),
    "pseudo_critics": ("target", {}),
    "clamp_pseudo_target": (False, {}),
    "limit_offset": (-2.0, {}),
    "mcq_special_cases": (True, {}),
    "target_entropy_per_dim": (-3.0, {}),
    "alpha_init": (0.1, {}),
    "alpha_update": ("last", {}),
    "alpha_max": (0.5, {}),
    "actor_dropout": (0.1, {}),
    "log_std_min": (0.5, {}),
    "log_std_max": (-2.0, {}),
    "behavior": ("cached_diffusion", CACHED | {"behavior": "cvae"}),
    "cvae_hidden": ((8,), {}),
    "cvae_lr": (1e-2, {}),
    "cvae_loss": ("means", {}),
    "warm_steps": (5, {}),
    "actor_lr_after_warm": (0.1, {"warm_steps": 5}),
}
OF_MODELS = {
    "limit_cache_size": 11,
    "reverse_variance": "beta",
    "behavior_hidden": (8,),
    "behavior_train_steps": 7,
    "behavior_lr": 1e-2,
    "behavior_batch_size": 8,
    "behavior_standardize_states": True,
    "behavior_lr_schedule": "cosine",
    "diffusion_steps": 4,
}


def test_every_setting_has_a_switch_test():
    assert set(SWITCHES) | set(OF_MODELS) == {field.name for field in dataclasses.fields(MCQ.Settings)}


@pytest.mark.parametrize("name", SWITCHES)
def test_every_switch_changes_a_run_of_ten_steps(lab, name):
    value, given = SWITCHES[name]
    results = [
        [x for _, _, x in start(lab, [{**OFFICIAL, **given, **change}], task="hopper-medium").run(10).slice(0)]
        for change in ({}, {name: value})
    ]
    assert results[0] != results[1]


@pytest.mark.parametrize("name", OF_MODELS)
def test_every_setting_of_the_frozen_model_names_another_artifact(name):
    source = Source("toy", "toy", "hash", lambda: pytest.fail("nothing is built here"))

    def keys(**settings):
        return {
            m.artifact.key for m in MCQ.models(MCQ.Settings(behavior="cached_diffusion", **settings), source).values()
        }

    assert len(keys()) == 2
    assert not keys() & keys(**{name: OF_MODELS[name]})
    assert MCQ.models(MCQ.Settings(), source) == {}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"lam": -0.1}, r"lam is -0\.1"),
        ({"ood_actions_per_state": 0}, "count actions"),
        ({"mcq_special_cases": True, "ood_actions_per_state": 1}, "the same value"),
        ({"actor_dropout": 1.0}, "actor_dropout is 1.0"),
        ({"behavior": "cached_diffusion", "n_behavior_actions": 11}, "n_behavior_actions is 11"),
        ({"lr_schedule": "linear"}, "unknown lr_schedule"),
    ],
)
def test_settings_without_meaning_are_refused(wrong, message):
    with pytest.raises(RepriseError, match=message):
        MCQ.Settings(**wrong)


def test_mcq_improves_on_the_data_of_the_one_step_problem(lab):
    """Data about -0.98; the specification asks of MCQ no more than to be better."""
    networks = {"actor_hidden": (32, 32), "critic_hidden": (32, 32), "cvae_hidden": (32, 32)}
    rates = {"actor_lr": 1e-3, "critic_lr": 1e-3, "target_tau": 0.02, "pseudo_critics": "target"}
    kit = {
        **networks,
        **rates,
        "ood_actions_per_state": 1,
        "clamp_pseudo_target": False,
        "lam": 0.7,
        "cvae_loss": "means",
    }
    table = lab.one_step_table()
    training = lab.start(MCQ, [kit], dtype=torch.float32, steps=1_500, batch_size=64, table=table)
    assert lab.one_step_reward(training.run(1_500, keep=False)) > -0.9


def test_the_public_versions_are_presets():
    official, kit = MCQ.presets["official"]("hopper-medium"), MCQ.presets["kit"]("hopper-medium")
    fields = {field.name for field in dataclasses.fields(MCQ.Settings)}
    first, second = (MCQ.Settings(**{k: v for k, v in p.items() if k in fields}) for p in (official, kit))
    assert (first.lam, first.actor_hidden, first.ood_actions_per_state) == (0.7, (400, 400, 400), 10)
    assert (first.pseudo_critics, first.clamp_pseudo_target, first.cvae_loss) == ("online", True, "sums")
    assert (first.actor_dropout, first.alpha_max, first.alpha_update) == (0.0, None, "first")
    assert (second.lam, second.actor_hidden, second.ood_actions_per_state) == (0.9, (400, 400), 1)
    assert (second.pseudo_critics, second.clamp_pseudo_target, second.cvae_loss) == ("target", False, "means")
    assert (second.actor_dropout, second.alpha_max, second.alpha_update) == (0.1, 1.0, "last")
    for settings in (first, second):
        assert (settings.warm_steps, settings.limit_offset, settings.behavior) == (0, 0.0, "cvae")
        assert (settings.log_std_min, settings.log_std_max, settings.ood_states) == (-5.0, 2.0, "both")
