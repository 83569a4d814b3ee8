"""The contract of every RL method here: a stack of S runs that train together and never mix."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.base import Artifact, Method, registered_methods, stream_seed
from benchmarks.d4rl.networks import generators
from benchmarks.d4rl.optimisers import StackedAdam

if TYPE_CHECKING:
    from benchmarks.d4rl.datasets import Transitions
    from benchmarks.d4rl.policies import Policy


class Batch(NamedTuple):
    """A minibatch per run: B rows of (s, a, r, s', d); d = 1 only at a true terminal. `rows` are their places in the data set."""

    states: Tensor  # (S, B, O)
    actions: Tensor  # (S, B, A)
    rewards: Tensor  # (S, B)
    next_states: Tensor  # (S, B, O)
    dones: Tensor  # (S, B)
    rows: Tensor  # (S, B), int64


class Draw(NamedTuple):
    """Random numbers an update wants per run and step: `kind` is `normal`, `uniform` ([0, 1)) or `integers` ([0, high))."""

    kind: str
    shape: tuple[int, ...]
    high: int = 0


@dataclass(frozen=True)
class Source:
    """A data set that frozen models are trained on: its hash names it, `open` reads it (raw states, all rows)."""

    task: str
    environment: str
    dataset_hash: str
    open: Callable[[], Transitions]


@dataclass(frozen=True)
class FrozenModel:
    """A model trained once per data set and shared by every run that needs it: how it is built and how it is read back."""

    artifact: Artifact
    load: Callable[[Path], Any]


@dataclass(frozen=True)
class Problem:
    """What a method must know of the task it is trained on.

    `steps` is the length of training, over which schedules run. `state_mean` and `state_std` (O,) undo the normalisation of
    states for frozen models and termination rules, which see raw states. `models` holds frozen models and caches by name.
    `reward_scale` and `reward_shift` take a raw reward, which frozen models predict, to the one trained on (reward_transform).
    """

    task: str
    environment: str
    observation_dim: int
    action_dim: int
    steps: int
    batch_size: int
    state_mean: Tensor
    state_std: Tensor
    dtype: torch.dtype = torch.float32
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    models: Mapping[str, Any] = field(default_factory=dict)
    reward_scale: float = 1.0
    reward_shift: float = 0.0


class StackedMethod(Method):
    """Base of every RL method: S runs of equal shapes whose stackable settings and seeds may differ.

    A subclass builds its modules and optimisers in `build`, names the random numbers of one step in `draws`, and does one
    gradient step in `update`. Modules and optimisers assigned as attributes are found by `state_dict`.
    """

    family: ClassVar[str] = "offline_rl"
    passes: ClassVar[float] = 0.0
    """What an update costs, measured, in forward passes of one minibatch through one network (0: not measured)."""

    def __init__(self, settings: Sequence[Any], problem: Problem, seeds: Sequence[int]) -> None:
        self.runs, self.settings, self.problem, self.seeds = list(settings), settings[0], problem, list(seeds)
        self.step = 0
        self.log = False
        self.build()
        for module in self._modules().values():
            module.to(device=problem.device, dtype=problem.dtype)
        self.build_optimisers()

    # -- what a method writes ---------------------------------------------------------------------------------------

    def build(self) -> None:
        """Create networks (float32, CPU; the base class moves them)."""
        raise NotImplementedError

    def build_optimisers(self) -> None:
        """Create targets and optimisers on the moved networks."""
        raise NotImplementedError

    def draws(self) -> Mapping[str, Draw]:
        """The random numbers of one step, by name."""
        return {}

    def begin_step(self, step: int) -> Hashable:
        """Host-side work before step `step` (1-based): schedules. Steps with equal return values run the same operations."""
        return None

    def update(self, batch: Batch, noise: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """One gradient step; detached scalars per run, (S,) each. Diagnostics that cost something only while `self.log`."""
        raise NotImplementedError

    def sample(self, states: Tensor, noise: Tensor) -> Tensor:
        """Stochastic actions for exploration, from standard normal noise (S, B, A); only online methods have them."""
        raise NotImplementedError(f"{self.name} does not explore")

    def policy(self, run: int, meta: Mapping[str, Any]) -> Policy:
        """The policy of one run as a file-sized object; only methods with a tanh-Gaussian actor have it."""
        raise NotImplementedError(f"{self.name} has no policy to save")

    def act(self, states: Tensor) -> Tensor:
        """Deterministic actions for evaluation: (S, B, O) normalised states -> (S, B, A) within [-1, 1]."""
        raise NotImplementedError

    @classmethod
    def models(cls, settings: Any, source: Source) -> Mapping[str, FrozenModel]:
        """Frozen models these settings need, by the name under which `problem.models` will hold them; none by default."""
        return {}

    # -- what every method uses ----------------------------------------------------------------------------------------

    def seeded(self, purpose: str) -> list[torch.Generator]:
        """One generator per run for a purpose such as `init.actor`."""
        return generators([stream_seed(purpose, self.problem.task, seed) for seed in self.seeds])

    def scalar(self, name: str) -> Tensor:
        """A stackable setting as a column (S, 1), to broadcast over rows."""
        values = [float(getattr(run, name)) for run in self.runs]
        return torch.tensor(values, dtype=self.problem.dtype, device=self.problem.device)[:, None]

    def rates(self, name: str, otherwise: str = "") -> list[float]:
        """A stackable setting as one number per run (learning rates, tau); None means the setting `otherwise`."""
        values = [getattr(run, name) for run in self.runs]
        return [
            float(getattr(run, otherwise) if value is None else value)
            for run, value in zip(self.runs, values, strict=True)
        ]

    def column(self, value: float) -> nn.Parameter:
        """A learned scalar per run, (S, 1), such as log alpha."""
        shape = (len(self.runs), 1)
        return nn.Parameter(torch.full(shape, value, dtype=self.problem.dtype, device=self.problem.device))

    def _modules(self) -> dict[str, nn.Module]:
        return {name: value for name, value in vars(self).items() if isinstance(value, nn.Module)}

    def state_dict(self) -> dict[str, Any]:
        """Everything training changes: networks, learned scalars, optimisers, the step."""
        state: dict[str, Any] = {"step": self.step}
        for name, value in vars(self).items():
            if isinstance(value, (nn.Module, StackedAdam)):
                state[name] = value.state_dict()
            elif isinstance(value, nn.Parameter):
                state[name] = value.detach().clone()
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`; raises KeyError or RuntimeError where they do not match."""
        self.step = state["step"]
        for name, value in vars(self).items():
            if isinstance(value, (nn.Module, StackedAdam)):
                value.load_state_dict(state[name])
            elif isinstance(value, nn.Parameter):
                with torch.no_grad():
                    value.copy_(state[name])


def stacked_methods() -> list[type[StackedMethod]]:
    """Every registered RL method, offline and online."""
    return [method for method in registered_methods().values() if issubclass(method, StackedMethod)]
