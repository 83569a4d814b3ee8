"""Losses of a training as curves: means over so many iterations."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.base import Point


class LossCurves:
    """Sums losses and gives a point of each now and then. `sums` is what a checkpoint must keep of it."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.sums: dict[str, float] = {}

    def add(self, done: int, losses: Mapping[str, float]) -> list[Point]:
        """Take the losses of the iteration that makes `done`; the points that are due."""
        for name, value in losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        if done % self.every:
            return []
        points = [Point(name, done, total / self.every) for name, total in self.sums.items()]
        self.sums = {}
        return points
