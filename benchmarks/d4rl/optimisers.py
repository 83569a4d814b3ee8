"""Adam over stacked parameters, with a learning rate per slice, and soft target updates with a rate per slice."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn


def _per_slice(rates: Tensor, parameter: Tensor) -> Tensor:
    """(S,) rates shaped to multiply a parameter whose leading axis is S or S*C, slice-major."""
    repeat = parameter.shape[0] // rates.shape[0]
    return rates.repeat_interleave(repeat).view(-1, *[1] * (parameter.dim() - 1))


class StackedAdam:
    """Adam (betas 0.9, 0.999, eps 1e-8) over parameters with a leading slice axis: PyTorch's fused kernel, called directly.

    `torch.optim.Adam.step` spends 0.2 ms around that kernel, as long as a small network's whole update. Adam's step is
    proportional to its learning rate, so slices with other rates than the largest keep that share of the step. `set_scale`
    multiplies all rates and may change from step to step (schedules); a captured CUDA graph follows it.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], learning_rates: Sequence[float] | Tensor) -> None:
        self.parameters: list[Tensor] = list(parameters)
        rates = torch.as_tensor(learning_rates, dtype=torch.float64)
        self.rate = float(rates.max())
        device = self.parameters[0].device
        self.lr: Any = torch.tensor(self.rate, device=device) if device.type == "cuda" else self.rate
        self.first = [torch.zeros_like(p) for p in self.parameters]
        self.second = [torch.zeros_like(p) for p in self.parameters]
        self.steps = [torch.zeros((), dtype=torch.float32, device=device) for _ in self.parameters]
        self.shares: list[Tensor] | None = None
        if bool((rates != rates[0]).any()):
            self.shares = [_per_slice(rates / self.rate, p).to(p) for p in self.parameters]

    def set_scale(self, scale: float) -> None:
        """Multiply every learning rate by `scale` from now on."""
        if isinstance(self.lr, Tensor):
            self.lr.fill_(self.rate * scale)
        else:
            self.lr = self.rate * scale

    def step(self, loss: Tensor, retain_graph: bool = False) -> None:
        """One step on a loss already summed over slices; gradients reach these parameters and nothing else."""
        self.apply(torch.autograd.grad(loss, self.parameters, retain_graph=retain_graph))

    @torch.no_grad()
    def apply(self, gradients: Sequence[Tensor]) -> None:
        """One step on given gradients."""
        before = [p.detach().clone() for p in self.parameters] if self.shares is not None else []
        torch._foreach_add_(self.steps, 1)
        torch._fused_adam_(
            self.parameters,
            list(gradients),
            self.first,
            self.second,
            [],
            self.steps,
            lr=self.lr,
            beta1=0.9,
            beta2=0.999,
            weight_decay=0.0,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
        )
        for parameter, old, share in zip(self.parameters, before, self.shares or [], strict=False):
            parameter.copy_(torch.lerp(old, parameter, share))

    def state_dict(self) -> dict[str, object]:
        """Moments and step counts (copies)."""
        return {name: [t.clone() for t in getattr(self, name)] for name in ("first", "second", "steps")}

    def load_state_dict(self, state: Mapping[str, Sequence[Tensor]]) -> None:
        """The inverse of `state_dict`."""
        for name, saved in state.items():
            for tensor, value in zip(getattr(self, name), saved, strict=True):
                tensor.copy_(value)


class TargetUpdate:
    """theta_bar <- tau theta + (1 - tau) theta_bar, with one tau per slice (one fused call where all are equal)."""

    def __init__(self, online: nn.Module, target: nn.Module, tau: Sequence[float] | Tensor) -> None:
        self.online: list[Tensor] = list(online.parameters())
        self.target: list[Tensor] = list(target.parameters())
        rates = torch.as_tensor(tau, dtype=torch.float64)
        equal = bool((rates == rates[0]).all())
        self.tau: Any = float(rates[0]) if equal else [_per_slice(rates, p).to(p) for p in self.target]

    @torch.no_grad()
    def step(self) -> None:
        """Move the targets by one step."""
        torch._foreach_lerp_(self.target, self.online, self.tau)


def cosine(step: int, steps: int) -> float:
    """Cosine decay from 1 at step 0 to 0 at the last of `steps`."""
    return 0.5 * (1.0 + math.cos(math.pi * min(step / steps, 1.0)))
