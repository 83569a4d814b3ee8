"""mmengine's runner as this suite uses it: seeded, silent, resumable to the bit, and watched by the caller."""

from __future__ import annotations

import json
import math
import os
import pickle
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, Runner
from torch import nn
from torch.utils.data import DataLoader

from benchmarks.base import Json, RepriseError
from benchmarks.detection.configs import quiet
from benchmarks.detection.data import Batches

STATE = "training.pth"
"""The one checkpoint of a training; it is replaced whole."""


@dataclass(frozen=True)
class Plan:
    """How long, with what, and where. `iterations` of this training; `save_every` iterations a checkpoint is left in `folder`.

    optim_wrapper and schedulers as mmengine's configurations write them, lengths in iterations. `name` must be its own in
    the process: mmengine shares histories between runners of one name. `seed` sets torch's, numpy's and Python's generators.
    `epoch`: after so many iterations, schedulers by epoch hear the loss that `Watcher.epoch` gives.
    """

    name: str
    folder: Path
    optim_wrapper: Mapping[str, Any]
    schedulers: Sequence[Mapping[str, Any]]
    iterations: int
    seed: int
    save_every: int = 500
    epoch: int | None = None


class Watcher:
    """Who looks on while a detector trains. What `state` returns (JSON) is kept with each checkpoint and given to `restore`."""

    def before(self, iteration: int) -> None:
        """The number of an iteration, from 0, before it runs."""

    def after(self, done: int, losses: Mapping[str, float]) -> bool:
        """How many iterations are done, and the losses of the last; True ends training."""
        return False

    def epoch(self, mean: float) -> float:
        """The loss that schedulers watch, where the mean of the training loss over an epoch is `mean`."""
        return mean

    def state(self) -> Json:
        """What must be remembered to go on."""
        return None

    def restore(self, state: Json) -> None:
        """The inverse of `state`."""


def train(model: nn.Module, loader: DataLoader[Any], plan: Plan, watcher: Watcher) -> int:
    """Train a detector whose weights are initialised; return the number of iterations done, fewer than planned where stopped.

    Where `plan.folder` holds a checkpoint, training goes on from there, and ends as if it had never stopped. Raises
    RepriseError where that checkpoint does not belong to the model.
    """
    quiet()
    watch = _Watch(plan, watcher)
    runner = _Runner(
        model=model,
        work_dir=str(plan.folder / "mmengine"),
        train_dataloader=loader,
        train_cfg={"type": _Loop, "max_iters": plan.iterations},
        optim_wrapper=dict(plan.optim_wrapper),
        param_scheduler=[dict(scheduler) for scheduler in plan.schedulers] or None,
        default_hooks={"timer": None, "logger": None, "checkpoint": None, "sampler_seed": None},
        custom_hooks=[watch],
        randomness={"seed": plan.seed % 2**32},
        experiment_name=plan.name,
        default_scope="mmdet",
        log_level="ERROR",
    )
    runner.train()
    return watch.done


class _Runner(Runner):
    """Without files nobody reads, and without the report on the machine, which starts compilers to ask for their versions."""

    def _log_env(self, env_cfg: dict[str, Any]) -> None:
        pass

    def dump_config(self) -> None:
        pass


class _Loop(BaseLoop):
    """One pass over a loader that is as long as the training.

    mmengine's own iteration loop reads all data again to go on from a checkpoint; this one tells the sampler where to begin.
    """

    max_epochs = 1
    epoch = _epoch = 0

    def __init__(self, runner: Runner, dataloader: DataLoader[Any], max_iters: int) -> None:
        super().__init__(runner, dataloader)
        self.max_iters, self._iter, self.stop_training = max_iters, 0, False

    @property
    def iter(self) -> int:
        return self._iter

    def run(self) -> nn.Module:
        sampler = self.dataloader.batch_sampler
        assert isinstance(sampler, Batches)
        sampler.start = self._iter
        self.runner.call_hook("before_train")
        self.runner.call_hook("before_train_epoch")
        for batch in self.dataloader:
            self.runner.model.train()
            self._step(batch)
            if self.stop_training:
                break
        self.runner.call_hook("after_train_epoch")
        self.runner.call_hook("after_train")
        return self.runner.model

    def _step(self, batch: Any) -> None:
        self.runner.call_hook("before_train_iter", batch_idx=self._iter, data_batch=batch)
        outputs = self.runner.model.train_step(batch, optim_wrapper=self.runner.optim_wrapper)
        self.runner.call_hook("after_train_iter", batch_idx=self._iter, data_batch=batch, outputs=outputs)
        self._iter += 1


class _Watch(Hook):
    """Tells the caller of every iteration and leaves checkpoints."""

    priority = "VERY_LOW"

    def __init__(self, plan: Plan, watcher: Watcher) -> None:
        self.plan, self.watcher = plan, watcher
        self.done, self.epoch_loss = 0, 0.0
        self.generators: dict[str, Any] | None = None

    @property
    def path(self) -> Path:
        return self.plan.folder / STATE

    def before_run(self, runner: Runner) -> None:
        if self.path.exists():
            try:
                runner.resume(str(self.path))
            except (RuntimeError, KeyError, ValueError, EOFError, OSError, pickle.UnpicklingError) as error:
                raise RepriseError(
                    f"{self.path}: cannot go on from this checkpoint ({_first_line(error)}); remove it to train from the start"
                ) from error
            self.done = runner.iter

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        self.generators, self.epoch_loss = checkpoint["generators"], checkpoint["epoch_loss"]
        self.watcher.restore(json.loads(checkpoint["watcher"]))

    def before_train(self, runner: Runner) -> None:
        if self.generators is not None:
            _restore(self.generators)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        # A safe load refuses the message hub's histories, which nobody reads, and the schedulers' functions, which they have.
        checkpoint["message_hub"] = {"log_scalars": {}, "runtime_info": {}, "resumed_keys": {}}
        checkpoint["param_schedulers"] = [
            {name: value for name, value in state.items() if not callable(value)}
            for state in checkpoint.get("param_schedulers", [])
        ]
        checkpoint["generators"], checkpoint["epoch_loss"] = _generators(), self.epoch_loss
        checkpoint["watcher"] = json.dumps(self.watcher.state())

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        self.watcher.before(batch_idx)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self.done = batch_idx + 1
        losses = {name: float(torch.as_tensor(value).detach()) for name, value in (outputs or {}).items()}
        if self.plan.epoch is not None and finite(losses):
            self._count(runner, losses["loss"], self.plan.epoch)
        if self.watcher.after(self.done, losses):
            runner.train_loop.stop_training = True
        elif self.done % self.plan.save_every == 0 or self.done == self.plan.iterations:
            self._save(runner)

    def _count(self, runner: Runner, loss: float, epoch: int) -> None:
        """Add to the epoch's loss, and at its end tell the schedulers by mmengine's own hook."""
        self.epoch_loss += loss
        if self.done % epoch == 0:
            watched = self.watcher.epoch(self.epoch_loss / epoch)
            runner.call_hook("after_val_epoch", metrics={"loss": watched})
            self.epoch_loss = 0.0

    def _save(self, runner: Runner) -> None:
        scratch = f".{STATE}.{os.getpid()}"
        runner.save_checkpoint(str(self.plan.folder), scratch, by_epoch=False)
        (self.plan.folder / scratch).replace(self.path)


def finite(losses: Mapping[str, float]) -> bool:
    """Whether every loss is a number."""
    return all(math.isfinite(value) for value in losses.values())


def _generators() -> dict[str, Any]:
    """States of the three generators in types that a safe load admits."""
    numpy: Any = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": (numpy[0], torch.from_numpy(numpy[1].astype(np.int64)), *numpy[2:]),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def _restore(states: Mapping[str, Any]) -> None:
    random.setstate(states["python"])
    kind, keys, place, has_gauss, gauss = states["numpy"]
    np.random.set_state((kind, keys.cpu().numpy().astype(np.uint32), place, has_gauss, gauss))
    torch.set_rng_state(states["torch"].cpu())
    if states["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all([state.cpu() for state in states["cuda"]])


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
