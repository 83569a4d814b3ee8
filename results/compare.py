"""What got better or worse from one set of runs to another: differences, P(improvement), and when that is a regression."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from benchmarks.base import Metric, RepriseError
from results.selection import SCORED
from results.statistics import (
    FEWEST_RUNS,
    LEVEL,
    PAIR_REPLICATES,
    Interval,
    Scores,
    bootstrap_improvement,
    probability_of_improvement,
)
from results.verdict.samples import Sample, Term
from results.verdict.welch import welch_test

EVEN = 0.5


@dataclass(frozen=True)
class Arm:
    """The seeds of one side of a cell, in their order: `scores` (N,) and which seeds diverged (their score counts)."""

    seeds: tuple[int, ...]
    scores: np.ndarray
    diverged: tuple[int, ...]
    keys: frozenset[str]

    @property
    def sample(self) -> Sample:
        return Sample.of(self.scores)


@dataclass(frozen=True)
class Pair:
    """A task and a variant that both sides have run; `setting` tells it from others, `changed` is what differs between sides."""

    task: str
    variant: str
    setting: str
    a: Arm
    b: Arm
    changed: tuple[str, ...]


@dataclass(frozen=True)
class Change:
    """B against A on one task, or over `tasks` tasks.

    `difference` is mean(B) - mean(A) with its 95 % Welch interval, `probability` P(B better than A) with its 95 % stratified
    bootstrap interval; both intervals are None below three seeds.
    `word` is `regression`, `improvement`, `same runs`, `too few seeds` or empty.
    """

    tasks: int
    a: float
    b: float
    difference: float
    interval: Interval | None
    margin: float
    probability: float
    probability_interval: Interval | None
    word: str


def pairs(a: pd.DataFrame, b: pd.DataFrame, metric: str, statistic: str) -> tuple[list[Pair], list[str]]:
    """The cells that both sides have, and what is left out and why.

    Cells match by task and variant. Where a side has several settings in a cell, those equal on both sides match; where each
    has one, they match and `changed` says what differs. Different data never match. Raises RepriseError for a seed that a
    setting has twice, and for a finished run whose score is no number.
    """
    sides = [_cells(frame, metric, statistic) for frame in (a, b)]
    found: list[Pair] = []
    left: list[str] = []
    for cell in sorted({*sides[0], *sides[1]}):
        mine, theirs = (side.get(cell, {}) for side in sides)
        if len(mine) == len(theirs) == 1:
            matched = [(next(iter(mine)), next(iter(theirs)))]
        else:
            matched = [(setup, setup) for setup in mine if setup in theirs]
        for old, new in matched:
            data = {name for name in ("dataset_hash", "task_version") if _field(old, name) != _field(new, name)}
            if data:
                left.append(f"{' '.join(cell)}: not comparable, the sides differ in {', '.join(sorted(data))}")
                continue
            setting = _told_apart(old, [*mine, *theirs]) if len(matched) > 1 else ""
            found.append(Pair(*cell, setting, _arm(mine[old]), _arm(theirs[new]), _changed(old, new)))
        for name, side, others in (
            ("A", mine, [old for old, _ in matched]),
            ("B", theirs, [new for _, new in matched]),
        ):
            alone = len(set(side) - set(others))
            if alone:
                left.append(f"{' '.join(cell)}: only in {name}" + (f" ({alone} settings)" if alone > 1 else ""))
    return found, left


def change(cells: Sequence[Pair], metric: Metric, margin: float | None = None) -> Change:
    """B against A over the tasks of one method and setting, or on a single one.

    A regression is: the 95 % interval of the difference of means lies wholly on the worse side, beyond the margin of the
    metric at A's mean (or `margin`); or, over the tasks of a method (a single task too, where it is all there is), the 95 %
    interval of P(B better than A) lies wholly below 0.5. `over_tasks` applies the second rule, which at three seeds of one
    task would ring falsely once in twenty cells.
    Means of several tasks: the variance is the sum of the terms over T squared (statistics specification, 3).
    """
    sign = 1.0 if metric.higher_is_better else -1.0
    x, y = ({pair.task: sign * arm.scores for pair, arm in _arms(cells, side)} for side in "ba")
    mean_a, mean_b = (float(np.mean([arm.scores.mean() for _, arm in _arms(cells, side)])) for side in "ab")
    margin = metric.margin(mean_a) if margin is None else margin
    of_b, of_a = Scores.of(x), Scores.of(y)
    interval = _difference(cells, mean_b - mean_a)
    probability_interval = bootstrap_improvement(of_b, of_a, PAIR_REPLICATES)
    return Change(
        tasks=len(cells),
        a=mean_a,
        b=mean_b,
        difference=mean_b - mean_a,
        interval=interval,
        margin=margin,
        probability=probability_of_improvement(of_b, of_a),
        probability_interval=probability_interval,
        word=_word(cells, interval, sign, margin),
    )


def over_tasks(cells: Sequence[Pair], metric: Metric, margin: float | None = None) -> Change:
    """As `change`, judged also by P(B better than A): the last word on a method."""
    found = change(cells, metric, margin)
    share = found.probability_interval
    if found.word or share is None:
        return found
    word = "regression" if share.high < EVEN else "improvement" if share.low > EVEN else ""
    return Change(**{**found.__dict__, "word": word})


def _word(cells: Sequence[Pair], interval: Interval | None, sign: float, margin: float) -> str:
    if all(pair.a.keys == pair.b.keys for pair in cells):
        return "same runs"
    if interval is None:
        return "too few seeds"
    low, high = sorted((sign * interval.low, sign * interval.high))
    return "regression" if high < -margin else "improvement" if low > margin else ""


def _difference(cells: Sequence[Pair], difference: float) -> Interval | None:
    samples = [arm.sample for side in "ab" for _, arm in _arms(cells, side)]
    if min(sample.n for sample in samples) < FEWEST_RUNS:
        return None
    terms = [Term(sample.term.variance / len(cells) ** 2, sample.term.freedom) for sample in samples]
    test = welch_test(difference, terms)
    half = float(stdtrit(test.freedom, (1 + LEVEL) / 2)) * test.error if test.error else 0.0
    return Interval(difference - half, difference + half)


def _arms(cells: Sequence[Pair], side: str) -> list[tuple[Pair, Arm]]:
    return [(pair, pair.a if side == "a" else pair.b) for pair in cells]


# -- cells of one side -------------------------------------------------------------------------------------------------

SETUP = ("dataset_hash", "task_version", "method_version", "settings", "training")
"""What runs of one setup have in common: a run key without its seed."""

Setup = tuple[object, ...]


def _cells(frame: pd.DataFrame, metric: str, statistic: str) -> dict[tuple[str, str], dict[Setup, pd.DataFrame]]:
    """(task, variant) -> setup -> its runs, of the newest version of each cell."""
    chosen = (frame["metric"] == metric) & (frame["statistic"] == statistic) & frame["status"].isin(SCORED)
    runs = frame[chosen].copy()
    lost = (runs["status"] == "diverged") & ~np.isfinite(runs["value"])
    runs.loc[lost, "value"] = 0.0
    _refuse_unscored(runs, metric)
    cells: dict[tuple[str, str], dict[Setup, pd.DataFrame]] = {}
    for (task, variant), group in runs.groupby(["task", "variant"]):
        for version in ("task_version", "method_version"):
            group = group[group[version] == group[version].max()]
        setups: dict[Setup, pd.DataFrame] = dict(iter(group.groupby(list(SETUP), sort=False)))
        cells[str(task), str(variant)] = setups
    return cells


def _refuse_unscored(runs: pd.DataFrame, metric: str) -> None:
    for row in runs[~np.isfinite(runs["value"])].itertuples():
        raise RepriseError(
            f"{row.place}: run {str(row.run_key)[:12]} ({row.variant} on {row.task}, seed {row.seed}) has finished with the "
            f"{metric} {row.value}; a run without a score must not count as finished, remove it and run it again"
        )


def _arm(runs: pd.DataFrame) -> Arm:
    runs = runs.sort_values("seed")
    twice = runs[runs["seed"].duplicated(keep=False)]
    if len(twice):
        run, places = twice.iloc[0], " and ".join(map(str, twice["place"].iloc[:2]))
        raise RepriseError(f"{run['variant']} on {run['task']} has the seed {run['seed']} twice: {places}; remove one")
    diverged = tuple(int(seed) for seed in runs.loc[runs["status"] == "diverged", "seed"])
    seeds, scores = tuple(map(int, runs["seed"])), runs["value"].to_numpy(dtype=float)
    return Arm(seeds, scores, diverged, frozenset(runs["run_key"]))


def _field(setup: Setup, name: str) -> object:
    return setup[SETUP.index(name)]


def _parts(setup: Setup) -> dict[str, object]:
    parts: dict[str, object] = {"method_version": _field(setup, "method_version")}
    for group in ("settings", "training"):
        values: Mapping[str, object] = json.loads(str(_field(setup, group)))
        parts.update({f"{group}.{name}": value for name, value in values.items()})
    return parts


def _changed(old: Setup, new: Setup) -> tuple[str, ...]:
    """`settings.learning_rate 0.001 -> 0.003`, of what the two sides of a cell do not share."""
    before, after = _parts(old), _parts(new)
    names = sorted(name for name in {*before, *after} if before.get(name, "not set") != after.get(name, "not set"))
    return tuple(f"{name} {before.get(name, 'not set')} -> {after.get(name, 'not set')}" for name in names)


def _told_apart(setup: Setup, others: Sequence[Setup]) -> str:
    """`eta=0.5, delta=0`: what of a setting is not the same in all of its cell."""
    mine, all_ = _parts(setup), [_parts(other) for other in others]
    names = [name for name in mine if len({json.dumps(each.get(name)) for each in all_}) > 1]
    return ", ".join(f"{name.partition('.')[2] or name}={mine[name]}" for name in names)
