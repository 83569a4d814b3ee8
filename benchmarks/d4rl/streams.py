"""Random numbers of training: drawn per run and in blocks of steps, each block from a seed of its own.

A block depends on (purpose, task, seed, block number) alone. So a run draws the same numbers alone or in a stack, on any
device, and a run resumed at any step goes on as if it had never stopped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from benchmarks.base import stream_seed
from benchmarks.d4rl.method import Draw

BLOCK = 32
"""Steps drawn at once. Part of the definition: another value gives other numbers."""


class Stream:
    """Named random tensors for each step of a stack.

    `at(step)` (0-based) gives name -> (S, *shape). Blocks are drawn on the CPU and moved to `device`.
    """

    def __init__(
        self,
        purpose: str,
        task: str,
        seeds: Sequence[int],
        draws: Mapping[str, Draw],
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
    ) -> None:
        self.purpose, self.task, self.seeds, self.draws = purpose, task, list(seeds), dict(draws)
        self.dtype, self.device = dtype, device or torch.device("cpu")
        self._number = -1
        self._block: dict[str, Tensor] = {}

    def at(self, step: int) -> dict[str, Tensor]:
        number, offset = divmod(step, BLOCK)
        if number != self._number and self.draws:
            self._block, self._number = self._draw(number), number
        return {name: block[offset] for name, block in self._block.items()}

    def _draw(self, number: int) -> dict[str, Tensor]:
        blocks: dict[str, Tensor] = {}
        for slot, seed in enumerate(self.seeds):
            generator = torch.Generator().manual_seed(stream_seed(self.purpose, self.task, seed, number))
            for name, draw in self.draws.items():
                values = _values(draw, generator, self.dtype)
                if name not in blocks:
                    blocks[name] = values.new_empty((BLOCK, len(self.seeds), *draw.shape))
                blocks[name][:, slot] = values
        return {name: block.to(self.device) for name, block in blocks.items()}


def _values(draw: Draw, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    shape = (BLOCK, *draw.shape)
    if draw.kind == "normal":
        return torch.randn(shape, generator=generator, dtype=dtype)
    if draw.kind == "uniform":
        return torch.rand(shape, generator=generator, dtype=dtype)
    if draw.kind == "integers":
        return torch.randint(draw.high, shape, generator=generator)
    raise ValueError(f"unknown kind of draw: {draw.kind}")
