"""An ensemble of Gaussian networks of (r, s' - s) given (s, a): what it predicts and how a frozen one is asked.

Source: MOPO (Yu et al. 2020) and its code; methods specification 1.2. Shapes: S runs, R rows, N networks, E elites, O
and A dimensions of raw observations and actions, D = 1 + O outputs (reward first).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import silu, softplus

from benchmarks.d4rl.models import building

Sample = Literal["elite_sample", "mean"]
Penalty = Literal["max_std", "disagreement"]


def soft_clamp(log_var: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Log-variances pressed smoothly between learned bounds; the second clamp lifts the top slightly above `high`."""
    log_var = high - softplus(high - log_var)
    return low + softplus(log_var - low)


class Imagined(NamedTuple):
    """One imagined step: reward (S, R), raw next observation (S, R, O), model uncertainty (S, R) where it was asked
    for.
    """

    rewards: Tensor
    next_states: Tensor
    uncertainty: Tensor | None


@dataclass(frozen=True)
class Dynamics:
    """A trained ensemble. Inputs are standardised inside; states go in and come out raw.

    `weights[l]` (N, in, out) and `biases[l]` (N, 1, out), swish between; `elites` (E,) are network numbers, best first.
    """

    weights: Sequence[Tensor]
    biases: Sequence[Tensor]
    input_mean: Tensor
    input_std: Tensor
    target_mean: Tensor
    target_std: Tensor
    min_log_var: Tensor
    max_log_var: Tensor
    elites: Tensor
    _elite_layers: tuple[list[Tensor], list[Tensor]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        layers = ([w[self.elites] for w in self.weights], [b[self.elites] for b in self.biases])
        object.__setattr__(self, "_elite_layers", layers)

    def to(self, dtype: torch.dtype, device: torch.device) -> Dynamics:
        """The same ensemble in another precision or on another device."""
        state = {name: building.moved(value, dtype, device) for name, value in self.state().items()}
        return Dynamics(**state)

    def state(self) -> dict[str, Any]:
        """Tensors by name; `Dynamics(**state)` is the inverse."""
        return {
            "weights": list(self.weights),
            "biases": list(self.biases),
            "input_mean": self.input_mean,
            "input_std": self.input_std,
            "target_mean": self.target_mean,
            "target_std": self.target_std,
            "min_log_var": self.min_log_var,
            "max_log_var": self.max_log_var,
            "elites": self.elites,
        }

    @classmethod
    def load(cls, folder: Path) -> Dynamics:
        """Read a built artifact."""
        state: Mapping[str, Any] = building.load(folder, "dynamics")
        return cls(**state)

    # -- predictions ---------------------------------------------------------------------------------------------------

    def predict(self, states: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of (r, s' - s) by every network: (R, O), (R, A) -> (N, R, D) each, in raw units."""
        x = self._inputs(states, actions).expand(len(self.weights[0]), -1, -1)
        mean, std = self._heads(self.weights, self.biases, x)
        return mean * self.target_std + self.target_mean, std * self.target_std

    @torch.no_grad()
    def imagine(
        self,
        states: Tensor,
        actions: Tensor,
        shift: Tensor,
        noise: Tensor,
        sample: Sample = "elite_sample",
        penalty: Penalty | None = None,
    ) -> Imagined:
        """One step from raw states (S, R, O) with actions (S, R, A).

        `elite_sample`: row i of run s asks elite (i + shift[s]) mod E and samples its Gaussian with `noise` (S, R, D)
        standard normal. With `shift` (S,) uniform in [0, E) each row's elite is uniform over the elites; only how many
        rows an elite gets in a batch is evened out, and rows of a batch are in random order. So one network per row is
        evaluated, in one batched product. `mean` averages the elites' means and needs neither.

        `penalty` asks for the uncertainty over all N networks (which all rows then pass): `max_std`, MOPO's, is the
        largest L2 norm of a predicted standard deviation; `disagreement` the largest L2 distance of a mean from the
        ensemble's mean.
        """
        runs, rows, _ = states.shape
        if penalty is None and sample == "elite_sample":
            mean, std = self._dealt(self._inputs(states, actions), shift)
            chosen, uncertainty = torch.addcmul(mean, std, noise) * self.target_std + self.target_mean, None
        else:
            flat = self.predict(states.reshape(runs * rows, -1), actions.reshape(runs * rows, -1))
            means, stds = (t.view(-1, runs, rows, t.shape[-1]) for t in flat)
            uncertainty = _uncertainty(means, stds, penalty)
            if sample == "mean":
                chosen = means[self.elites].mean(0)
            else:
                chosen = self._of_row(means, shift) + self._of_row(stds, shift) * noise
        return Imagined(chosen[..., 0], states + chosen[..., 1:], uncertainty)

    def _inputs(self, states: Tensor, actions: Tensor) -> Tensor:
        return (torch.cat([states, actions], -1) - self.input_mean) / self.input_std

    def _heads(self, weights: Sequence[Tensor], biases: Sequence[Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation in the units of the targets: (N, R, O + A) -> (N, R, D) each."""
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            x = silu(torch.baddbmm(bias, x, weight), inplace=True)
        mean, log_var = torch.baddbmm(biases[-1], x, weights[-1]).chunk(2, -1)
        return mean, (0.5 * soft_clamp(log_var, self.min_log_var, self.max_log_var)).exp()

    def _dealt(self, x: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
        """Rows (S, R, O + A) dealt to the elites by shifted position: mean and standard deviation (S, R, D) each."""
        runs, rows, width = x.shape
        elites = len(self.elites)
        row_at, place_of = (table[shift][..., None] for table in _deal(rows, elites, x.device))
        dealt = x.gather(1, row_at.expand(-1, -1, width))
        dealt = dealt.view(runs, -1, elites, width).permute(2, 0, 1, 3).reshape(elites, -1, width)
        mean, std = self._heads(*self._elite_layers, dealt)
        both = torch.cat([mean, std], -1).view(elites, runs, -1, 2 * mean.shape[-1])
        both = both.permute(1, 2, 0, 3).reshape(runs, -1, both.shape[-1])
        mean, std = both.gather(1, place_of.expand(-1, -1, both.shape[-1])).chunk(2, -1)
        return mean, std

    def _of_row(self, values: Tensor, shift: Tensor) -> Tensor:
        """Each row's elite among all networks' values: (N, S, R, D) -> (S, R, D)."""
        _, runs, rows, _ = values.shape
        run, row = torch.arange(runs, device=shift.device)[:, None], torch.arange(rows, device=shift.device)
        return values[self.elites[(row + shift[:, None]) % len(self.elites)], run, row]


@cache
def _deal(rows: int, elites: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """For every shift: the row at each place, and each row's place; place p belongs to elite p mod E.

    There are enough places for every shift; those left over repeat a row at the edge and are not read.
    """
    places = -(-(rows + elites - 1) // elites) * elites
    shift = torch.arange(elites, device=device)[:, None]
    row_at = (torch.arange(places, device=device) - shift).clamp(0, rows - 1)
    return row_at, torch.arange(rows, device=device) + shift


def _uncertainty(means: Tensor, stds: Tensor, penalty: Penalty | None) -> Tensor | None:
    """(N, S, R, D) each -> (S, R)."""
    if penalty == "max_std":
        return stds.norm(dim=-1).amax(0)
    if penalty == "disagreement":
        return (means - means.mean(0)).norm(dim=-1).amax(0)
    return None
