"""What a figure of learning curves shows: `results/figures/*.yaml`, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from results.selection import Scope
from results.spec_file import Part, Text, read_spec, spec_names

FOLDER = Path(__file__).parent / "figures"

Steps = Annotated[int, Field(gt=0)]


class PanelSpec(Part):
    """A task of ours, its name among the published curves, and the last step that is drawn and judged (None: all)."""

    task: Text
    claim: Text
    until: Steps | None = None


class CurveClaims(Part):
    """Where the published curves come from: a file of `results/published`, and the figure and variant there.

    `paper` and `dataset` name the source and the data behind it; `about` says what a reader must know of its line and band.
    """

    file: Text
    paper: Text
    figure: Text
    variant: Text
    dataset: Text
    about: Text


class JudgementSpec(Part):
    """The two thresholds of the verdict, in units of the metric: see `results.curve_verdict`."""

    tolerance: Annotated[float, Field(gt=0)]
    learned: float


class StepAxis(Part):
    """The x axis: its label with the unit, and how many steps make one unit."""

    label: Text
    unit: Steps = 1


class FigureSpec(Part):
    """Curves of one variant of our runs (`variant`, headed `label`) over published ones, a panel per task."""

    id: Text
    title: Text
    family: Text
    metric: Text
    metric_label: Text
    decimals: Annotated[int, Field(ge=0, le=6)] = 1
    tier: Text
    variant: Text
    label: Text
    claims: CurveClaims
    judgement: JudgementSpec
    steps: StepAxis
    tasks: Annotated[list[PanelSpec], Field(min_length=1)]

    @model_validator(mode="after")
    def _once(self) -> FigureSpec:
        names = [panel.task for panel in self.tasks]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"task '{name}' is listed twice")
        return self

    @property
    def scope(self) -> Scope:
        """What its runs may be."""
        tasks = [panel.task for panel in self.tasks]
        return Scope(f"figure {self.id}", self.family, self.metric, tasks, [self.variant])


def figure_names() -> list[str]:
    """The figures of the suite."""
    return spec_names(FOLDER)


def load_figure(name: str) -> FigureSpec:
    """A figure of the suite by its name, or anybody's by the path of its YAML file; raises RepriseError."""
    return read_spec(FigureSpec, "figure", name, FOLDER)
