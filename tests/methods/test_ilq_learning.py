"""ILQ on a problem small enough to solve, with its frozen models trained for it."""

from __future__ import annotations

import torch

from benchmarks.d4rl.datasets import Transitions
from benchmarks.d4rl.method import Source
from benchmarks.d4rl.models.termination import register_termination
from methods.ilq import ILQ

ROWS = 4_000
SETTINGS = {
    "actor_hidden": (32, 32),
    "critic_hidden": (32, 32),
    "critic_lr": 1e-3,
    "actor_lr": 1e-3,
    "target_tau": 0.02,
    "limit_actions": "cached",
    "n_limit_actions": 5,
    "behavior_hidden": (32, 32),
    "behavior_train_steps": 1_500,
    "behavior_lr": 1e-3,
    "dynamics_hidden": (32, 32),
    "dynamics_ensemble": 3,
    "dynamics_elites": 2,
    "dynamics_epochs": 8,
}


def one_step_problem() -> Transitions:
    """Methods specification 9.4: every row terminal, reward -|a - 0.5|^2, actions N(0, 0.25) clipped."""
    g = torch.Generator().manual_seed(0)
    states, actions = torch.randn(ROWS, 2, generator=g), (0.5 * torch.randn(ROWS, 2, generator=g)).clamp(-1, 1)
    rewards = -(actions - 0.5).square().sum(-1)
    following = torch.randn(ROWS, 2, generator=g)
    return Transitions("one-step", "one-step", states, actions, rewards, following, torch.ones(ROWS), torch.zeros(ROWS))


def test_ilq_solves_the_one_step_problem_with_models_built_as_artifacts(world):
    """Data about -0.98, cloning about -0.50; required: above -0.2."""
    register_termination("test-one-step", lambda o: torch.ones(o.shape[:-1], dtype=torch.bool))
    data = one_step_problem()
    source = Source("one-step", "test-one-step", data.hash, lambda: data)
    models = {
        name: model.load(model.artifact.ensure())
        for name, model in ILQ.models(ILQ.Settings(**SETTINGS), source).items()
    }
    table = [data.observations, data.actions, data.rewards, data.next_observations, data.terminals]
    training = world.start(
        ILQ,
        [SETTINGS],
        dtype=torch.float32,
        steps=3_000,
        batch_size=64,
        table=table,
        models=models,
        environment="test-one-step",
        state_mean=torch.zeros(2),
        state_std=torch.ones(2),
    ).run(3_000, keep=False)
    states = torch.randn(2_000, 2, generator=torch.Generator().manual_seed(1))
    reward = -(training.method.act(states[None])[0] - 0.5).square().sum(-1).mean()
    assert float(reward) > -0.2
