"""The verdicts of a figure of learning curves as a table; its notes are the figure's caption."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from results.caption import label_of, ranges, run_notes
from results.curve_verdict import FEWEST_SEEDS, WINDOW, Judgement
from results.curves import OurCurves, Panel
from results.figure_spec import CurvesSpec
from results.render.wording import counted
from results.selection import Selection
from results.table import Cell, ColumnGroup, Footnotes, HeaderCell, Note, Row, RowGroup, Table
from results.verdict.words import Direction

NOT_RUN = "not run yet"


def curve_table(spec: CurvesSpec, selection: Selection, panels: Sequence[Panel]) -> Table:
    """A row per task: the ends of both curves, their difference, the tolerance and the verdict."""
    run = [panel for panel in panels if panel.ours is not None]
    footnotes = Footnotes()
    rows = tuple(_row(panel, footnotes) for panel in panels)
    heads = {
        "step": "to step",
        "seeds": "seeds",
        "ours": f"{spec.label}, ours",
        "published": "paper",
        "difference": "difference",
        "tolerance": "tolerance",
        "near": "curve",
        "verdict": "verdict",
    }
    return Table(
        name=spec.id,
        title=spec.title,
        caption=(
            f"Tier {selection.tier}, {len(run)} of {counted(len(panels), 'task')}. {spec.metric_label}, mean of the "
            f"last {WINDOW} evaluations: ours (± sample standard deviation over seeds), that of {spec.claims.paper}, "
            f"{spec.claims.figure}, at the same steps (± half its band), and the difference (± half its 90 % interval)."
        ),
        stub=HeaderCell("task", "task"),
        columns=tuple(ColumnGroup(HeaderCell(text, key), (HeaderCell(""),)) for key, text in heads.items()),
        groups=(RowGroup(HeaderCell(""), rows),),
        notes=_notes(spec, selection, panels),
        footnotes=footnotes.all(),
        decimals=spec.decimals,
    )


def _row(panel: Panel, footnotes: Footnotes) -> Row:
    head = HeaderCell(panel.task, panel.task)
    if panel.ours is None:
        return Row(head, (*([Cell()] * 7), Cell(remark=NOT_RUN)))
    judgement = panel.ours.judgement
    return Row(
        head,
        (
            Cell(remark=f"{judgement.last_step:,}"),
            Cell(remark=str(judgement.n)),
            Cell(judgement.ours, judgement.spread, judgement.n),
            Cell(judgement.published, judgement.half_band),
            Cell(judgement.difference, judgement.half_interval, judgement.n),
            Cell(judgement.tolerance),
            Cell(remark=f"{judgement.near}/{judgement.windows}"),
            _verdict(judgement, footnotes),
        ),
    )


def _verdict(judgement: Judgement, footnotes: Footnotes) -> Cell:
    marks = tuple(footnotes.mark(f"{reason[0].upper()}{reason[1:]}.") for reason in judgement.reasons)
    return Cell(remark=judgement.words, footnotes=marks)


def _notes(spec: CurvesSpec, selection: Selection, panels: Sequence[Panel]) -> tuple[Note, ...]:
    ours = {panel.task: panel.ours for panel in panels if panel.ours is not None}
    found = [
        Note("Verdicts", _counts(panels)),
        Note("Class", _class(spec, selection)),
        Note("Rule", rule(spec)),
        Note("Lines", _lines(spec)),
        Note("Seeds", _seeds(ours)),
        Note("Diverged", _diverged(ours)),
        *run_notes(selection, {spec.variant: spec.label}, by="task"),
        Note("Published", f"{spec.claims.paper}, {spec.claims.figure} ({spec.claims.dataset}). {spec.claims.about}"),
    ]
    return tuple(note for note in found if note.text)


def rule(spec: CurvesSpec) -> str:
    """How a verdict comes about, in words; `results.curve_verdict.judge` is the rule itself."""
    limits = spec.judgement
    return (
        f"Each seed's mean over the last {WINDOW} evaluations is compared with the paper's mean of the same steps. The tolerance "
        f"is {limits.tolerance:g} points, or the half-width of the paper's band where that is wider. Agrees: the 90 % interval "
        "(Student's t over seeds; the paper's curve counts as exact) of the difference lies within the tolerance. Disagrees: it "
        "lies wholly outside. Undecided: it covers an edge, or there are fewer than "
        f"{FEWEST_SEEDS} seeds, or a seed did not learn (none of its {WINDOW}-evaluation means reaches {limits.learned:g}); our "
        f"mean is then still said to be inside or outside. 'Curve' counts the {WINDOW}-evaluation moving means of our "
        "mean curve that are within the tolerance of the paper's at the same steps."
    )


def _counts(panels: Sequence[Panel]) -> str:
    count = Counter(panel.ours.judgement.direction for panel in panels if panel.ours is not None)
    missing = [panel.task for panel in panels if panel.ours is None]
    counts = ", ".join(f"{count[direction]} {direction.value}" for direction in Direction)
    return f"{counts}, {len(missing)} {NOT_RUN}" + (f" ({', '.join(missing)})." if missing else ".")


def subtitle(spec: CurvesSpec, selection: Selection) -> str:
    """What a figure must say even where its caption is lost."""
    return (
        f"Ours: tier {selection.tier}, {_kinds(selection)} data; the paper's: {spec.claims.dataset}. "
        "Verdicts of direction, never of reproduction."
    )


def _class(spec: CurvesSpec, selection: Selection) -> str:
    return (
        f"Direction only: ours runs on {_kinds(selection)} data at tier {selection.tier}, the paper's on "
        f"{spec.claims.dataset}. Such a verdict is never one of reproduction and is never counted with those."
    )


def _kinds(selection: Selection) -> str:
    return " and ".join(sorted(set(label_of(selection.runs, "data_kind"))))


def _lines(spec: CurvesSpec) -> str:
    return (
        f"Ours: thin lines are seeds, the thick line is their mean, its band one sample standard deviation (ddof 1) over "
        f"{spec.label}'s seeds (none for one seed). The paper's mean is dashed, its band as drawn there. The dotted box marks "
        "the steps and the tolerance of the verdict."
    )


def _seeds(ours: dict[str, OurCurves]) -> str:
    tasks: dict[str, list[str]] = {}
    for task, curves in ours.items():
        tasks.setdefault(ranges(curves.seeds), []).append(task)
    return "; ".join(f"{seeds} ({', '.join(names)})" for seeds, names in tasks.items()) + "."


def _diverged(ours: dict[str, OurCurves]) -> str:
    parts = [f"{task} seed {seed}" for task, curves in ours.items() for seed in curves.diverged]
    return f"{', '.join(parts)}; a diverged run keeps its seat with an end of 0." if parts else ""
