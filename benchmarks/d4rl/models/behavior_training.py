"""Training of the diffusion model of the data's actions.

Source: Diffusion-QL's code with the settings of the ILQ paper (appendix A.2); methods specification 1.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from benchmarks.base import Json, Progress, Report, unheard
from benchmarks.d4rl.datasets import Transitions
from benchmarks.d4rl.method import FrozenModel, Source
from benchmarks.d4rl.models import building
from benchmarks.d4rl.models.behavior import EMBEDDING, Behavior, step_embedding, vp_schedule
from benchmarks.d4rl.models.mish import mish
from benchmarks.d4rl.networks import StackedMLP
from benchmarks.d4rl.optimisers import StackedAdam, cosine

VERSION = 1
"""Raised whenever a trained model's numbers may change."""

BLOCK = 64
"""Training steps whose random numbers are drawn at once."""

SPREAD_STATES, SPREAD_ACTIONS = 500, 20


@dataclass(frozen=True)
class BehaviorSettings:
    """How the model is trained. `standardize_states` and `lr_schedule` = `cosine` are this suite's."""

    hidden: tuple[int, ...] = (256, 256, 256)
    steps: int = 300_000
    lr: float = 3e-4
    batch_size: int = 256
    diffusion_steps: int = 5
    ema: bool = False
    ema_decay: float = 0.995
    standardize_states: bool = False
    lr_schedule: Literal["constant", "cosine"] = "constant"


def behavior_model(settings: BehaviorSettings, source: Source) -> FrozenModel:
    """The behaviour model of a data set as an artifact."""

    def build(folder: Path, report: Report) -> None:
        model, metrics = train_behavior(source.open(), settings, report)
        building.save(folder, "behavior", model.state(), metrics)

    return FrozenModel(building.model_artifact("behavior", VERSION, source, settings, build), Behavior.load)


def train_behavior(
    data: Transitions, settings: BehaviorSettings, report: Report = unheard
) -> tuple[Behavior, dict[str, Json]]:
    """Train on raw transitions; the frozen model (float32, CPU) and its loss and spread."""
    with building.training_conditions():
        training = _Training(data, settings)
        losses: list[Tensor] = []
        for number in range(settings.steps):
            losses.append(training.step(number))
            report(Progress(number + 1, settings.steps))
        model = training.finish()
        tail = torch.stack(losses[-1_000:]).mean() if losses else torch.tensor(float("nan"))
        return model, {"final_loss": float(tail), **spread(model, data)}


class _Training:
    """The noise predictor while it trains."""

    def __init__(self, data: Transitions, settings: BehaviorSettings) -> None:
        self.settings = settings
        self.generator = building.model_generator("behavior", data.hash)
        self.device = building.training_device()
        states, self.actions = data.observations, data.actions.to(self.device)
        width = states.shape[1]
        self.mean, self.std = torch.zeros(width), torch.ones(width)
        if settings.standardize_states:
            self.mean = states.mean(0)
            self.std = states.std(0, correction=0).clamp_min(1e-6)
        self.states = ((states - self.mean) / self.std).to(self.device)
        actions = self.actions.shape[1]
        self.of_step = StackedMLP([EMBEDDING, 2 * EMBEDDING, EMBEDDING], [self.generator], activation=mish)
        sizes = [actions + EMBEDDING + width, *settings.hidden, actions]
        self.net = StackedMLP(sizes, [self.generator], activation=mish)
        self.sinusoids = step_embedding(settings.diffusion_steps).to(self.device)
        self.abar = vp_schedule(settings.diffusion_steps)[1].float().to(self.device)
        self.parameters = [*self.of_step.to(self.device).parameters(), *self.net.to(self.device).parameters()]
        self.adam = StackedAdam(self.parameters, [settings.lr])
        self.average = [p.detach().clone() for p in self.parameters] if settings.ema else None

    def step(self, number: int) -> Tensor:
        """One gradient step; the loss, detached."""
        s = self.settings
        offset = number % BLOCK
        if offset == 0:
            self._draw()
        if s.lr_schedule == "cosine":
            self.adam.set_scale(cosine(number, s.steps))
        loss = self.loss(*(block[offset] for block in self.block))
        self.adam.step(loss)
        if self.average is not None:
            torch._foreach_lerp_(self.average, [p.detach() for p in self.parameters], 1.0 - s.ema_decay)
        return loss.detach()

    def _draw(self) -> None:
        """Rows, diffusion steps and noise of the next steps, all but the network's share already computed."""
        s, shape = self.settings, (BLOCK, self.settings.batch_size)
        row = torch.randint(len(self.states), shape, generator=self.generator).to(self.device)
        k = torch.randint(s.diffusion_steps, shape, generator=self.generator).to(self.device)
        xi = torch.randn(*shape, self.actions.shape[1], generator=self.generator).to(self.device)
        self.block = (self.states[row], self.noisy(self.actions[row], k, xi), self.one_hot(k), xi)

    def noisy(self, actions: Tensor, k: Tensor, xi: Tensor) -> Tensor:
        """a_k = sqrt(abar_k) a + sqrt(1 - abar_k) xi; k (..., B) counts from 0."""
        abar = self.abar[k][..., None]
        return abar.sqrt() * actions + (1.0 - abar).sqrt() * xi

    def one_hot(self, k: Tensor) -> Tensor:
        """(..., B) -> (..., B, K): a product with it picks rows, and so does its backward pass."""
        return torch.eye(self.settings.diffusion_steps, device=self.device)[k]

    def loss(self, states: Tensor, noisy: Tensor, one_hot: Tensor, xi: Tensor) -> Tensor:
        """Mean of (xi - net(a_k, s, k))^2 over batch and dimensions."""
        embedded = one_hot @ self.of_step(self.sinusoids[None])[0]
        return (self.net(torch.cat([noisy, embedded, states], 1)[None])[0] - xi).square().mean()

    @torch.no_grad()
    def finish(self) -> Behavior:
        """Freeze: the averaged weights where an average was kept."""
        for parameter, kept in zip(self.parameters, self.average or [], strict=False):
            parameter.copy_(kept)
        return Behavior(
            weights=[w[0].detach().cpu() for w in self.net.weights],
            biases=[b[0, 0].detach().cpu() for b in self.net.biases],
            embedding=self.of_step(self.sinusoids[None])[0].cpu(),
            state_mean=self.mean,
            state_std=self.std,
        )


def spread(model: Behavior, data: Transitions) -> dict[str, Json]:
    """How wide the sampler is beside the data, per action dimension.

    Standard deviation of sampled actions at one state, and the root-mean-square distance of the data's action from the
    mean sample; over at most 500 states, 20 samples each, for both reverse variances.
    """
    generator = building.model_generator("behavior.spread", data.hash)
    rows = torch.randperm(len(data), generator=generator)[:SPREAD_STATES]
    shape = (model.steps, SPREAD_ACTIONS, len(rows), model.action_dim)
    noise = torch.randn(shape, generator=generator)
    result: dict[str, Json] = {}
    for variance in ("posterior", "beta"):
        samples = model.sample(data.observations[rows], noise, variance)
        result[f"sampled_std_{variance}"] = building.floats(samples.var(0).mean(0).sqrt())
        distance = (data.actions[rows] - samples.mean(0)).square().mean(0).sqrt()
        result[f"data_rms_distance_{variance}"] = building.floats(distance)
    return result
