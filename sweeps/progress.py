"""What a sweep says while it runs: live bars on a terminal, plain lines everywhere else."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

PLAIN_EVERY = 15.0
"""Seconds between plain lines about trials that go on."""

TICK_EVERY = 0.5
"""Seconds between redrawings of the live display."""


@dataclass
class Active:
    """A trial that runs, or an artifact that is built: how far it is and its mean score so far.

    `spent` is the seconds that brought a trial to `step`, those of earlier attempts included; a build has no weight, and its
    `spent` begins anew with each attempt. `first` is step and `spent` as first reported.
    """

    title: str
    weight: float
    began: float = field(default_factory=lambda: time.monotonic())
    step: int = 0
    steps: int = 0
    score: float | None = None
    spent: float = 0.0
    first: tuple[int, float] = (0, 0.0)

    @property
    def fraction(self) -> float:
        return self.step / self.steps if self.steps else 0.0

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    @property
    def standing(self) -> str:
        """A trial's `score 31.2`; of a build, `ready in about 8 min` at the pace since it was first heard of."""
        if self.weight:
            return _scored(self.score)
        steps, seconds = self.step - self.first[0], self.spent - self.first[1]
        return f"ready in about {_duration((self.steps - self.step) * seconds / steps)}" if steps > 0 else ""

    def line(self) -> str:
        """`hopper-medium ilq seeds 0 1 2: step 4000 of 10000, score 31.2`."""
        step = f"step {self.step} of {self.steps}" if self.steps else f"since {_duration(self.seconds)}"
        return ", ".join(filter(None, (f"{self.title}: {step}", self.standing)))


class Display:
    """Shows which trial, of how many, its score so far, and the time left. Use as a context manager.

    `weights` are the trials' expected costs by key, in any unit; `slots` is how many run at once.
    """

    def __init__(self, console: Console, name: str, weights: Mapping[str, float], slots: int = 1) -> None:
        self.console, self.name, self.weights, self.slots = console, name, weights, slots
        self.active: dict[str, Active] = {}
        self.done, self.done_weight, self.busy = 0, 0.0, 0.0
        self.said = self.drawn = time.monotonic()
        self.live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None

    def __enter__(self) -> Display:
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.live.stop()

    def building(self, key: str, name: str) -> None:
        """An artifact is begun."""
        self.active[key] = Active(f"building {name}", 0.0)
        if self.live is None:
            self.say(f"building {name}")

    def built(self, key: str, name: str, failure: str | None) -> None:
        """An artifact is ready, or failed for a reason."""
        active = self.active.pop(key, None) or Active(name, 0.0)
        self.say(f"FAILED to build {name}: {failure}" if failure else f"built {name} in {_duration(active.seconds)}")

    def started(self, key: str, title: str) -> None:
        """A trial is begun."""
        usual = sum(self.weights.values()) / max(1, len(self.weights))
        self.active[key] = Active(title, self.weights.get(key, usual))
        if self.live is None:
            self.say(f"{self._count()}: {title} started")

    def progressed(self, key: str, step: int, steps: int, score: float | None, spent: float) -> None:
        """A trial or a build reports, after `spent` seconds in all."""
        active = self.active.get(key)
        if active is not None:
            if not active.steps:
                active.first = step, spent
            active.step, active.steps, active.spent = step, steps or active.steps, spent
            active.score = score if score is not None else active.score

    def scored(self, key: str, score: float) -> None:
        """A trial's results are there: their score, which may be of a later evaluation than its last report's."""
        if key in self.active:
            self.active[key].score = score

    def ended(self, key: str, title: str, outcome: str) -> None:
        """A trial is over; `outcome` says how: finished, stopped early, FAILED and why."""
        active = self.active.pop(key, None) or Active(title, 0.0)
        self.done += 1
        self.done_weight += active.weight
        self.busy += active.spent or active.seconds
        took = f"{_duration(active.seconds)}{self._left()}"
        over = f"{self.done} of {len(self.weights)}: {title} {outcome}"
        self.say(", ".join(filter(None, (over, _scored(active.score), took))))

    def tick(self) -> None:
        """Redraw, or every now and then say what goes on."""
        now = time.monotonic()
        if self.live is not None and now - self.drawn > TICK_EVERY:
            self.drawn = now
            self.live.update(self._picture(), refresh=True)
        elif self.live is None and now - self.said > PLAIN_EVERY:
            for active in self.active.values():
                self.say(f"{self._count()}: {active.line()}{self._left()}")

    def say(self, text: str) -> None:
        """One line that stays."""
        self.said = time.monotonic()
        console = self.live.console if self.live else self.console
        console.print(f"[{self.name}] {text}", markup=False, highlight=False, soft_wrap=True)

    # -- how it looks -------------------------------------------------------------------------------------------------

    def _count(self) -> str:
        return f"{self.done} of {len(self.weights)} done"

    def _left(self) -> str:
        """`, about 3 min left`, once enough is done to tell: the work left at the pace of the trials so far."""
        trials = [active for active in self.active.values() if active.weight]
        total = sum(self.weights.values())
        done = self.done_weight + sum(active.weight * active.fraction for active in trials)
        busy = self.busy + sum(active.spent for active in trials)
        if not total or not 0.02 < done / total < 1.0:
            return ""
        together = min(self.slots, max(1, len(self.weights) - self.done))
        return f", about {_duration((total - done) * busy / done / together)} left"

    def _picture(self) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        for active in self.active.values():
            bar = ProgressBar(total=1.0, completed=active.fraction, width=20, pulse=not active.steps)
            step = f"{active.step}/{active.steps}" if active.steps else "..."
            table.add_row(Text(active.title), bar, step, Text(active.standing))
        return Group(Text(f"[{self.name}] {self._count()}, {len(self.active)} running{self._left()}"), table)


def _scored(score: float | None) -> str:
    return "" if score is None else f"score {score:.1f}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
