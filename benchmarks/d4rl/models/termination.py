"""Where an imagined step ends: one rule per environment, on raw observations.

Sources: MOPO's termination functions; methods specification 1.2. MOPO's hopper rule takes the absolute value of a
comparison and so misses values at or below -100; here the bound holds on both sides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from benchmarks.base import unknown

Rule = Callable[[Tensor], Tensor]
"""Next observations (..., O), raw -> done (...), bool."""

_RULES: dict[str, Rule] = {}


def register_termination(environment: str, rule: Rule) -> None:
    """Make the rule of an environment known; a later registration replaces an earlier one."""
    _RULES[environment] = rule


def termination(environment: str) -> Rule:
    """The rule of an environment; raises RepriseError with the nearest name where nobody registered one."""
    try:
        return _RULES[environment]
    except KeyError:
        where = "termination of imagined steps (register_termination adds one; use_termination_fn=false needs none)"
        raise unknown("environment", environment, _RULES, where) from None


def never(observations: Tensor) -> Tensor:
    """No step ends the episode."""
    return torch.zeros(observations.shape[:-1], dtype=torch.bool, device=observations.device)


class Box:
    """Done unless low < o < high in every bounded dimension, which NaN and infinities never are.

    `low` and `high` bound the first dimensions; `rest` bounds all others on both sides (None: not at all).
    """

    def __init__(self, low: Sequence[float], high: Sequence[float], rest: float | None = None) -> None:
        self.low, self.high, self.rest = list(low), list(high), rest
        self._bounds: dict[tuple[int, torch.dtype, torch.device], tuple[Tensor, Tensor]] = {}

    def __call__(self, observations: Tensor) -> Tensor:
        if self.rest is None:
            observations = observations[..., : len(self.low)]
        low, high = self._bounds_for(observations)
        return ((observations > low) & (observations < high)).all(-1).logical_not()

    def _bounds_for(self, o: Tensor) -> tuple[Tensor, Tensor]:
        """Bounds on the device of the observations: made once, so that a step copies nothing to it."""
        key = (o.shape[-1], o.dtype, o.device)
        if key not in self._bounds:
            others = [self.rest or 0.0] * (o.shape[-1] - len(self.low))
            low = torch.tensor([*self.low, *(-bound for bound in others)], dtype=o.dtype, device=o.device)
            self._bounds[key] = low, torch.tensor([*self.high, *others], dtype=o.dtype, device=o.device)
        return self._bounds[key]


HOPPER = Box(low=(0.7, -0.2), high=(math.inf, 0.2), rest=100.0)
"""Done unless all finite, |o[1:]| < 100, o[0] > 0.7 and |o[1]| < 0.2."""

WALKER2D = Box(low=(0.8, -1.0), high=(2.0, 1.0))
"""Done unless 0.8 < o[0] < 2.0 and |o[1]| < 1.0."""

register_termination("hopper", HOPPER)
register_termination("walker2d", WALKER2D)
for _name in ("halfcheetah", "maze2d", "pen", "door", "hammer", "relocate"):
    register_termination(_name, never)
