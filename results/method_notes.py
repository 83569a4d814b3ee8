"""What a table of methods must state with its numbers: its caption, notes and the texts of its footnotes."""

from __future__ import annotations

from collections.abc import Sequence

from results.caption import caption, closing_notes, run_notes, standing_notes
from results.gain import FEWEST_SEEDS
from results.method_spec import MethodTableSpec
from results.published import Claim
from results.selection import Selection
from results.table import Note

SHORT_OF_SEEDS = f"Fewer than {FEWEST_SEEDS} seeds: no interval, and nothing is said of noise."


def caption_of(spec: MethodTableSpec, selection: Selection, published: bool) -> str:
    """Tier, metric, statistic, seeds and the number of tasks."""
    return caption(spec, selection, sorted(set(selection.runs["seed"])), published=published)


def notes_of(
    spec: MethodTableSpec, selection: Selection, claims: Sequence[Claim], has_ties: bool = False
) -> tuple[Note, ...]:
    """Everything else under the table; `claims` are those shown."""
    labels = {row.id: row.label for row in spec.rows if row.id is not None}
    found = [
        *standing_notes(spec.claims, selection),
        Note("Gain", _gain(spec)),
        Note("Published gain", _published_gain(spec) if claims else ""),
        *run_notes(selection, labels),
        Note("Published", _published(claims)),
        *closing_notes(spec, has_ties),
    ]
    return tuple(note for note in found if note.text)


def claim_footnote(claim: Claim, task: str) -> str:
    """What a reader must know of a claim shown for a published task: how certain it is, and whether it is of another task.

    Empty for one that stands in the authors' own text for that task.
    """
    parts = []
    if claim.certainty != "read":
        judged = "" if claim.certainty == "quoted" else ", never judged"
        parts.append(f"{claim.certainty}{judged}: {claim.source}")
    if claim.task != task:
        parts.append(f"published for {claim.task}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def diverged(seeds: Sequence[int]) -> str:
    """The footnote of a row with diverged runs."""
    if not seeds:
        return ""
    return f"Seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))} diverged; the figures count in the means."


def short(runs: int, seeds: int) -> str:
    """The footnote of a row with fewer seeds than its group has."""
    return f"{runs} of {seeds} seeds." if runs < seeds else ""


def no_gain(label: str, has_runs: bool) -> str:
    """The footnote of a gain that cannot be: no seed in common with the reference, or no run of it."""
    if has_runs:
        return f"No gain: no seed in common with the {label}."
    return f"No gain: there is no run of the {label} here."


def _gain(spec: MethodTableSpec) -> str:
    parts = []
    for column in spec.columns:
        if column.over is not None:
            label = spec.row(column.over).label
            parts.append(
                f"'{column.label}' is {column.metric} less that of the {label} of the same seed, the mean over seeds with its "
                f"95 % interval (Student's t over the paired differences; none below {FEWEST_SEEDS} seeds). A gain whose "
                f"interval contains 0 is within noise."
            )
    return " ".join(parts)


def _published_gain(spec: MethodTableSpec) -> str:
    gains = {
        column.metric: spec.row(column.over).label
        for column in spec.columns
        if column.over is not None and column.claim is not None
    }
    return " ".join(
        f"{metric} less that of the {label} in the same published table." for metric, label in gains.items()
    )


def _published(claims: Sequence[Claim]) -> str:
    """Tables with their data, and what they do not say."""
    if not claims:
        return ""
    tables: dict[str, list[str]] = {}
    for claim in claims:
        names = tables.setdefault(claim.dataset, [])
        if claim.table not in names:
            names.append(claim.table)
    parts = ["; ".join(f"{', '.join(names)} ({dataset})" for dataset, names in tables.items()) + "."]
    if all(claim.statistic == "unspecified" for claim in claims):
        parts.append("None says which statistic it reports.")
    if all(claim.spread is None and claim.n_seeds is None for claim in claims):
        parts.append("None gives a spread or a number of runs.")
    return " ".join(parts)
