"""Building many local sets at once, one process per core: reference returns, then what is collected, then what is joined."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.base import Progress
from benchmarks.d4rl import rebuild
from benchmarks.d4rl.own_references import EPISODES, own_reference
from benchmarks.d4rl.own_set import LocalSet
from benchmarks.d4rl.tasks import task
from benchmarks.memory import keep_freed_memory

Hear = Callable[[LocalSet, int], None]
"""Hears, in the calling process, how many rows of a set are collected."""


@dataclass(frozen=True)
class Built:
    """A set that exists now, one `of` so many; `new` where it did not before."""

    set: LocalSet
    new: bool
    of: int


def build(wanted: Sequence[LocalSet], hear: Hear, cores: int | None = None) -> Iterator[Built]:
    """Build sets and the sets they are joined from, in processes of their own; yields each when it is there.

    Raises RepriseError, before anything is built, where one of them cannot be. What the sets hold does not depend on `cores`
    (default: all that this process may use).
    """
    sets = list(dict.fromkeys(each for whole in wanted for each in (*whole.parts, whole)))
    missing = [each for each in sets if not rebuild.artifact(each).ready()]
    yield from (Built(each, False, len(sets)) for each in sets if each not in missing)
    if not missing:
        return
    cores = cores or len(os.sched_getaffinity(0))
    environments = sorted({each.task.environment for each in missing})
    references = [(env, kind) for kind in reversed(EPISODES) for env in environments]
    with _Workers(cores, hear) as workers:
        for _ in workers.run(_measure, references):
            pass
        for wave in ([each for each in missing if not each.parts], [each for each in missing if each.parts]):
            for plain in workers.run(_build, [_plain(each) for each in wave]):
                yield Built(_set(*plain), True, len(sets))


class _Workers:
    """A pool of processes that report rows through one queue."""

    def __init__(self, cores: int, hear: Hear) -> None:
        self.cores, self.hear = cores, hear
        context = multiprocessing.get_context("spawn")
        self.queue = context.SimpleQueue()
        self.pool = ProcessPoolExecutor(cores, mp_context=context, initializer=_enter, initargs=(self.queue,))
        self.listener = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> _Workers:
        self.listener.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.pool.shutdown(cancel_futures=True)
        self.queue.put(None)
        self.listener.join()

    def run(self, job: Callable[..., None], arguments: Sequence[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """Run a job once per arguments, and yield these as the jobs end. Cores that have no job of their own simulate too."""
        threads = max(1, self.cores // max(1, len(arguments)))
        jobs: dict[Future[None], tuple[Any, ...]] = {self.pool.submit(job, *each, threads): each for each in arguments}
        for done in as_completed(jobs):
            done.result()
            yield jobs[done]

    def _listen(self) -> None:
        while (message := self.queue.get()) is not None:
            plain, rows = message
            self.hear(_set(*plain), rows)


Plain = tuple[str, int, int]
"""A set as processes send it to each other: task, rows, seed."""


def _plain(each: LocalSet) -> Plain:
    return each.task.name, each.rows, each.seed


def _set(name: str, rows: int, seed: int) -> LocalSet:
    return LocalSet(task(name), rows, seed)


_report: Callable[[tuple[Plain, int]], None] = print
"""In a worker: where rows are reported."""


def _enter(queue: multiprocessing.SimpleQueue[tuple[Plain, int] | None]) -> None:
    global _report
    _report = queue.put
    torch.set_num_threads(1)
    keep_freed_memory()


def _measure(env: str, kind: str, threads: int) -> None:
    own_reference(env, kind, threads)


def _build(name: str, rows: int, seed: int, threads: int) -> None:
    told, wanted = 0, _set(name, rows, seed)

    def report(progress: Progress) -> None:
        nonlocal told
        if progress.step - told >= rows / 100:
            told = progress.step
            _report((_plain(wanted), told))

    rebuild.artifact(wanted, threads).ensure(report)
    _report((_plain(wanted), rows))
