"""What a figure shows: `results/figures/*.yaml`, checked. The key `kind` says which of the models below a file must fit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from results.selection import Scope
from results.spec_file import Part, Text, read_spec, spec_names

FOLDER = Path(__file__).parent / "figures"

Steps = Annotated[int, Field(gt=0)]
Decimals = Annotated[int, Field(ge=0, le=6)]
Positive = Annotated[float, Field(gt=0)]


# -- parts


class Series(Part):
    """A variant of our runs (`id`) with its name in the figure, and its name among what is published (None: nothing is)."""

    id: Text
    label: Text
    claim: Text | None = None


class StepAxis(Part):
    """The x axis: its label with the unit, and how many steps make one unit."""

    label: Text
    unit: Steps = 1


class CurveSource(Part):
    """Published curves: a file of `results/published` and the figure there.

    `paper` and `dataset` name the source and the data behind it; `about` says what a reader must know of its line and band.
    """

    file: Text
    paper: Text
    figure: Text
    dataset: Text
    about: Text


class ClaimSource(Part):
    """Published numbers: the claim tables of the figure's family, the first that has a number wins; `dataset` is behind them."""

    dataset: Text
    tables: Annotated[list[Text], Field(min_length=1)]


class FigureSpec(Part):
    """What every figure says, whatever its kind. Runs are selected by `metric`, a run without it has no place in the figure.

    Without `tier` the figure shows the one tier that has runs. `statistic` is that of a run's score.
    """

    id: Text
    title: Text
    family: Text
    metric: Text
    metric_label: Text
    decimals: Decimals = 1
    statistic: Literal["last", "final10", "best"] = "last"
    tier: Text | None = None

    @property
    def scope(self) -> Scope:
        """What its runs may be."""
        raise NotImplementedError

    def _scope(self, tasks: Sequence[str], variants: Sequence[str]) -> Scope:
        return Scope(f"figure {self.id}", self.family, self.metric, list(dict.fromkeys(tasks)), variants)


def once(kind: str, names: Sequence[str]) -> None:
    """Raise ValueError where a name is listed twice."""
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{kind} '{name}' is listed twice")


def published_once(series: Sequence[Series], source: object, where: str) -> None:
    """Raise ValueError where series name what is published and the file does not say where."""
    named = next((each.claim for each in series if each.claim is not None), None)
    if named is not None and source is None:
        raise ValueError(f"'{named}' is a claim, but there is no '{where}' that says where it is published")


# -- kind: curves


class PanelSpec(Part):
    """A task of ours, its name among the published curves, and the last step that is drawn and judged (None: all)."""

    task: Text
    claim: Text
    until: Steps | None = None


class CurveClaims(CurveSource):
    """A published curve: `variant` of a source."""

    variant: Text


class JudgementSpec(Part):
    """The two thresholds of the verdict, in units of the metric: see `results.curve_verdict`."""

    tolerance: Positive
    learned: float


class CurvesSpec(FigureSpec):
    """Curves of one variant of our runs (`variant`, headed `label`) over published ones, judged, a panel per task."""

    kind: Literal["curves"]
    tier: Text
    variant: Text
    label: Text
    claims: CurveClaims
    judgement: JudgementSpec
    steps: StepAxis
    tasks: Annotated[list[PanelSpec], Field(min_length=1)]

    @model_validator(mode="after")
    def _once(self) -> CurvesSpec:
        once("task", [panel.task for panel in self.tasks])
        return self

    @property
    def scope(self) -> Scope:
        return self._scope([panel.task for panel in self.tasks], [self.variant])


# -- kind: learning-curves


class LearningTask(Part):
    """A task of ours as a panel; its name among the published curves (None: none there), and the last step drawn (None: all)."""

    task: Text
    claim: Text | None = None
    until: Steps | None = None


class LearningCurvesSpec(FigureSpec):
    """Curves of several variants over seeds with intervals, a panel per task, over published ones where `curves` has them."""

    kind: Literal["learning-curves"]
    variants: Annotated[list[Series], Field(min_length=1)]
    tasks: Annotated[list[LearningTask], Field(min_length=1)]
    steps: StepAxis
    curves: CurveSource | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> LearningCurvesSpec:
        once("task", [panel.task for panel in self.tasks])
        once("variant", [series.id for series in self.variants])
        published_once(self.variants, self.curves, "curves")
        return self

    @property
    def scope(self) -> Scope:
        return self._scope([panel.task for panel in self.tasks], [series.id for series in self.variants])


# -- kind: scatter


class ScatterAxis(Part):
    """A metric of the runs, divided by `divisor`, and its name among the claims (None: nothing published has a place).

    `claims`: its names among the published tasks where they are not the panel's (a model's cost belongs to no protocol).
    """

    metric: Text
    label: Text
    claim: Text | None = None
    claims: list[Text] = []
    divisor: Positive = 1.0
    decimals: Decimals = 1
    log: bool = False


class ScatterPanel(Part):
    """A task tested in one way: `suffix` follows the y metric's name (`:vga640`), `claims` are its names among published tasks.

    One panel is one protocol: what was tested otherwise never stands in it. `wide`: it takes a row of its own.
    """

    task: Text
    label: Text
    suffix: str = ""
    claims: list[Text] = []
    wide: bool = False


class ScatterSpec(FigureSpec):
    """One figure of merit against another, a panel per test protocol: a point per variant of ours, and per published method."""

    kind: Literal["scatter"]
    x: ScatterAxis
    y: ScatterAxis
    variants: Annotated[list[Series], Field(min_length=1)]
    panels: Annotated[list[ScatterPanel], Field(min_length=1)]
    claims: ClaimSource | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> ScatterSpec:
        once("variant", [series.id for series in self.variants])
        once("panel", [panel.task + panel.suffix for panel in self.panels])
        published_once(self.variants, self.claims, "claims")
        if self.claims is not None and (self.x.claim is None or self.y.claim is None):
            raise ValueError("with 'claims', both axes need the name of their metric among them: x.claim and y.claim")
        return self

    @property
    def scope(self) -> Scope:
        return self._scope([panel.task for panel in self.panels], [series.id for series in self.variants])


# -- kinds: aggregates, profile


class ManyTasksSpec(FigureSpec):
    """Scores of several variants on many tasks in one unit; `scale` is the score that counts as 1.0 (an expert's)."""

    variants: Annotated[list[Series], Field(min_length=1)]
    tasks: Annotated[list[Text], Field(min_length=1)]
    scale: Positive = 100.0

    @model_validator(mode="after")
    def _once(self) -> ManyTasksSpec:
        once("task", self.tasks)
        once("variant", [series.id for series in self.variants])
        named = next((series.claim for series in self.variants if series.claim is not None), None)
        if named is not None:
            raise ValueError(f"'{named}' is a claim; papers print no scores by seed, this kind shows our runs alone")
        return self

    @property
    def scope(self) -> Scope:
        return self._scope(self.tasks, [series.id for series in self.variants])


AggregateName = Literal["iqm", "mean", "median", "optimality_gap"]


class AggregatesSpec(ManyTasksSpec):
    """Aggregates over tasks with stratified bootstrap intervals, and how often `under_test` beats each other variant."""

    kind: Literal["aggregates"]
    under_test: Text
    aggregates: Annotated[list[AggregateName], Field(min_length=1)]

    @model_validator(mode="after")
    def _known(self) -> AggregatesSpec:
        once("aggregate", self.aggregates)
        if self.under_test not in [series.id for series in self.variants]:
            raise ValueError(f"under_test is '{self.under_test}', which is the id of no variant")
        return self


class Thresholds(Part):
    """`count` thresholds from `first` to `last`, in units of the reference."""

    first: float = 0.0
    last: float
    count: Annotated[int, Field(ge=2, le=1000)] = 121

    @model_validator(mode="after")
    def _ascend(self) -> Thresholds:
        if self.first >= self.last:
            raise ValueError(f"thresholds go from {self.first:g} to {self.last:g}; they must ascend")
        return self


class ProfileSpec(ManyTasksSpec):
    """Performance profiles: the share of runs above each threshold, with a bootstrap band."""

    kind: Literal["profile"]
    thresholds: Thresholds


# -- kind: bars


class BarSeries(Series):
    """A variant as a bar or, with `at`, as a point where a setting has that value."""

    at: float | None = None


class BarTask(Part):
    """A task of ours as a panel (`label`, by default the task), and its name among what is published (None: nothing is)."""

    task: Text
    label: str = ""
    claim: Text | None = None

    @property
    def head(self) -> str:
        """The head in words."""
        return self.label or self.task.replace("->", " → ")


class BarsSpec(FigureSpec):
    """A score per variant with its interval over seeds, a panel per task: bars, or points along the axis `setting`.

    `over` makes the score a gain over that variant, paired by seed. Published beside it: ends of published curves (`curves`),
    or claims of tables (`claims`).
    """

    kind: Literal["bars"]
    variants: Annotated[list[BarSeries], Field(min_length=1)]
    tasks: Annotated[list[BarTask], Field(min_length=1)]
    over: Text | None = None
    setting: Text | None = None
    curves: CurveSource | None = None
    claims: ClaimSource | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> BarsSpec:
        once("task", [task.task for task in self.tasks])
        once("variant", [series.id for series in self.variants])
        if self.curves is not None and self.claims is not None:
            raise ValueError("published values come from 'curves' or from 'claims', not from both")
        published_once(self.variants, self.curves or self.claims, "curves' or 'claims")
        placed = [series.at is not None for series in self.variants]
        if any(placed) != (self.setting is not None) or any(placed) != all(placed):
            raise ValueError("'setting' labels the values 'at' which variants stand: give it and every 'at', or none")
        if self.over is not None and self.over not in [series.id for series in self.variants]:
            raise ValueError(f"over is '{self.over}', which is the id of no variant")
        return self

    @property
    def scope(self) -> Scope:
        return self._scope([task.task for task in self.tasks], [series.id for series in self.variants])


KINDS: dict[str, type[FigureSpec]] = {
    "curves": CurvesSpec,
    "learning-curves": LearningCurvesSpec,
    "scatter": ScatterSpec,
    "aggregates": AggregatesSpec,
    "profile": ProfileSpec,
    "bars": BarsSpec,
}


def figure_names() -> list[str]:
    """The figures of the suite."""
    return spec_names(FOLDER)


def load_figure(name: str) -> FigureSpec:
    """A figure of the suite by its name, or anybody's by the path of its YAML file; raises RepriseError."""
    return read_spec(KINDS, "figure", name, FOLDER, key="kind")
