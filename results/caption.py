"""What a table must state with its numbers: tier, statistic, seeds, environment, data, presets, trust."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from benchmarks.base import NO_DATA
from results.published import Claim
from results.render.wording import TIED, counted
from results.run_places import sources
from results.selection import Selection
from results.table import Note
from results.table_spec import STATISTICS, ClaimsSpec, ColumnSpec, PaperSpec, TableSpec
from results.ties import TEST

SMALL_TIERS = ("smoke", "demo", "mini")
"""Tiers whose networks, budgets and presets are ours and not a paper's."""

TIES, REMARK = "Ties", "Remark"
"""Subjects of notes that stand whatever else a table shows."""

UNKNOWN = "not recorded"
TO = "\N{EN DASH}"

Claims = Sequence[tuple[ColumnSpec, Claim]]


def caption(spec: PaperSpec, selection: Selection, seeds: Sequence[int], published: bool = True) -> str:
    """Tier, metric, statistic, seeds and the number of tasks, in one paragraph."""
    tasks, statistic = selection.runs["task"].nunique(), selection.statistic
    beside = ", beside the published value" if published else ""
    if set(selection.runs["dataset"]) <= {NO_DATA}:
        return f"{spec.metric_words}{beside}."
    many = f"mean ± sample standard deviation over {len(seeds)} seeds ({ranges(seeds)})"
    spread = many if len(seeds) > 1 else f"one seed ({seeds[0]})"
    return (
        f"Tier {selection.tier or UNKNOWN}, {tasks} of {counted(len(spec.tasks), 'task')}. "
        f"{spec.metric_words} {STATISTICS[statistic]} ({statistic}): {spread}{beside}."
    )


def notes(
    spec: TableSpec,
    selection: Selection,
    columns: Sequence[ColumnSpec],
    claims: Claims,
    has_total: bool,
    has_ties: bool = False,
) -> tuple[Note, ...]:
    """Everything else that belongs under the table, in the order in which a reader asks for it."""
    found = [
        *standing_notes(spec.claims, selection),
        *run_notes(selection, {column.id: column.label for column in columns if column.id is not None}),
        Note("Published", _published(claims)),
        Note("Total", _total(spec, has_total)),
        *closing_notes(spec, has_ties),
    ]
    return tuple(note for note in found if note.text)


def closing_notes(spec: PaperSpec, has_ties: bool) -> tuple[Note, ...]:
    """What the marks of ties mean, and what the specification itself has to say."""
    ties = [Note(TIES, f"{TIED} {TEST}")] if has_ties else []
    return (*ties, *(Note(REMARK, text) for text in spec.remarks))


def standing_notes(claims: ClaimsSpec, selection: Selection) -> tuple[Note, ...]:
    """What the numbers can say at all: beside published ones on other data, and at a small tier."""
    return (Note("Comparison", _comparison(claims, selection.runs)), Note("Tier", _tier(selection.tier)))


def run_notes(selection: Selection, labels: dict[str, str], by: str = "variant") -> tuple[Note, ...]:
    """What the runs shown say of their making. `labels` heads their variants.

    Where runs differ in protocol, precision or preset, each value names those it is of: their variants, or their tasks
    (`by="task"`).
    """
    runs = selection.runs
    heads = labels if by == "variant" else {name: name for name in runs[by]}
    found = [
        Note("Environment", _environments(runs)),
        Note("Data", _data(runs)),
        Note("Remarks on data", _data_remarks(runs)),
        Note("Protocol", _by_column(runs, "protocol", heads, by)),
        Note("Precision", _precision(runs, heads, by)),
        Note("Presets", _by_column(runs, "preset", heads, by)),
        Note("Models", _models(runs, heads, by)),
        Note("Reconstruction", _reconstructions(runs, labels)),
        Note("Read from", f"{', '.join(sources(runs['place']))}." if "place" in runs else ""),
        Note("Left out", _left_out(selection.remarks)),
    ]
    return tuple(note for note in found if note.text)


def _comparison(claims: ClaimsSpec, runs: pd.DataFrame) -> str:
    kinds = sorted(set(label_of(runs, "data_kind")) - {claims.data_kind})
    if not kinds or not any(claims.tables.values()):
        return ""
    return (
        f"Ours is measured on {' and '.join(kinds)} data, the published values on {claims.dataset}. "
        "The two are not comparable and are never judged against each other."
    )


def _tier(tier: str) -> str:
    if tier not in SMALL_TIERS:
        return ""
    return (
        f"'{tier}' is a small tier: small networks, few steps and presets of this suite. "
        "It shows that the methods run and learn; it says nothing about published rankings."
    )


def _environments(runs: pd.DataFrame) -> str:
    """`Hopper-v5, Walker2d-v5 (gymnasium 1.4.0, mujoco 3.17.0)`: equal versions are said once."""
    by_version: dict[str, list[str]] = {}
    for text in label_of(runs, "environment").unique():
        name, _, versions = text.partition(", ")
        by_version.setdefault(versions, []).append(name)
    parts = [", ".join(names) + (f" ({versions})" if versions else "") for versions, names in by_version.items()]
    return "; ".join(parts) + "."


def _data(runs: pd.DataFrame) -> str:
    """Every set by name, kind and hash; a name that does not say its task is told it. Empty where no run needs data."""
    runs = runs[runs["dataset"] != NO_DATA]
    if runs.empty:
        return ""
    kinds: dict[str, list[str]] = {}
    for task, name, kind, digest in zip(
        runs["task"], runs["dataset"], label_of(runs, "data_kind"), runs["dataset_hash"], strict=True
    ):
        text = f"{'' if task in name else task + ': '}{name} ({digest[:8]})"
        kinds.setdefault(kind, [])
        if text not in kinds[kind]:
            kinds[kind].append(text)
    return "; ".join(f"{kind}, with the start of its sha256: {', '.join(names)}" for kind, names in kinds.items()) + "."


def _data_remarks(runs: pd.DataFrame) -> str:
    """What a reader must know of some sets, each remark with its tasks."""
    tasks: dict[str, list[str]] = {}
    remarks = runs["data_remark"] if "data_remark" in runs else [""] * len(runs)
    for task, remark in zip(runs["task"], remarks, strict=True):
        if remark and task not in tasks.setdefault(remark, []):
            tasks[remark].append(task)
    return "; ".join(f"{', '.join(names)}: {remark}" for remark, names in tasks.items()) + ("." if tasks else "")


def _precision(runs: pd.DataFrame, heads: dict[str, str], by: str) -> str:
    return "" if set(label_of(runs, "precision")) == {"fp32"} else _by_column(runs, "precision", heads, by)


def _models(runs: pd.DataFrame, heads: dict[str, str], by: str) -> str:
    """The names of models whose size is a setting: a narrow one must not pass for the paper's."""
    return "" if set(label_of(runs, "model")) == {UNKNOWN} else _by_column(runs, "model", heads, by)


def _reconstructions(runs: pd.DataFrame, labels: dict[str, str]) -> str:
    rebuilt = _heads(runs.loc[label_of(runs, "reconstruction") == "true", "variant"], labels)
    if not rebuilt:
        return ""
    return f"{', '.join(rebuilt)}: no public code exists; written from the paper, what it leaves open is our choice."


def _published(claims: Claims) -> str:
    if not claims:
        return "Nothing is published for the rows shown."
    parts = []
    for table in dict.fromkeys(claim.table for _, claim in claims):
        ours = [(column.label, claim) for column, claim in claims if claim.table == table]
        parts.append(f"{table} ({_unique(claim.dataset for _, claim in ours)}).")
        quoted = _unique(label for label, claim in ours if claim.certainty == "quoted")
        silent = _unique(label for label, claim in ours if claim.statistic == "unspecified")
        spreads = _unique(label for label, claim in ours if claim.spread is not None and claim.spread_kind == "unknown")
        seeds = {label: claim.n_seeds for label, claim in ours if claim.n_seeds is not None}
        if quoted and quoted == silent:
            parts.append(f"It quotes {quoted} from other papers, without saying which statistic they report.")
        elif quoted or silent:
            parts.append(
                f"Quoted there from other papers: {quoted or 'none'}; statistic not stated: {silent or 'none'}."
            )
        if spreads:
            parts.append(f"What the ± of {spreads} is, is not stated.")
        if seeds:
            labels = {n: ", ".join(label for label in seeds if seeds[label] == n) for n in seeds.values()}
            parts.append("Seeds: " + "; ".join(f"{n} ({names})" for n, names in labels.items()) + ".")
    return " ".join(parts)


def _total(spec: TableSpec, has_total: bool) -> str:
    if spec.total is None and all(group.total is None for group in spec.groups):
        return ""
    if spec.total is not None and not has_total:
        return f"None: it needs all {len(spec.tasks)} tasks."
    return "Ours is a sum only where every task has all seeds; the published one is as printed."


def _left_out(remarks: Sequence[str]) -> str:
    return f"Runs of versions since replaced: {'; '.join(remarks)}." if remarks else ""


def _by_column(runs: pd.DataFrame, label: str, heads: dict[str, str], by: str) -> str:
    """`demo` where all agree; else `demo (BC, IQL); official (CQL)`."""
    values = label_of(runs, label)
    found = list(dict.fromkeys(values))
    if len(found) == 1:
        return f"{found[0]}."
    columns = {value: ", ".join(_heads(runs.loc[values == value, by], heads)) for value in found}
    return "; ".join(f"{value} ({names})" for value, names in columns.items()) + "."


def _heads(names: Iterable[str], heads: dict[str, str]) -> list[str]:
    """Heads of what some runs belong to, in their order."""
    present = set(names)
    return [label for name, label in heads.items() if name in present]


def label_of(runs: pd.DataFrame, label: str) -> pd.Series:
    """A label of every run; what a run does not say is named as such."""
    if label not in runs:
        return pd.Series(UNKNOWN, index=runs.index, dtype=object)
    return runs[label].replace("", UNKNOWN)


def ranges(numbers: Sequence[int]) -> str:
    """`0–4, 7` for 0, 1, 2, 3, 4, 7."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(low) if low == high else f"{low}{TO}{high}" for low, high in spans)


def _unique(texts: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(texts))
