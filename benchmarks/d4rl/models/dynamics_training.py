"""Training of the dynamics ensemble: all networks in one batched product, each on its own bootstrap resample.

Source: MOPO's code with the settings of the ILQ paper (Eq. 5, appendix A.2); methods specification 1.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from benchmarks.base import Json, Progress, Report, RepriseError, unheard
from benchmarks.d4rl.datasets import Transitions
from benchmarks.d4rl.method import FrozenModel, Source
from benchmarks.d4rl.models import building
from benchmarks.d4rl.models.dynamics import Dynamics, soft_clamp
from benchmarks.d4rl.networks import StackedMLP, truncated_normal_fan_in
from benchmarks.d4rl.optimisers import StackedAdam, cosine

VERSION = 1
"""Raised whenever a trained model's numbers may change."""

HOLD_OUT, HOLD_OUT_SHARE = 1_000, 0.2
GAIN = 0.01
BOUND_WEIGHT = 0.01


@dataclass(frozen=True)
class DynamicsSettings:
    """How the ensemble is trained. `next_obs` = `shifted` reproduces the defect of D4RL's loader (s' of terminal rows
    is the first state of the next episode). `standardize_targets` and `lr_schedule` = `cosine` are this suite's.
    """

    hidden: tuple[int, ...] = (200, 200, 200, 200)
    ensemble: int = 7
    elites: int = 5
    epochs: int = 40
    lr: float = 1e-3
    batch_size: int = 256
    data_ratio: float = 1.0
    restore_best: bool = True
    next_obs: Literal["true_next", "shifted"] = "true_next"
    standardize_targets: bool = False
    lr_schedule: Literal["constant", "cosine"] = "constant"

    def __post_init__(self) -> None:
        if not 1 <= self.elites <= self.ensemble:
            raise RepriseError(f"dynamics_elites is {self.elites}; give 1 to dynamics_ensemble ({self.ensemble})")
        if not 0.0 < self.data_ratio <= 1.0:
            raise RepriseError(f"dynamics_data_ratio is {self.data_ratio}; give a share in (0, 1]")


def dynamics_model(settings: DynamicsSettings, source: Source) -> FrozenModel:
    """The ensemble of a data set as an artifact."""

    def build(folder: Path, report: Report) -> None:
        model, metrics = train_dynamics(source.open(), settings, report)
        building.save(folder, "dynamics", model.state(), metrics)

    return FrozenModel(building.model_artifact("dynamics", VERSION, source, settings, build), Dynamics.load)


def train_dynamics(
    data: Transitions, settings: DynamicsSettings, report: Report = unheard
) -> tuple[Dynamics, dict[str, Json]]:
    """Train on raw transitions; the frozen ensemble (float32, CPU) and its hold-out errors."""
    with building.training_conditions():
        training = _Training(data, settings)
        for epoch in range(settings.epochs):
            training.epoch(epoch, report)
        return training.finish()


def decay_coefficients(layers: int) -> list[float]:
    """MOPO's weight decay per layer, generalised to any depth: 2.5e-5, 5e-5, 7.5e-5 for the hidden layers, 1e-4 at the
    end.
    """
    hidden = [2.5e-5, 5e-5][: layers - 1] + [7.5e-5] * max(layers - 3, 0)
    return [*hidden, 1e-4]


def targets(data: Transitions, next_obs: str) -> Tensor:
    """(r, s' - s), raw, (N, 1 + O)."""
    following = data.next_observations
    if next_obs == "shifted":
        ends = data.terminals.bool()
        ends[-1] = False
        following = following.clone()
        following[ends] = data.observations[1:][ends[:-1]]
    return torch.cat([data.rewards[:, None], following - data.observations], 1)


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    mean, std = x.double().mean(0), x.double().std(0, correction=0)
    return mean.float(), torch.where(std < 1e-12, torch.ones_like(std), std).float()


class _Training:
    """One ensemble while it trains."""

    def __init__(self, data: Transitions, settings: DynamicsSettings) -> None:
        self.settings = settings
        self.generator = building.model_generator("dynamics", data.hash)
        self.device = building.training_device()
        inputs, outputs = torch.cat([data.observations, data.actions], 1), targets(data, settings.next_obs)
        order = torch.randperm(len(inputs), generator=self.generator)[
            : max(2, round(len(inputs) * settings.data_ratio))
        ]
        held = min(int(HOLD_OUT_SHARE * len(order)), HOLD_OUT)
        hold, rest = order[:held], order[held:]
        self.input_mean, self.input_std = _moments(inputs[rest])
        width = outputs.shape[1]
        self.target_mean, self.target_std = torch.zeros(width), torch.ones(width)
        if settings.standardize_targets:
            self.target_mean, self.target_std = _moments(outputs[rest])
        x, y = (inputs - self.input_mean) / self.input_std, (outputs - self.target_mean) / self.target_std
        self.width_in = x.shape[1]
        table = torch.cat([x, y], 1)
        self.hold, self.table = table[hold].to(self.device), table[rest].to(self.device)
        self._networks(width)

    def _networks(self, width: int) -> None:
        s = self.settings
        sizes = [self.width_in, *s.hidden, 2 * width]
        # One generator for all networks: they belong to one model and are never compared with a lone one.
        seeds = [self.generator] * s.ensemble
        net = StackedMLP(sizes, seeds, activation=silu, hidden_init=truncated_normal_fan_in, bias=0.0)
        self.net = net.to(self.device)
        self.max_log_var = nn.Parameter(torch.full((width,), 0.5, device=self.device))
        self.min_log_var = nn.Parameter(torch.full((width,), -10.0, device=self.device))
        self.adam = StackedAdam([*self.net.parameters(), self.max_log_var, self.min_log_var], [s.lr])
        self.decay = decay_coefficients(len(self.net.weights))
        shape = (s.ensemble, len(self.table))
        self.rows = torch.randint(len(self.table), shape, generator=self.generator)
        self.best = [p.detach().clone() for p in self.net.parameters()]
        self.best_error = torch.full((s.ensemble,), float("inf"), device=self.device)
        self.errors: list[list[float]] = []

    def epoch(self, epoch: int, report: Report = unheard) -> None:
        """Every network passes once over its own resample, freshly shuffled; then the hold-out error decides what is
        kept.
        """
        s, count = self.settings, len(self.table)
        orders = torch.stack([torch.randperm(count, generator=self.generator) for _ in range(s.ensemble)])
        shuffled = self.rows.gather(1, orders).to(self.device)
        batches = shuffled.split(s.batch_size, dim=1)
        steps = s.epochs * len(batches)
        for step, index in enumerate(batches, epoch * len(batches)):
            if s.lr_schedule == "cosine":
                self.adam.set_scale(cosine(step, steps))
            rows = self.table.index_select(0, index.reshape(-1)).view(*index.shape, -1)
            self.adam.step(self.loss(rows))
            report(Progress(step + 1, steps))
        self._keep_best()

    def loss(self, rows: Tensor) -> Tensor:
        """Rows (N, B, in + D) -> the scalar loss summed over networks, with decay and bound terms."""
        x, y = rows[..., : self.width_in], rows[..., self.width_in :]
        mean, log_var = self.net(x).chunk(2, -1)
        log_var = soft_clamp(log_var, self.min_log_var, self.max_log_var)
        fit = ((mean - y).square() * (-log_var).exp() + log_var).mean((1, 2)).sum()
        decay = sum(c * 0.5 * w.square().sum() for c, w in zip(self.decay, self.net.weights, strict=True))
        return fit + decay + BOUND_WEIGHT * (self.max_log_var.sum() - self.min_log_var.sum())

    @torch.no_grad()
    def hold_out_error(self) -> Tensor:
        """Mean squared error of each network's mean on the hold-out rows, (N,)."""
        x, y = self.hold[:, : self.width_in], self.hold[:, self.width_in :]
        mean = self.net(x.expand(self.settings.ensemble, -1, -1)).chunk(2, -1)[0]
        return (mean - y).square().mean((1, 2))

    @torch.no_grad()
    def _keep_best(self) -> None:
        error = self.hold_out_error()
        self.errors.append(building.floats(error))
        gained = error < self.best_error * (1.0 - GAIN)
        self.best_error = torch.where(gained, error, self.best_error)
        for kept, now in zip(self.best, self.net.parameters(), strict=True):
            kept[gained] = now[gained]

    @torch.no_grad()
    def finish(self) -> tuple[Dynamics, dict[str, Json]]:
        """Restore, choose the elites, freeze."""
        if self.settings.restore_best:
            for parameter, kept in zip(self.net.parameters(), self.best, strict=True):
                parameter.copy_(kept)
        error = self.hold_out_error().cpu()
        elites = error.argsort()[: self.settings.elites]
        model = Dynamics(
            weights=[w.detach().cpu() for w in self.net.weights],
            biases=[b.detach().cpu() for b in self.net.biases],
            input_mean=self.input_mean,
            input_std=self.input_std,
            target_mean=self.target_mean,
            target_std=self.target_std,
            min_log_var=self.min_log_var.detach().cpu(),
            max_log_var=self.max_log_var.detach().cpu(),
            elites=elites,
        )
        metrics: dict[str, Json] = {
            "hold_out_mse_by_epoch": self.errors,
            "hold_out_mse": building.floats(error),
            "elites": [int(number) for number in elites],
            "hold_out_r2_of_elites": building.floats(self._r2(elites)),
        }
        return model, metrics

    def _r2(self, elites: Tensor) -> Tensor:
        """Share of hold-out variance that the elites' means explain, per output (reward first)."""
        x, y = self.hold[:, : self.width_in], self.hold[:, self.width_in :]
        mean = self.net(x.expand(self.settings.ensemble, -1, -1)).chunk(2, -1)[0][elites.to(self.device)].mean(0)
        return (1.0 - (mean - y).square().mean(0) / y.var(0, correction=0).clamp_min(1e-12)).cpu()
