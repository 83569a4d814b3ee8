"""Networks with a leading axis S: every slice is an independent network, every layer one batched matrix product.

Shapes: S stacked runs, C critics per run, B rows, O observation and A action dimensions, M actions per state.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

ModuleT = TypeVar("ModuleT", bound=nn.Module)

Initialiser = Callable[[Tensor, torch.Generator], None]
"""Fills one (out, in) weight matrix from a generator."""

LOG_2 = math.log(2.0)
HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


def generators(seeds: Sequence[int]) -> list[torch.Generator]:
    """One CPU generator per seed."""
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def uniform_fan_in(weight: Tensor, generator: torch.Generator) -> None:
    """PyTorch's default for `nn.Linear` weights: uniform within 1/sqrt(fan_in)."""
    bound = 1.0 / math.sqrt(weight.shape[1])
    weight.uniform_(-bound, bound, generator=generator)


def orthogonal(gain: float) -> Initialiser:
    """Orthogonal rows or columns, scaled."""

    def fill(weight: Tensor, generator: torch.Generator) -> None:
        nn.init.orthogonal_(weight, gain, generator=generator)

    return fill


def xavier_uniform(gain: float) -> Initialiser:
    """Xavier's uniform, scaled."""

    def fill(weight: Tensor, generator: torch.Generator) -> None:
        nn.init.xavier_uniform_(weight, gain, generator=generator)

    return fill


def truncated_normal_fan_in(weight: Tensor, generator: torch.Generator) -> None:
    """MOPO's dynamics model: normal with std 1/(2 sqrt(fan_in)), truncated at two standard deviations."""
    std = 1.0 / (2.0 * math.sqrt(weight.shape[1]))
    nn.init.trunc_normal_(weight, 0.0, std, -2.0 * std, 2.0 * std, generator=generator)


class _ReluTail(torch.autograd.Function):
    """Everything after the first affine map of a ReLU network, with the backward pass written out.

    Autograd's own backward hands column-major gradients to ReLU's, which then runs 25 times slower; here every gradient is
    contiguous and masked in place. Inputs: z (N, B, width), then weight and bias of each further layer.
    """

    @staticmethod
    def forward(ctx: Any, z: Tensor, *layers: Tensor) -> Tensor:
        # In place: z belongs to the tail, nobody else holds it, and a fresh tensor costs more than the maximum.
        hidden = [z.relu_()]
        for index in range(0, len(layers), 2):
            z = torch.baddbmm(layers[index + 1], hidden[-1], layers[index])
            if index < len(layers) - 2:
                hidden.append(z.relu_())
        ctx.save_for_backward(*hidden, *layers[::2])
        return z

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors  # unpacked once: every access costs
        depth = len(saved) // 2
        hidden, weights = saved[:depth], saved[depth:]
        grads: list[Tensor | None] = [None] * (2 * depth)
        grad = grad.contiguous()
        for index in reversed(range(depth)):
            if ctx.needs_input_grad[1 + 2 * index]:
                grads[2 * index] = torch.bmm(hidden[index].transpose(1, 2), grad)
                grads[2 * index + 1] = grad.sum(1, keepdim=True)
            if index > 0 or ctx.needs_input_grad[0]:
                back = weights[index].transpose(1, 2)
                grad = grad * back if back.shape[1] == 1 else torch.bmm(grad, back)
                torch.ops.aten.threshold_backward.grad_input(grad, hidden[index], 0, grad_input=grad)
        return (grad if ctx.needs_input_grad[0] else None, *grads)


class StackedMLP(nn.Module):
    """N independent multilayer perceptrons, one per generator.

    `sizes` lists widths from input to output. `hidden_init` and `last_init` fill the weights; biases start uniform within
    1/sqrt(fan_in) when `bias` is None (PyTorch's default), else at that constant. Slice k draws from generator k alone, layer
    by layer (weight, then bias), so it does not depend on its neighbours.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        seeds: Sequence[torch.Generator],
        *,
        activation: Callable[[Tensor], Tensor] = torch.relu,
        hidden_init: Initialiser = uniform_fan_in,
        last_init: Initialiser | None = None,
        bias: float | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.activation, self.dropout = activation, dropout
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        layers = list(pairwise(sizes))
        for index, (fan_in, fan_out) in enumerate(layers):
            fill = last_init if last_init is not None and index == len(layers) - 1 else hidden_init
            slices = [self._slice(fan_in, fan_out, fill, bias, generator) for generator in seeds]
            self.weights.append(nn.Parameter(torch.stack([weight.t() for weight, _ in slices]).contiguous()))
            self.biases.append(nn.Parameter(torch.stack([b for _, b in slices])[:, None]))
        self._plain = list(self.weights), list(self.biases)  # ParameterList spends microseconds on every access

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> StackedMLP:
        super()._apply(fn, recurse)
        self._plain = list(self.weights), list(self.biases)
        return self

    @staticmethod
    def _slice(
        fan_in: int, fan_out: int, fill: Initialiser, bias: float | None, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        weight, vector = torch.empty(fan_out, fan_in), torch.empty(fan_out)
        with torch.no_grad():
            fill(weight, generator)
            if bias is None:
                bound = 1.0 / math.sqrt(fan_in)
                vector.uniform_(-bound, bound, generator=generator)
            else:
                vector.fill_(bias)
        return weight, vector

    def forward(self, x: Tensor, masks: Sequence[Tensor] | None = None, frozen: bool = False) -> Tensor:
        """x (N, B, in) -> (N, B, out).

        `masks` are dropout masks (N, B, width), already scaled, one per hidden layer. `frozen` lets gradients pass to x only.
        """
        weights, biases = self.layers(frozen)
        return self.tail(torch.baddbmm(biases[0], x, weights[0]), masks, frozen)

    def layers(self, frozen: bool = False) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        """Weights (N, in, out) and biases (N, 1, out), without gradients where frozen."""
        weights, biases = self._plain
        if frozen:
            return [w.detach() for w in weights], [b.detach() for b in biases]
        return weights, biases

    def tail(self, z: Tensor, masks: Sequence[Tensor] | None = None, frozen: bool = False) -> Tensor:
        """The rest of the network after the first layer's affine map: z (N, B, width), overwritten -> (N, B, out)."""
        weights, biases = self.layers(frozen)
        if self.activation is torch.relu and masks is None:
            if not torch.is_grad_enabled():  # two buffers in turn, which stay in the cache
                for weight, bias in zip(weights[1:], biases[1:], strict=True):
                    z = torch.baddbmm(bias, z.relu_(), weight)
                return z
            pairs = [part for pair in zip(weights[1:], biases[1:], strict=True) for part in pair]
            return _ReluTail.apply(z, *pairs)
        for index in range(1, len(weights)):
            z = self.activation(z)
            if masks is not None:
                z = z * masks[index - 1]
            z = torch.baddbmm(biases[index], z, weights[index])
        return z


class StackedCritics(nn.Module):
    """C critics for each of S runs: (S, B, O), (S, B, A) -> (S, C, B); slice s*C + c of the weights is critic c of run s."""

    def __init__(
        self,
        observation_dim: int,
        action_dim: int,
        hidden: Sequence[int],
        seeds: Sequence[torch.Generator],
        count: int = 2,
        **init: object,
    ) -> None:
        super().__init__()
        self.count, self.observation_dim = count, observation_dim
        per_critic = [generator for generator in seeds for _ in range(count)]
        self.net = StackedMLP([observation_dim + action_dim, *hidden, 1], per_critic, **init)  # type: ignore[arg-type]

    def per_critic(self, x: Tensor) -> Tensor:
        """Repeat (S, ...) for every critic: (S*C, ...)."""
        return x[:, None].expand(-1, self.count, *x.shape[1:]).reshape(-1, *x.shape[1:])

    def forward(self, states: Tensor, actions: Tensor, frozen: bool = False) -> Tensor:
        """Q values (S, C, B). `frozen` lets gradients pass to the inputs only (the actor's loss)."""
        x = self.per_critic(torch.cat([states, actions], -1))
        return self.net(x, frozen=frozen).view(-1, self.count, x.shape[1])

    def first(self, states: Tensor, actions: Tensor) -> Tensor:
        """Q (S, B) of each run's first critic alone; gradients pass to the inputs only."""
        weights, biases = self.net.layers(frozen=True)
        z = torch.baddbmm(biases[0][:: self.count], torch.cat([states, actions], -1), weights[0][:: self.count])
        rest = [part[:: self.count] for pair in zip(weights[1:], biases[1:], strict=True) for part in pair]
        return _ReluTail.apply(z, *rest)[..., 0]

    def many(self, states: Tensor, actions: Tensor) -> Tensor:
        """Q of several actions per state: (S, B, O), (S, M, B, A) -> (S, C, M, B).

        The first layer's product with the state is computed once per state and shared by its M actions.
        """
        runs, count, rows, width = actions.shape
        weights, biases = self.net.layers()
        first = weights[0]
        of_state = torch.baddbmm(biases[0], self.per_critic(states), first[:, : self.observation_dim])
        flat = self.per_critic(actions.reshape(runs, count * rows, width))
        of_action = torch.bmm(flat, first[:, self.observation_dim :])
        z = of_action.view(-1, count, rows, of_state.shape[-1]).add_(of_state[:, None])
        values = self.net.tail(z.view(-1, count * rows, of_state.shape[-1]))
        return values.view(runs, self.count, count, rows)


@torch.no_grad()
def copy_of(module: ModuleT, build: Callable[[], ModuleT]) -> ModuleT:
    """A target network: the same weights exactly, no gradients."""
    target = build()
    target.load_state_dict(module.state_dict())
    return target.requires_grad_(False)


class _Squash(torch.autograd.Function):
    """A tanh-Gaussian sample and its log-density, with the derivatives written out: twenty small nodes become one.

    d log pi / dx = 2 tanh(x), and d log pi / d log_std = 2 tanh(x) std noise - 1.
    """

    @staticmethod
    def forward(ctx: Any, mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        spread = log_std.exp() * noise
        x = mean + spread
        action = torch.tanh(x)
        ctx.save_for_backward(action, spread)
        ctx.shapes = mean.shape, log_std.shape
        # The correction log(1 - tanh(x)^2) as 2 (log 2 - x - softplus(-2x)), which is stable.
        density = (x + nn.functional.softplus(-2.0 * x)).mul_(2.0).sub_(log_std).addcmul_(noise, noise, value=-0.5)
        return action, density.sum(-1).sub_(x.shape[-1] * (HALF_LOG_2PI + 2.0 * LOG_2))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_action: Tensor, of_density: Tensor) -> tuple[Tensor, Tensor, None]:
        action, spread = ctx.saved_tensors
        of_density = of_density[..., None]
        of_x = torch.addcmul(of_action, action, 2.0 * of_density - of_action * action)
        return of_x.sum_to_size(ctx.shapes[0]), (of_x * spread - of_density).sum_to_size(ctx.shapes[1]), None


def squash(mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """A tanh-Gaussian sample and its log-density: (..., A) each, broadcast -> action (..., A), log pi (...).

    log pi = sum_i [log N(x_i) - log(1 - tanh(x_i)^2)]. Differentiable once, in mean and log_std.
    """
    action, log_pi = _Squash.apply(mean, log_std, noise)
    return action, log_pi


def tanh_gaussian_log_density(mean: Tensor, log_std: Tensor, actions: Tensor, limit: float = 1.0 - 1e-3) -> Tensor:
    """log pi(a | s) of given actions (..., A), which are first clipped to +-limit (where the inverse of tanh is finite)."""
    x = torch.atanh(actions.clamp(-limit, limit))
    log_normal = -0.5 * ((x - mean) / log_std.exp()).square() - log_std - HALF_LOG_2PI
    return (log_normal - 2.0 * (LOG_2 - x - nn.functional.softplus(-2.0 * x))).sum(-1)


class TanhGaussianActor(nn.Module):
    """The SAC actor: MLP -> (mean, log_std), log_std clipped, a = tanh(mean + std * noise); acts with tanh(mean)."""

    def __init__(
        self,
        observation_dim: int,
        action_dim: int,
        hidden: Sequence[int],
        seeds: Sequence[torch.Generator],
        log_std_min: float,
        log_std_max: float,
        **init: object,
    ) -> None:
        super().__init__()
        self.net = StackedMLP([observation_dim, *hidden, 2 * action_dim], seeds, **init)  # type: ignore[arg-type]
        self.log_std_min, self.log_std_max = log_std_min, log_std_max

    def forward(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """(S, B, O) -> mean (S, B, A) before the tanh and clipped log_std (S, B, A)."""
        mean, log_std = self.net(states).chunk(2, -1)
        return mean, log_std.clamp(self.log_std_min, self.log_std_max)

    def sample(self, states: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Action (S, B, A) and log pi (S, B) from standard normal noise (S, B, A)."""
        mean, log_std = self(states)
        return squash(mean, log_std, noise)

    def deterministic(self, states: Tensor) -> Tensor:
        """tanh(mean), (S, B, A)."""
        return torch.tanh(self(states)[0])
