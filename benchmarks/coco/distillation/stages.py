"""Training in stages: which teacher when, how long, and what is kept from one stage to the next."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from benchmarks.base import RepriseError


class Stage(NamedTuple):
    """One stage. teacher None is the pair's own; stages divide a run's budget in proportion to `epochs`.

    gain lifts the score of positions inside objects (1: not at all; inf: these first).
    """

    teacher: str | None = None
    epochs: float = 1.0
    gain: float = 1.0


def check_stages(stages: Sequence[Stage]) -> None:
    """Raise RepriseError for no stage, a length that is not positive and finite, or a gain that is not above 0."""
    if not stages:
        raise RepriseError("stages is empty; give at least one stage")
    for place, stage in enumerate(stages):
        if not (math.isfinite(stage.epochs) and stage.epochs > 0.0):
            raise RepriseError(f"stages.{place}: epochs is {stage.epochs}; give a finite number above 0")
        if not stage.gain > 0.0:
            raise RepriseError(f"stages.{place}: gain is {stage.gain}; give a number above 0 (inf is allowed)")


def stage_ends(stages: Sequence[Stage], iterations: int) -> list[int]:
    """The iteration at which each stage ends (exclusive); the last is `iterations`.

    Raises RepriseError where a stage would be left without an iteration.
    """
    total = math.fsum(stage.epochs for stage in stages)
    ends = [
        math.floor(iterations * math.fsum(stage.epochs for stage in stages[: place + 1]) / total + 0.5)
        for place in range(len(stages))
    ]
    for place, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
        if end <= start:
            raise RepriseError(f"stages.{place} gets none of the {iterations} iterations; train longer or drop it")
    return ends


def stage_of(ends: Sequence[int], iteration: int) -> tuple[int, float]:
    """The stage (from 0) of an iteration and how far it has come: 0 at its first iteration, 1 at its last."""
    stage = next((place for place, end in enumerate(ends) if iteration < end), None)
    if stage is None or iteration < 0:
        raise RepriseError(f"iteration {iteration} lies outside the run, which has {ends[-1]}")
    start = ends[stage - 1] if stage else 0
    last = ends[stage] - 1 - start
    return stage, (iteration - start) / last if last else 1.0


@torch.no_grad()
def carry_over(old: nn.Module, new: nn.Module) -> list[str]:
    """Copy into a new level every part whose tensors have the shapes of the old one's; return the parts left as built.

    A part is a direct child (adapter, generator, fusion weights): where the new teacher has other channels, parts that depend
    on them are new as a whole.
    """
    left = []
    parts = dict(old.named_children())
    for name, part in new.named_children():
        state = part.state_dict()
        known = parts[name].state_dict() if name in parts else {}
        if state and {k: v.shape for k, v in state.items()} != {k: v.shape for k, v in known.items()}:
            left.append(name)
        elif state:
            part.load_state_dict(known)
    return left
