"""Specifications of figures: every committed one draws on made-up runs, and a fault is named with file, line and key."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.base import RepriseError
from results import published_curves
from results.figure_kinds import drawn
from results.figure_spec import FOLDER, KINDS, CurvesSpec, figure_names, load_figure
from results.plots.runs import Request
from results.render.figures.style import encode

ORIGINALS = {path.stem: path.read_text() for path in FOLDER.glob("*.yaml")}


Maker = Callable[..., pd.DataFrame]


def cut_off(figure: Figure) -> list[str]:
    """What reaches beyond the sheet: titles, names, legends, and the axes with their drawn ticks."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    boxes = {f"legend {each}": legend.get_window_extent(renderer) for each, legend in enumerate(figure.legends)}
    for axes in figure.axes:
        if not axes.axison:
            continue
        title = axes.get_title(loc="left")
        boxes |= {f"{title} {axis.axis_name}": axis.get_tightbbox(renderer) for axis in (axes.xaxis, axes.yaxis)}
        boxes |= {
            text.get_text(): text.get_window_extent(renderer)
            for text in (*axes.texts, axes._left_title)
            if text.get_text()
        }
    boxes |= {text.get_text(): text.get_window_extent(renderer) for text in figure.texts}
    far = figure.bbox
    drawn_there = {name: box for name, box in boxes.items() if box is not None}  # an axis without ticks has none
    return [
        name
        for name, box in drawn_there.items()
        if box.x0 < -1 or box.y0 < -1 or box.x1 > far.x1 + 1 or box.y1 > far.y1 + 1
    ]


@pytest.mark.parametrize("name", figure_names())
def test_every_figure_of_the_suite_draws_and_cuts_nothing_off(name: str, made_up: Maker) -> None:
    spec = load_figure(name)
    assert spec.id == name
    made = drawn(spec, Request(made_up(spec)))
    assert cut_off(made.figure) == []
    assert made.tier == (spec.tier or "mini")
    numbers = [cell.value for row in made.table.rows() for cell in row.cells if cell.value is not None]
    assert numbers


@pytest.mark.parametrize("name", ["ilq-profile", "ilq-delta", "synthfaces-accuracy-cost"])
def test_equal_runs_give_an_equal_svg(name: str, made_up: Maker) -> None:
    spec = load_figure(name)
    one, other = (encode(drawn(spec, Request(made_up(spec))).figure, "svg") for _ in range(2))
    assert one.startswith(b"<?xml")
    assert one == other


@pytest.mark.parametrize("name", figure_names())
def test_every_figure_says_clearly_that_there_are_no_runs_or_shows_what_is_published(name: str, made_up: Maker) -> None:
    spec = load_figure(name)
    nothing = Request(made_up(spec).iloc[:0])
    if getattr(spec, "kind", "") in ("scatter", "bars") and (
        getattr(spec, "claims", None) or getattr(spec, "curves", None)
    ):
        made = drawn(spec, nothing)
        assert made.tier == "published"
        assert any("Ours: not run yet." in text.get_text() for text in made.figure.texts)
        return
    with pytest.raises(RepriseError, match=f"figure {name}: .*no finished run.*`reprise run` makes"):
        drawn(spec, nothing)


def test_every_kind_has_a_figure_in_the_suite() -> None:
    assert {type(load_figure(name)) for name in figure_names()} == set(KINDS.values())


@pytest.mark.parametrize("name", [name for name in figure_names() if isinstance(load_figure(name), CurvesSpec)])
def test_a_curves_figure_finds_its_published_curves(name: str) -> None:
    spec = load_figure(name)
    assert isinstance(spec, CurvesSpec)
    curves = published_curves.load(spec.claims.file)
    assert {(spec.claims.figure, panel.claim, spec.claims.variant) for panel in spec.tasks} <= set(curves)


BAD: list[tuple[str, str, str, str]] = [
    ("ilq-early", "kind: curves\n", "", "kind: Field required; valid: curves, learning-curves, scatter"),
    ("ilq-early", "kind: curves", "kind: curve", "unknown kind 'curve'; did you mean 'curves'"),
    ("ilq-profile", "thresholds: {first: 0.0, last: 1.2", "thresholds: {first: 2.0, last: 1.2", "they must ascend"),
    ("ilq-profile", "count: 121", "cout: 121", "thresholds.cout: unknown key 'cout'; did you mean 'count'"),
    ("ilq-profile", "  - hopper-random", "  - halfcheetah-random", "task 'halfcheetah-random' is listed twice"),
    (
        "ilq-profile",
        "{id: bc, label: BC}",
        "{id: bc, label: BC, claim: BC}",
        "'BC' is a claim; papers print no scores by seed",
    ),
    ("ilq-aggregates", "under_test: ilq", "under_test: ilk", "under_test is 'ilk', which is the id of no variant"),
    ("ilq-aggregates", "[iqm,", "[iqn,", "aggregates.0: Input should be 'iqm', 'mean'"),
    ("ilq-aggregates", "scale: 100.0", "scale: 0.0", "scale: Input should be greater than 0"),
    ("ilq-curves-mini", "{id: mcq,", "{id: ilq,", "variant 'ilq' is listed twice"),
    ("ilq-curves-mini", "unit: 1000", "unit: 0", "steps.unit: Input should be greater than 0"),
    ("face-accuracy-cost", "claim: gmacs_640, ", "", "both axes need the name of their metric"),
    ("face-accuracy-cost", 'suffix: ":orig"', 'suffix: ":vga640"', "panel 'wider-face:vga640' is listed twice"),
    ("ilq-delta", "at: 0.5, ", "", "give it and every 'at', or none"),
    ("ilq-delta", "setting: δ\n", "", "give it and every 'at', or none"),
    ("distillation-gain-synth", "over: plain", "over: plane", "over is 'plane', which is the id of no variant"),
    ("distillation-gain-synth", "label: FGD}", "label: FGD, claim: FGD}", "'FGD' is a claim, but there is no"),
]


@pytest.mark.parametrize(("name", "old", "new", "message"), BAD)
def test_a_bad_specification_is_named_with_file_and_line(
    tmp_path: Path, name: str, old: str, new: str, message: str
) -> None:
    text = ORIGINALS[name]
    assert old in text
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(RepriseError) as caught:
        load_figure(str(path))
    assert re.search(r"mine\.yaml:\d+: ", str(caught.value))
    assert message in str(caught.value)


UNKNOWN: list[tuple[str, str, str, str]] = [
    ("ilq-curves-mini", "figure: Fig. 6", "figure: Fig. 7", "unknown figure among the published curves 'Fig. 7'"),
    ("ilq-curves-mini", "claim: hopper-random-v2", "claim: hoper-random-v2", "hoper-random-v2'; did you mean"),
    ("ilq-delta", "figure: Fig. 2", "figure: Fig. 22", "unknown figure among the published curves 'Fig. 22'"),
    ("ilq-delta", 'claim: "delta=2"', 'claim: "delta=3"', "unknown published method 'delta=3'"),
    (
        "ilq-scores",
        "tables: [ILQ paper Table 1]",
        "tables: [ILQ paper Table 11]",
        "unknown claim table 'ILQ paper Table 11'",
    ),
    ("ilq-scores", "claim: TD3+BC", "claim: TD3BC", "unknown published method 'TD3BC'"),
    ("face-accuracy-cost", "    - MogFace README", "    - MogFace READ", "unknown claim table 'MogFace READ'"),
    ("face-accuracy-cost", "claims: [original size]", "claims: [orig size]", "unknown published task 'orig size'"),
]


@pytest.mark.parametrize(("name", "old", "new", "message"), UNKNOWN)
def test_a_claim_that_does_not_exist_is_named(
    tmp_path: Path, made_up: Maker, name: str, old: str, new: str, message: str
) -> None:
    assert old in ORIGINALS[name]
    path = tmp_path / "mine.yaml"
    path.write_text(ORIGINALS[name].replace(old, new, 1))
    spec = load_figure(str(path))
    with pytest.raises(RepriseError, match=re.escape(message)):
        drawn(spec, Request(made_up(spec, seeds=1)))


def test_a_new_figure_of_a_known_kind_is_one_file(tmp_path: Path, made_up: Maker) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "kind: bars\nid: mine\ntitle: Mine\nfamily: a-new-family\nmetric: m\nmetric_label: my metric\n"
        "variants:\n  - {id: mine, label: Mine}\n  - {id: theirs, label: Theirs}\ntasks:\n  - {task: one}\n"
    )
    spec = load_figure(str(path))
    made = drawn(spec, Request(made_up(spec)))
    assert [row.header.key for row in made.table.rows()] == ["mine", "theirs"]
