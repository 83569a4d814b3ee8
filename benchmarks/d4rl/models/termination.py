"""Where an imagined step ends: one rule per environment, on raw observations.

Sources: MOPO's termination functions; methods specification 1.2. MOPO's hopper rule takes the absolute value of a comparison
and so misses values at or below -100; here the bound holds on both sides.
"""

from __future__ import annotations

from collections.abc import Callable

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


def hopper(observations: Tensor) -> Tensor:
    """Done unless all finite, |o[1:]| < 100, o[0] > 0.7 and |o[1]| < 0.2."""
    inside = observations.isfinite().all(-1) & (observations[..., 1:].abs() < 100.0).all(-1)
    return ~(inside & (observations[..., 0] > 0.7) & (observations[..., 1].abs() < 0.2))


def walker2d(observations: Tensor) -> Tensor:
    """Done unless 0.8 < o[0] < 2.0 and |o[1]| < 1.0."""
    height = observations[..., 0]
    return ~((height > 0.8) & (height < 2.0) & (observations[..., 1].abs() < 1.0))


register_termination("hopper", hopper)
register_termination("walker2d", walker2d)
for _name in ("halfcheetah", "maze2d", "pen", "door", "hammer", "relocate"):
    register_termination(_name, never)
