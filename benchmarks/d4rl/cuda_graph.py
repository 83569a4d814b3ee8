"""One stacked update as one CUDA graph. On the CPU the update simply runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Mapping

import torch
from torch import Tensor

from benchmarks.base import RepriseError
from benchmarks.d4rl.method import Batch, StackedMethod

WARMUP_STEPS = 3
MODES = ("auto", "on", "off")


def graph_mode() -> str:
    """`REPRISE_CUDA_GRAPH`: `auto` (capture on CUDA; the default), `on` (CUDA or an error) or `off`."""
    mode = os.environ.get("REPRISE_CUDA_GRAPH", "auto")
    if mode not in MODES:
        raise RepriseError(f"REPRISE_CUDA_GRAPH is '{mode}'; set it to one of {', '.join(MODES)}")
    if mode == "on" and not torch.cuda.is_available():
        raise RepriseError("REPRISE_CUDA_GRAPH is 'on' but there is no CUDA device; set it to 'auto'")
    return mode


class Updater:
    """Runs `method.update`; on CUDA replays it from a graph captured once per phase (the value of `method.begin_step`).

    The first steps of a phase run eagerly, as capture demands. Steps that log run eagerly too, since they compute more.
    """

    def __init__(self, method: StackedMethod, batch_of: Callable[[Tensor], Batch]) -> None:
        self.method, self.batch_of = method, batch_of
        self.graphed = method.problem.device.type == "cuda" and graph_mode() != "off"
        self._eager_steps: dict[Hashable, int] = {}
        self._graphs: dict[Hashable, torch.cuda.CUDAGraph] = {}
        self._inputs: tuple[Tensor, dict[str, Tensor]] | None = None

    def update(self, index: Tensor, noise: Mapping[str, Tensor], phase: Hashable) -> dict[str, Tensor]:
        """One update on the rows `index` (S, B); the scalars it returned (empty from a graph)."""
        if not self.graphed or self.method.log:
            return self.method.update(self.batch_of(index), noise)
        self._copy_inputs(index, noise)
        if phase in self._graphs:
            self._graphs[phase].replay()
            return {}
        taken = self._eager_steps.get(phase, 0)
        if taken < WARMUP_STEPS:
            self._eager_steps[phase] = taken + 1
            return self._on_side_stream()
        self._capture(phase)
        self._graphs[phase].replay()
        return {}

    def _copy_inputs(self, index: Tensor, noise: Mapping[str, Tensor]) -> None:
        if self._inputs is None:
            self._inputs = (index.clone(), {name: value.clone() for name, value in noise.items()})
            return
        self._inputs[0].copy_(index)
        for name, value in noise.items():
            self._inputs[1][name].copy_(value)

    def _run(self) -> dict[str, Tensor]:
        assert self._inputs is not None
        return self.method.update(self.batch_of(self._inputs[0]), self._inputs[1])

    def _on_side_stream(self) -> dict[str, Tensor]:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            result = self._run()
        torch.cuda.current_stream().wait_stream(stream)
        return result

    def _capture(self, phase: Hashable) -> None:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._run()
        self._graphs[phase] = graph
