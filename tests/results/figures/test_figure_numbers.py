"""What a figure draws are the numbers: artists are read back and compared with plain loops over the runs."""

from __future__ import annotations

import csv
import itertools
import math
import re
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.lines import Line2D
from scipy import stats

from results import published
from results.figure_kinds import Drawn, drawn
from results.figure_spec import FigureSpec, load_figure
from results.plots.runs import REBUILT, Request

Maker = Callable[..., pd.DataFrame]

HEAD = "title: A title\nfamily: offline_rl\nmetric: normalized_score\nmetric_label: score\n"
TWO = "variants:\n  - {id: ilq, label: ILQ}\n  - {id: bc, label: BC}\n"
CLAIMED = "variants:\n  - {id: ilq, label: ILQ, claim: ILQ}\n  - {id: bc, label: BC, claim: BC}\n"
TABLE_1 = "claims: {dataset: D4RL v2, tables: [ILQ paper Table 1]}\n"


@pytest.fixture
def spec(tmp_path: Path) -> Callable[[str], FigureSpec]:
    def make(text: str) -> FigureSpec:
        path = tmp_path / "mine.yaml"
        path.write_text(f"id: mine\n{HEAD}{text}")
        return load_figure(str(path))

    return make


def scattered(task: str, variant: str, seed: int) -> float:
    """Scores without order, but the same every time."""
    return 50 + 40 * math.sin(1 + 17 * seed + 5 * len(task) + 3 * len(variant))


def panel(made: Drawn, title: str) -> Axes:
    return next(axes for axes in made.figure.axes if axes.get_title(loc="left") == title)


def line(axes: Axes, label: str) -> Line2D:
    return next(each for each in axes.get_lines() if each.get_label() == label)


def point(axes: Axes, label: str) -> tuple[float, float]:
    (x,), (y,) = line(axes, label).get_data()
    return float(x), float(y)


def whiskers(axes: Axes) -> list[np.ndarray]:
    """The ends of every error bar, (2, 2): two points."""
    bars = [each for each in axes.containers if isinstance(each, ErrorbarContainer)]
    return [segment for bar in bars for lines in bar.lines[2] for segment in lines.get_segments()]


def bands(axes: Axes) -> list[np.ndarray]:
    """The corners of every filled band."""
    return [each.get_paths()[0].vertices for each in axes.collections if isinstance(each, PolyCollection)]


# -- learning curves

LEARNING = f"kind: learning-curves\n{TWO}steps: {{label: thousands, unit: 1000}}\ntasks:\n  - {{task: hopper-medium}}\n"


@pytest.mark.parametrize(("seeds", "n_bands"), [(1, 0), (2, 2), (3, 2)])
def test_a_learning_curve_is_the_mean_and_its_band_the_interval(
    spec: Callable[[str], FigureSpec], made_up: Maker, seeds: int, n_bands: int
) -> None:
    made = drawn(spec(LEARNING), Request(made_up(spec(LEARNING), seeds, scattered)))
    axes = panel(made, "hopper-medium")
    assert len(bands(axes)) == n_bands
    for place, variant in enumerate(("ilq", "bc")):
        scores = [scattered("hopper-medium", variant, seed) for seed in range(seeds)]
        x, y = line(axes, variant).get_data()
        assert list(x) == [5 * step for step in range(1, 21)]
        assert list(y) == pytest.approx([fmean(scores) * step / 20 for step in range(1, 21)])
        if n_bands:  # of 27 resamples of three seeds one is the lowest seed alone, 3.7 %: the interval is the range
            ends = bands(axes)[place]
            last = ends[ends[:, 0] == 100.0][:, 1]
            assert (last.min(), last.max()) == pytest.approx((min(scores), max(scores)))


def test_the_band_of_many_seeds_is_that_of_every_resample(spec: Callable[[str], FigureSpec], made_up: Maker) -> None:
    made = drawn(spec(LEARNING), Request(made_up(spec(LEARNING), 5, scattered)))
    scores = [scattered("hopper-medium", "ilq", seed) for seed in range(5)]
    means = [fmean(drawn_) for drawn_ in itertools.product(scores, repeat=5)]
    low, high = np.quantile(means, [0.025, 0.975])
    ends = bands(panel(made, "hopper-medium"))[0]
    last = ends[ends[:, 0] == 100.0][:, 1]
    assert (last.min(), last.max()) == pytest.approx((low, high), abs=0.08 * (high - low))
    assert made.table.groups[0].rows[-1].cells[0].interval == pytest.approx((last.min(), last.max()))


def test_published_curves_lie_under_ours_as_far_as_ours_go(spec: Callable[[str], FigureSpec], made_up: Maker) -> None:
    text = LEARNING.replace("{id: ilq, label: ILQ}", "{id: ilq, label: ILQ, claim: ILQ}").replace(
        "{task: hopper-medium}", "{task: hopper-medium, claim: hopper-medium-v2}"
    )
    source = "curves: {file: ilq_curves, paper: P, figure: Fig. 6, dataset: D, about: A}\n"
    made = drawn(spec(text + source), Request(made_up(spec(text + source), 3, scattered)))
    theirs = line(panel(made, "hopper-medium"), "ilq, published")
    with (published.FOLDER / "ilq_curves.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["figure"] == "Fig. 6" and row["task"] == "hopper-medium-v2"]
    kept = [(int(row["step"]), float(row["mean"])) for row in rows if int(row["step"]) <= 100_000]
    x, y = theirs.get_data()
    assert [1000 * each for each in x] == [step for step, _ in kept]
    assert list(y) == [mean for _, mean in kept]
    assert "Dashed: P, Fig. 6, its first steps (D, its own networks)" in said(made)


# -- many tasks

MANY = "tasks: [hopper-medium, walker2d-random, halfcheetah-medium-replay]\nscale: 100.0\n"


def test_aggregates_are_those_of_plain_loops(spec: Callable[[str], FigureSpec], made_up: Maker) -> None:
    text = f"kind: aggregates\n{TWO}{MANY}under_test: ilq\naggregates: [iqm, mean, median, optimality_gap]\n"
    made = drawn(spec(text), Request(made_up(spec(text), 5, scattered)))
    tasks = ["hopper-medium", "walker2d-random", "halfcheetah-medium-replay"]
    for row, variant in enumerate(("ilq", "bc")):
        scores = [[scattered(task, variant, seed) / 100 for seed in range(5)] for task in tasks]
        flat = sorted(itertools.chain(*scores))
        wanted = {
            "IQM": fmean(flat[3:12]),
            "Mean": fmean(map(fmean, scores)),
            "Median": median(map(fmean, scores)),
            "Optimality gap": 1 - fmean(min(score, 1.0) for score in flat),
        }
        for title, value in wanted.items():
            axes = panel(made, title)
            assert point(axes, variant) == pytest.approx((value, row))
            low, high = next(each.get_xdata() for each in axes.get_lines() if list(each.get_ydata()) == [row, row])
            assert low < value < high
    wins = [
        (1.0 if ours > theirs else 0.5 if ours == theirs else 0.0)
        for task in tasks
        for ours in (scattered(task, "ilq", seed) for seed in range(5))
        for theirs in (scattered(task, "bc", seed) for seed in range(5))
    ]
    assert point(panel(made, "Probability that ILQ does better"), "bc")[0] == pytest.approx(fmean(wins))
    assert made.table.groups[0].rows[1].cells[4].value == pytest.approx(fmean(wins))


def test_too_few_seeds_have_no_interval_and_the_figure_says_so(
    spec: Callable[[str], FigureSpec], made_up: Maker
) -> None:
    text = f"kind: aggregates\n{TWO}{MANY}under_test: ilq\naggregates: [iqm]\n"
    made = drawn(spec(text), Request(made_up(spec(text), 2, scattered)))
    assert all(cell.interval is None for row in made.table.rows() for cell in row.cells)
    assert "No intervals: fewer than 3 seeds." in said(made)


def test_a_task_that_a_variant_lacks_is_left_out_for_all(spec: Callable[[str], FigureSpec], made_up: Maker) -> None:
    text = f"kind: aggregates\n{TWO}{MANY}under_test: ilq\naggregates: [mean]\n"
    frame = made_up(spec(text), 3, scattered)
    frame = frame[~((frame["variant"] == "bc") & (frame["task"] == "walker2d-random"))]
    made = drawn(spec(text), Request(frame))
    kept = ["hopper-medium", "halfcheetah-medium-replay"]
    wanted = fmean(fmean(scattered(task, "ilq", seed) / 100 for seed in range(3)) for task in kept)
    assert point(panel(made, "Mean"), "ilq")[0] == pytest.approx(wanted)
    assert "Over 2 tasks that every variant has" in said(made)
    notes = {note.subject: note.text for note in made.table.notes}
    assert notes["Missing"] == "Tasks that not every variant has: walker2d-random (not run with bc)."


def test_a_profile_counts_runs_above_each_threshold(spec: Callable[[str], FigureSpec], made_up: Maker) -> None:
    text = f"kind: profile\n{TWO}{MANY}thresholds: {{first: 0.0, last: 1.0, count: 11}}\n"
    made = drawn(spec(text), Request(made_up(spec(text), 4, scattered)))
    tasks = ["hopper-medium", "walker2d-random", "halfcheetah-medium-replay"]
    (axes,) = made.figure.axes
    for variant, label in (("ilq", "ILQ"), ("bc", "BC")):
        scores = [scattered(task, variant, seed) / 100 for task in tasks for seed in range(4)]
        x, y = line(axes, label).get_data()
        assert list(x) == pytest.approx([tau / 10 for tau in range(11)])
        assert list(y) == pytest.approx([sum(score > tau for score in scores) / 12 for tau in x])
    assert len(bands(axes)) == 2


# -- scatter

SCATTER = """
kind: scatter
variants: [{id: efficientface, label: EfficientFace, claim: EfficientFace (EfficientNet-B5)}, {id: own, label: Own}]
x: {metric: gmacs_640, label: GMACs, claim: gmacs_640, claims: [model cost], log: true}
y: {metric: AP_hard, label: AP, claim: AP_hard}
claims:
  dataset: WIDER FACE val
  tables: [EfficientFace abstract, MogFace README, SCRFD README VGA, EfficientFace cost, MogFace computed cost]
panels:
  - {task: wider-face, suffix: ":vga640", label: VGA, claims: [single scale VGA], wide: true}
  - {task: wider-face, suffix: ":orig", label: original, claims: [original size]}
  - {task: wider-face, suffix: ":unknown", label: not stated, claims: [unknown]}
"""


@pytest.fixture
def scatter(tmp_path: Path) -> FigureSpec:
    path = tmp_path / "scatter.yaml"
    head = HEAD.replace("offline_rl", "face_detection").replace("normalized_score", "AP_hard:orig")
    path.write_text(f"id: scatter\n{head}{SCATTER}")
    return load_figure(str(path))


def claims_csv() -> list[dict[str, str]]:
    with (published.FOLDER / "face_detection.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_published_points_are_the_methods_with_both_numbers_under_that_protocol(
    scatter: FigureSpec, made_up: Maker
) -> None:
    made = drawn(scatter, Request(made_up(scatter).iloc[:0]))
    rows = [row for row in claims_csv() if row["table"] in SCATTER]
    costs = {row["method"]: float(row["value"]) for row in rows if row["metric"] == "gmacs_640"}
    protocols = {"VGA": "single scale VGA", "original": "original size", "not stated": "unknown"}
    for title, protocol in protocols.items():
        wanted = {
            row["method"]: (costs[row["method"]], float(row["value"]))
            for row in rows
            if row["metric"] == "AP_hard" and row["task"] == protocol and row["method"] in costs
        }
        axes = panel(made, title)
        labels = [str(each.get_label()) for each in axes.get_lines()]
        found = {label.removesuffix(", published"): point(axes, label) for label in labels}
        assert found == wanted
        assert wanted
        assert {each.get_markerfacecolor() for each in axes.get_lines()} == {"white"}
        assert {text.get_text() for text in axes.texts} - {""} == set(wanted)


def test_our_points_are_means_with_the_sample_deviation_and_keep_their_protocol(
    scatter: FigureSpec, made_up: Maker
) -> None:
    frame = made_up(scatter, 3, scattered)
    frame = frame[~((frame["metric"] == "AP_hard:vga640") & (frame["variant"] == "own"))]
    made = drawn(scatter, Request(frame))
    for title, variants in (("VGA", ["efficientface"]), ("original", ["efficientface", "own"])):
        bars = [each for each in panel(made, title).containers if isinstance(each, ErrorbarContainer)]
        assert [bar.get_label() for bar in bars] == variants
        for bar in bars:
            scores = [scattered("wider-face", bar.get_label(), seed) for seed in range(3)]
            ((x,), (y,)) = bar.lines[0].get_data()
            assert (x, y) == pytest.approx((1 + fmean(scores), fmean(scores)))
            ends = bar.lines[2][0].get_segments()[0][:, 1]
            assert list(ends) == pytest.approx([fmean(scores) - stdev(scores), fmean(scores) + stdev(scores)])
            assert bar.lines[0].get_markerfacecolor() != "white"
    assert "Filled: ours, ± sample standard deviation over seeds." in said(made)


def test_no_name_covers_a_point_or_another_name(made_up: Maker) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    spec = load_figure("face-accuracy-cost")
    figure = drawn(spec, Request(made_up(spec).iloc[:0])).figure
    renderer = FigureCanvasAgg(figure).get_renderer()
    axes = figure.axes[0]
    boxes = [text.get_window_extent(renderer) for text in axes.texts if text.get_text()]
    points = [axes.transData.transform(point(axes, str(each.get_label()))) for each in axes.get_lines()]
    assert len(boxes) == len(points) > 15
    assert not [pair for pair in itertools.combinations(boxes, 2) if pair[0].overlaps(pair[1])]
    assert not [place for place in points for box in boxes if box.contains(*place)]


# -- bars

TASKS = "tasks:\n  - {task: hopper-medium, claim: hopper-medium-v2}\n"


def bars(axes: Axes) -> dict[str, float]:
    found = [each for each in axes.containers if isinstance(each, BarContainer)]
    return {str(bar.get_label()): bar.patches[0].get_width() for bar in found}


def test_bars_are_means_with_whiskers_and_published_values_beside_them(
    spec: Callable[[str], FigureSpec], made_up: Maker
) -> None:
    text = f"kind: bars\n{CLAIMED}{TASKS}{TABLE_1}"
    made = drawn(spec(text), Request(made_up(spec(text), 3, scattered)))
    axes = panel(made, "hopper-medium")
    scores = {name: [scattered("hopper-medium", name, seed) for seed in range(3)] for name in ("ilq", "bc")}
    assert bars(axes) == pytest.approx({name: fmean(each) for name, each in scores.items()})
    for found, each in zip(whiskers(axes), scores.values(), strict=True):
        assert list(found[:, 0]) == pytest.approx(
            [min(each), max(each)]
        )  # three seeds: the bootstrap interval is the range
    assert point(axes, "ilq, published") == (92.1, 0)
    assert made.table.groups[0].rows[0].cells[2].value == 92.1


def test_a_gain_is_paired_by_seed_with_students_interval(spec: Callable[[str], FigureSpec], made_up: Maker) -> None:
    text = f"kind: bars\n{CLAIMED}{TASKS}{TABLE_1}over: bc\n"
    made = drawn(spec(text), Request(made_up(spec(text), 4, scattered)))
    axes = panel(made, "hopper-medium")
    gains = [scattered("hopper-medium", "ilq", seed) - scattered("hopper-medium", "bc", seed) for seed in range(4)]
    half = stats.t.ppf(0.975, 3) * stdev(gains) / 2
    assert bars(axes) == pytest.approx({"ilq": fmean(gains)})
    assert list(whiskers(axes)[0][:, 0]) == pytest.approx([fmean(gains) - half, fmean(gains) + half])
    rows = published.load("offline_rl")
    of = rows[(rows["table"] == "ILQ paper Table 1") & (rows["task"] == "hopper-medium-v2")].set_index("method")[
        "value"
    ]
    assert point(axes, "ilq, published")[0] == pytest.approx(of["ILQ"] - of["BC"])


def test_a_setting_is_an_axis(spec: Callable[[str], FigureSpec], made_up: Maker) -> None:
    named = [(-1, "ilq[delta=-1]"), (0.5, "ilq[delta=0.5]"), (2, "ilq[delta=2]")]
    series = "".join(
        f'  - {{id: "{name}", label: "{at}", at: {at}, claim: "delta={at}"}}\n' for at, name in reversed(named)
    )
    source = "curves: {file: ilq_curves, paper: P, figure: Fig. 2, dataset: D, about: A}\n"
    task = "tasks:\n  - {task: hopper-medium-replay, claim: hopper-medium-replay-v2}\n"
    text = f"kind: bars\nstatistic: final10\nsetting: delta\nvariants:\n{series}{source}{task}"
    made = drawn(spec(text), Request(made_up(spec(text), 3, scattered)))
    axes = panel(made, "hopper-medium-replay")
    x, y = line(axes, "ours").get_data()
    assert list(x) == [-1, 0.5, 2]
    scores = [[scattered("hopper-medium-replay", name, seed) for seed in range(3)] for _, name in named]
    assert list(y) == pytest.approx(list(map(fmean, scores)))
    with (published.FOLDER / "ilq_curves.csv").open(newline="") as file:
        rows = [
            row for row in csv.DictReader(file) if (row["figure"], row["task"]) == ("Fig. 2", "hopper-medium-replay-v2")
        ]
    ends = [fmean([float(row["mean"]) for row in rows if row["variant"] == f"delta={at}"][-10:]) for at, _ in named]
    assert list(line(axes, "published").get_ydata()) == pytest.approx(ends)
    assert axes.get_xlabel() == "delta"


# -- all kinds


def said(made: Drawn) -> str:
    """What stands on the sheet above the axes."""
    return " ".join(" ".join(text.get_text().split()) for text in made.figure.texts)


@pytest.mark.parametrize("name", ["ilq-profile"])
def test_a_reconstruction_is_marked_and_explained(name: str, made_up: Maker) -> None:
    spec = load_figure(name)
    plain = drawn(spec, Request(made_up(spec)))
    marked = drawn(spec, Request(made_up(spec, reconstruction="true")))
    texts = [text.get_text() for text in marked.figure.findobj(match=lambda each: hasattr(each, "get_text"))]
    assert REBUILT not in said(plain)
    assert any(re.fullmatch(rf"BC{REBUILT}", text) for text in texts)
    assert f"{REBUILT} reconstruction: written from the paper" in said(marked)
    heads = [row.header.text for row in marked.table.rows()] + [group.header.text for group, _ in marked.table.leaves]
    assert any(head == "BC (reconstruction)" for head in heads)


@pytest.mark.parametrize("name", ["ilq-profile"])
def test_the_sheet_says_which_runs_it_shows(name: str, made_up: Maker) -> None:
    spec = load_figure(name)
    frame: Any = made_up(spec, 2)
    frame = frame[frame["task"] != "hopper-random"]
    assert "Ours: tier mini, rebuilt data, 11 of 12 tasks, 2 seeds." in said(drawn(spec, Request(frame)))
