"""What actions data are collected with: the uniform distribution, or a frozen policy evaluated in exact arithmetic.

A data set must have the same hash on every machine and however many episodes are simulated side by side. A matrix product in
floating point depends on its kernel in the last bit, and the kernel on the processor and on the number of rows. So weights and
activations are rounded to binary fractions coarse enough that every product and every sum is exact in float64; exact sums do
not depend on their order.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from benchmarks.base import Json, RepriseError
from benchmarks.d4rl.policies import Policy

Array = np.ndarray

WEIGHT_UNIT = 2.0**-19
ACTIVATION_UNIT = 2.0**-15
ACTIVATION_LIMIT = 512.0
_EXACT = 2.0**53


class Behaviour(Protocol):
    """A source of actions. `identity` is JSON that determines it."""

    action_dim: int
    identity: Mapping[str, Json]

    def draw(self, generator: np.random.Generator, steps: int) -> Array:
        """The random numbers of an episode, (steps, A)."""

    def act(self, observations: Array, draws: Array) -> Array:
        """Observations (B, O) float32 and draws (B, A) -> actions (B, A), float32; row b depends on row b alone."""


class Uniform:
    """Uniform samples of the action space [-1, 1]^A."""

    def __init__(self, action_dim: int) -> None:
        self.action_dim = action_dim
        self.identity: Mapping[str, Json] = {"policy": "uniform"}

    def draw(self, generator: np.random.Generator, steps: int) -> Array:
        return generator.uniform(-1.0, 1.0, (steps, self.action_dim))

    def act(self, observations: Array, draws: Array) -> Array:
        return draws.astype(np.float32)


def _rounded(values: Array, unit: float) -> Array:
    return np.rint(values.astype(np.float64) / unit) * unit


class ExactPolicy:
    """Samples of a tanh-Gaussian policy, bit-equal for any batch, thread count and matrix kernel.

    Weights and biases are rounded to 2^-19, activations to 2^-15 within +-512. Raises RepriseError where the weights are so
    large that sums could exceed the 53 bits of float64.
    """

    def __init__(self, policy: Policy, name: str = "policy") -> None:
        self.weights = [_rounded(weight, WEIGHT_UNIT) for weight in policy.weights]
        self.biases = [_rounded(bias, WEIGHT_UNIT) for bias in policy.biases]
        self.bounds = (policy.log_std_min, policy.log_std_max)
        self.action_dim = self.biases[-1].size // 2
        self.identity: Mapping[str, Json] = {"policy": fingerprint(policy)}
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            largest = (np.abs(weight).sum(axis=0) * ACTIVATION_LIMIT + np.abs(bias)).max()
            if not largest < _EXACT * WEIGHT_UNIT * ACTIVATION_UNIT:
                raise RepriseError(
                    f"{name}: weights of layer {layer} are too large to collect data with in exact arithmetic"
                )

    def draw(self, generator: np.random.Generator, steps: int) -> Array:
        return generator.standard_normal((steps, self.action_dim))

    def act(self, observations: Array, draws: Array) -> Array:
        mean, log_std = self.distribution(observations)
        std = np.array([math.exp(value) for value in log_std.ravel().tolist()]).reshape(log_std.shape)
        sample = mean + std * draws
        return np.array([math.tanh(value) for value in sample.ravel().tolist()], dtype=np.float32).reshape(sample.shape)

    def distribution(self, observations: Array) -> tuple[Array, Array]:
        """Observations (B, O) -> mean before the tanh and clipped log_std, (B, A) each, float64 and exact."""
        x = observations
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = np.maximum(self._activation(x) @ weight + bias, 0.0)
        mean, log_std = np.split(self._activation(x) @ self.weights[-1] + self.biases[-1], 2, axis=1)
        return mean, np.clip(log_std, *self.bounds)

    @staticmethod
    def _activation(x: Array) -> Array:
        return np.clip(_rounded(x, ACTIVATION_UNIT), -ACTIVATION_LIMIT, ACTIVATION_LIMIT)


def fingerprint(policy: Policy) -> str:
    """sha256 over the weights, biases and bounds of a policy; what is said about it in `meta` takes no part."""
    digest = hashlib.sha256()
    for array in (*policy.weights, *policy.biases):
        digest.update(str(array.shape).encode() + np.ascontiguousarray(array, dtype="<f4").tobytes())
    digest.update(f"{policy.log_std_min!r} {policy.log_std_max!r}".encode())
    return digest.hexdigest()


def policy_path(environment: str, level: str) -> Path:
    """Where the behaviour policy of a level (`medium`, `expert`) lies: `$REPRISE_BEHAVIOR`, by default the committed ones."""
    return policy_folder() / f"{environment}-{level}.npz"


def snapshot_paths(environment: str) -> list[Path]:
    """The snapshots of training between the warm-up and the medium policy, in order (the file names count its steps)."""
    return sorted((policy_folder() / f"{environment}-snapshots").glob("step*.npz"))


def policy_folder() -> Path:
    """`$REPRISE_BEHAVIOR`, by default the committed policies."""
    chosen = os.environ.get("REPRISE_BEHAVIOR")
    return Path(chosen) if chosen else Path(__file__).parent / "behavior"
