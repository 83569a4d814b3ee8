"""Tanh-Gaussian policies as small files: saved by online training, committed, loaded to collect data sets and videos."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.base import RepriseError
from benchmarks.d4rl.networks import TanhGaussianActor

Array = np.ndarray


@dataclass(frozen=True)
class Policy:
    """A tanh-Gaussian policy in NumPy: `weights[l]` (in, out), `biases[l]` (out,), ReLU between; `meta` says where it is from."""

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    log_std_min: float
    log_std_max: float
    meta: Mapping[str, Any]

    def distribution(self, observations: Array) -> tuple[Array, Array]:
        """Observations (N, O) -> mean before the tanh and log_std, (N, A) each, float32."""
        if len(observations) == 1:  # a single row takes another matrix kernel, with other rounding
            mean, log_std = self.distribution(np.repeat(observations, 2, axis=0))
            return mean[:1], log_std[:1]
        x = observations.astype(np.float32)
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = np.maximum(x @ weight + bias, 0.0)
        mean, log_std = np.split(x @ self.weights[-1] + self.biases[-1], 2, axis=1)
        return mean, np.clip(log_std, self.log_std_min, self.log_std_max)

    def act(self, observations: Array, noise: Array | None = None) -> Array:
        """Actions (N, A), float32: the mode, or a sample from standard normal noise (N, A)."""
        mean, log_std = self.distribution(observations)
        return np.tanh(mean if noise is None else mean + np.exp(log_std) * noise.astype(np.float32))

    def save(self, path: Path, dtype: str = "float32") -> None:
        """Write one compressed file (`.npz`)."""
        arrays = {f"weight{i}": w.astype(dtype) for i, w in enumerate(self.weights)}
        arrays |= {f"bias{i}": b.astype(dtype) for i, b in enumerate(self.biases)}
        meta = {**self.meta, "log_std_min": self.log_std_min, "log_std_max": self.log_std_max}
        np.savez_compressed(path, meta=np.array(json.dumps(meta)), **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> Policy:
        """Read a file that `save` wrote; raises RepriseError where it is missing or not such a file."""
        if not path.exists():
            raise RepriseError(f"{path}: no such policy file")
        try:
            with np.load(path, allow_pickle=False) as file:
                meta = json.loads(str(file["meta"]))
                layers = sum(name.startswith("weight") for name in file.files)
                weights = tuple(file[f"weight{i}"].astype(np.float32) for i in range(layers))
                biases = tuple(file[f"bias{i}"].astype(np.float32) for i in range(layers))
        except (ValueError, KeyError, OSError) as error:
            raise RepriseError(f"{path}: not a policy file ({error}); restore it from the repository") from error
        return cls(weights, biases, meta.pop("log_std_min"), meta.pop("log_std_max"), meta)

    @classmethod
    def of_actor(cls, actor: TanhGaussianActor, run: int, meta: Mapping[str, Any]) -> Policy:
        """The policy of one slice of a stacked actor."""
        weights = tuple(w[run].detach().cpu().numpy().copy() for w in actor.net.weights)
        biases = tuple(b[run, 0].detach().cpu().numpy().copy() for b in actor.net.biases)
        return cls(weights, biases, actor.log_std_min, actor.log_std_max, meta)
