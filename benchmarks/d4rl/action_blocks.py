"""Gradients of a loss over Q of many actions per state, in blocks of states whose activations stay in the processor's cache.

The activations of 31 actions for each of 256 states are 80 MB per layer at published size. Written to memory and read back
they cost as much as the matrix products; and fresh memory of that size costs page faults on top. So the states are worked
through in blocks, forward and backward, in buffers that are kept, and the weights' gradients add up. A GPU takes one block.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.d4rl.networks import StackedCritics

BLOCK_BYTES = 5_000_000
"""Size of one layer's activations in a block (all slices); measured on cores with 2 MiB of second-level cache."""

Loss = Callable[[Tensor, slice], Tensor]
"""(Q (S, C, M, b), the block's rows) -> the block's share of the loss, a scalar that already sums over runs."""


class ActionBlocks:
    """Works on one stack of critics (ReLU, any depth); keeps its buffers between steps."""

    def __init__(self, critics: StackedCritics, block_bytes: int = BLOCK_BYTES) -> None:
        self.critics, self.block_bytes = critics, block_bytes
        self._kept: dict[tuple[str, tuple[int, ...]], Tensor] = {}

    @torch.no_grad()
    def gradients(self, states: Tensor, actions: Tensor, loss: Loss) -> list[Tensor]:
        """Gradients of the summed loss in the order of `critics.parameters()`: states (S, B, O), actions (S, M, B, A).

        The tensors returned are overwritten by the next call.
        """
        net, parameters = self.critics.net, list(self.critics.parameters())
        total = [self._buffer(f"gradient{i}", tuple(p.shape)).zero_() for i, p in enumerate(parameters)]
        depth = len(net.weights)
        rows = states.shape[1]
        step = self._states_per_block(rows, actions.shape[1])
        for start in range(0, rows, step):
            block = slice(start, min(start + step, rows))
            inputs = self.critics.per_critic(states[:, block]), self._actions(actions[:, :, block])
            hidden, q = self._forward(*inputs)
            with torch.enable_grad():
                values = q.view(len(states), self.critics.count, actions.shape[1], -1).requires_grad_()
                (slope,) = torch.autograd.grad(loss(values, block), values)
            self._backward(*inputs, hidden, slope.view_as(q), total[:depth], total[depth:])
        return total

    def _states_per_block(self, rows: int, actions: int) -> int:
        weight = self.critics.net.weights[0]
        if weight.device.type != "cpu":
            return rows
        per_state = weight.shape[0] * actions * weight.shape[-1] * weight.element_size()
        return max(1, min(rows, self.block_bytes // per_state))

    def _buffer(self, name: str, shape: tuple[int, ...]) -> Tensor:
        if (name, shape) not in self._kept:
            self._kept[name, shape] = self.critics.net.weights[0].new_empty(shape)
        return self._kept[name, shape]

    def _actions(self, actions: Tensor) -> Tensor:
        """(S, M, b, A) -> (S*C, M*b, A)."""
        runs, many, rows, width = actions.shape
        copy = self._buffer("actions", (runs, self.critics.count, many, rows, width))
        return copy.copy_(actions[:, None]).view(runs * self.critics.count, many * rows, width)

    def _forward(self, states: Tensor, actions: Tensor) -> tuple[list[Tensor], Tensor]:
        """Hidden activations after ReLU, each (S*C, M*b, width), and Q (S*C, M*b, 1)."""
        weights, biases = self.critics.net.layers(frozen=True)
        size, (slices, rows) = self.critics.observation_dim, actions.shape[:2]
        of_state = torch.baddbmm(biases[0], states, weights[0][:, :size])
        z = torch.bmm(actions, weights[0][:, size:], out=self._buffer("hidden0", (slices, rows, of_state.shape[-1])))
        z.view(slices, -1, *of_state.shape[1:]).add_(of_state[:, None])
        hidden = [z.relu_()]
        for index in range(1, len(weights) - 1):
            out = self._buffer(f"hidden{index}", (slices, rows, weights[index].shape[-1]))
            hidden.append(torch.bmm(hidden[-1], weights[index], out=out).add_(biases[index]).relu_())
        return hidden, torch.bmm(hidden[-1], weights[-1]).add_(biases[-1])

    def _backward(
        self,
        states: Tensor,
        actions: Tensor,
        hidden: list[Tensor],
        slope: Tensor,
        into: list[Tensor],
        biases: list[Tensor],
    ) -> None:
        """Add a block's gradients to `into` (weights) and `biases`, from dL/dQ (S*C, M*b, 1).

        The gradient below a layer overwrites the activation above it where it fits: nothing needs that any more, and less
        cache is touched.
        """
        weights, size = self.critics.net.layers(frozen=True)[0], self.critics.observation_dim
        into[-1].baddbmm_(hidden[-1].transpose(1, 2), slope)
        biases[-1] += slope.sum(1, keepdim=True)
        grad = torch.mul(slope, weights[-1].transpose(1, 2), out=self._buffer("slope", tuple(hidden[-1].shape)))
        for index in reversed(range(len(hidden))):
            torch.ops.aten.threshold_backward.grad_input(grad, hidden[index], 0, grad_input=grad)
            if index == 0:
                break
            into[index].baddbmm_(hidden[index - 1].transpose(1, 2), grad)
            biases[index] += grad.sum(1, keepdim=True)
            above, shape = hidden[index], hidden[index - 1].shape
            out = above if above.shape == shape else self._buffer(f"slope{index}", tuple(shape))
            grad = torch.bmm(grad, weights[index].transpose(1, 2), out=out)
        into[0][:, size:].baddbmm_(actions.transpose(1, 2), grad)
        of_state = grad.view(len(grad), -1, states.shape[1], grad.shape[-1]).sum(1)
        into[0][:, :size].baddbmm_(states.transpose(1, 2), of_state)
        biases[0] += of_state.sum(1, keepdim=True)
