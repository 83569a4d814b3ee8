"""A figure of curves from records: its specification, its panels and the table of its verdicts."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.base import Point, RepriseError, RunResult
from benchmarks.record_files import Found
from results import published_curves
from results.collect import tidy
from results.curve_table import curve_table
from results.curves import Panel, panels
from results.figure_spec import FOLDER, CurvesSpec, figure_names, load_figure
from results.render import render
from results.selection import Choice, Selection, select
from results.table import Table

Maker = Callable[..., RunResult]
CLAIMS = published_curves.load("ilq_curves")


def early() -> CurvesSpec:
    spec = load_figure("ilq-early")
    assert isinstance(spec, CurvesSpec)
    return spec


SPEC = early()


def run(result: Maker, task: str, seed: int, shift: float = 0.0, steps: int = 50_000, **options: object) -> RunResult:
    """A run whose curve is the paper's, moved by `shift` points; diverged where the options say so."""
    curve = CLAIMS["Fig. 6", f"{task}-v2", "ILQ"]
    points = [
        Point("normalized_score", int(step), float(score) + shift)
        for step, score in zip(curve.steps, curve.mean, strict=True)
        if step <= steps
    ]
    options = {
        "tier": "early",
        "preset": "paper_cached",
        "protocol": f"10 episodes every 5,000 of {steps:,} steps",
        "training": {"train_steps": steps},
        **options,
    }
    made = result(task, "ilq", seed, points[-1].value, **options)
    return replace(made, curve=[*points, Point("critic_loss", 5_000, 0.5)])


def drawn(*results: RunResult, spec: CurvesSpec = SPEC) -> tuple[Selection, tuple[Panel, ...], Table]:
    frame = tidy(Found(f"place {index}", each) for index, each in enumerate(results))
    selection = select(spec.scope, frame, Choice("last", spec.tier))
    shown = panels(spec, selection, frame, CLAIMS)
    return selection, shown, curve_table(spec, selection, shown)


def words(table: Table, column: str) -> dict[str, str]:
    place = [group.header.key for group, _ in table.leaves].index(column)
    return {row.header.key: row.cells[place].words for row in table.rows()}


def test_a_panel_holds_every_seed_the_mean_the_band_and_the_papers_curve(result: Maker) -> None:
    shifts = (0.0, 1.0, 5.0)
    _, shown, _ = drawn(*(run(result, "halfcheetah-medium", seed, shift) for seed, shift in enumerate(shifts)))
    panel = {each.task: each for each in shown}["halfcheetah-medium"]
    assert panel.ours is not None
    assert panel.ours.seeds == (0, 1, 2)
    assert panel.ours.steps.tolist() == panel.published.steps.tolist() == list(range(5_000, 50_001, 5_000))
    for index, score in enumerate(panel.published.mean):
        assert panel.ours.scores[:, index].tolist() == pytest.approx([score + shift for shift in shifts])
        assert panel.ours.mean[index] == pytest.approx(score + 2.0)
        assert panel.ours.spread is not None
        assert panel.ours.spread[index] == pytest.approx(math.sqrt((4 + 1 + 9) / 2))


def test_one_seed_has_no_band(result: Maker) -> None:
    _, shown, _ = drawn(run(result, "hopper-random", 0))
    panel = {each.task: each for each in shown}["hopper-random"]
    assert panel.ours is not None
    assert panel.ours.spread is None


def test_tasks_without_runs_keep_the_papers_curve_and_are_said_not_to_have_run(result: Maker) -> None:
    _, shown, table = drawn(run(result, "hopper-random", 0))
    assert [panel.task for panel in shown if panel.ours is None] == [
        panel.task for panel in SPEC.tasks if panel.task != "hopper-random"
    ]
    assert all(len(panel.published.steps) for panel in shown)
    assert words(table, "verdict")["halfcheetah-medium"] == "not run yet"
    assert next(note.text for note in table.notes if note.subject == "Verdicts").startswith(
        "0 agrees, 0 disagrees, 1 undecided, 5 not run yet (halfcheetah-random, "
    )


def test_a_task_is_drawn_and_judged_up_to_its_own_last_step(result: Maker) -> None:
    longer = run(result, "hopper-random", 0, steps=200_000)
    _, shown, table = drawn(longer, run(result, "hopper-medium-replay", 0, steps=100_000))
    ends = {panel.task: int(panel.ours.steps[-1]) for panel in shown if panel.ours is not None}
    assert ends == {"hopper-random": 50_000, "hopper-medium-replay": 100_000}
    assert words(table, "step")["hopper-medium-replay"] == "100,000"
    curve = CLAIMS["Fig. 6", "hopper-random-v2", "ILQ"]
    end = [float(score) for step, score in zip(curve.steps, curve.mean, strict=True) if 40_000 <= step <= 50_000]
    assert {row.header.key: row for row in table.rows()}["hopper-random"].cells[2].value == pytest.approx(sum(end) / 3)


def test_a_run_that_ended_earlier_is_judged_where_it_ended(result: Maker) -> None:
    _, _, table = drawn(run(result, "halfcheetah-medium", 0, steps=20_000))
    assert words(table, "step")["halfcheetah-medium"] == "20,000"


def test_verdicts_stand_in_the_table_with_their_reasons(result: Maker) -> None:
    runs = [run(result, "halfcheetah-random", seed, 0.5 * seed) for seed in range(3)]
    runs += [run(result, "halfcheetah-medium", seed, -20 - 0.5 * seed) for seed in range(3)]
    runs += [run(result, "walker2d-medium-replay", 0, -30)]
    _, _, table = drawn(*runs)
    found = words(table, "verdict")
    assert found["halfcheetah-random"] == "agrees"
    assert found["halfcheetah-medium"] == "disagrees"
    assert found["walker2d-medium-replay"] == "undecided, outside"
    assert [note.text for note in table.footnotes] == ["Fewer than 3 seeds."]
    rows = {row.header.key: row.cells for row in table.rows()}
    # shifts -20, -20.5, -21: their mean, and t(0.95, 2) 0.5 / sqrt(3)
    difference = rows["halfcheetah-medium"][4]
    assert (difference.value, difference.spread) == pytest.approx((-20.5, 2.919986 * 0.5 / math.sqrt(3)), rel=1e-6)


def test_diverged_runs_keep_their_seat_and_stopped_ones_have_none(result: Maker) -> None:
    runs = [
        run(result, "halfcheetah-random", 0),
        run(result, "halfcheetah-random", 1, status="diverged"),
        run(result, "halfcheetah-random", 2, status="stopped_early"),
        run(result, "halfcheetah-random", 3),
    ]
    broken = [Point(point.metric, point.step, math.nan) for point in runs[1].curve[-3:]]
    runs[1] = replace(runs[1], curve=[*runs[1].curve[:-3], *broken])
    _, shown, table = drawn(*runs)
    ours = shown[0].ours
    assert ours is not None
    assert (ours.seeds, ours.diverged) == ((0, 1, 3), (1,))
    assert np.isfinite(ours.scores).all()
    assert ours.judgement.ours == pytest.approx(ours.judgement.published * 2 / 3)
    note = next(note.text for note in table.notes if note.subject == "Diverged")
    assert note == "halfcheetah-random seed 1; a diverged run keeps its seat with an end of 0."


def test_a_curve_with_a_hole_is_refused(result: Maker) -> None:
    runs = [run(result, "halfcheetah-random", seed) for seed in range(2)]
    runs[1] = replace(runs[1], curve=[point for point in runs[1].curve if point.step != 25_000])
    with pytest.raises(
        RepriseError, match=r"figure ilq-early, task halfcheetah-random: the run of seed 1 .* step 25000"
    ):
        drawn(*runs)


def test_evaluations_at_other_steps_than_the_papers_are_refused(result: Maker) -> None:
    made = run(result, "halfcheetah-random", 0)
    moved = [Point(point.metric, point.step + 1, point.value) for point in made.curve]
    with pytest.raises(RepriseError, match=r"0 evaluation steps in common.* ours: 5,001, 10,001, \.\.\. 45,001"):
        drawn(replace(made, curve=moved))


def test_runs_of_different_training_are_not_averaged(result: Maker) -> None:
    runs = [run(result, "halfcheetah-random", 0), run(result, "halfcheetah-random", 1, steps=100_000)]
    with pytest.raises(RepriseError, match=r"figure ilq-early: .*training\.train_steps \(100000 or 50000\)"):
        drawn(*runs)


def test_runs_of_another_tier_stay_out(result: Maker) -> None:
    with pytest.raises(RepriseError, match="figure ilq-early: no run of tier 'early'; there are runs of mini"):
        drawn(run(result, "halfcheetah-random", 0, tier="mini"))


def test_the_caption_says_what_a_reader_needs(result: Maker) -> None:
    runs = [run(result, "halfcheetah-random", seed) for seed in range(3)]
    _, _, table = drawn(*runs, run(result, "hopper-medium-replay", 4, steps=100_000))
    said = {note.subject: note.text for note in table.notes}
    assert said["Class"].startswith("Direction only: ours runs on rebuilt data at tier early, the paper's on D4RL v2.")
    assert "10 points" in said["Rule"]
    assert "sample standard deviation (ddof 1)" in said["Lines"]
    assert said["Seeds"] == "0\N{EN DASH}2 (halfcheetah-random); 4 (hopper-medium-replay)."
    assert said["Environment"] == "Halfcheetah-v5, Hopper-v5 (gymnasium 1.4.0, mujoco 3.17.0)."
    assert "local/hopper-medium-replay-v5-n100000-s0-v0 (686f7070)" in said["Data"]
    assert said["Protocol"] == (
        "10 episodes every 5,000 of 50,000 steps (halfcheetah-random); "
        "10 episodes every 5,000 of 100,000 steps (hopper-medium-replay)."
    )
    assert said["Presets"] == "paper_cached."
    assert said["Reconstruction"].startswith("ILQ: no public code exists")
    assert said["Published"].startswith("ILQ paper, Fig. 6 (D4RL v2).")
    assert "reproduced" not in render(table, "markdown")


# -- the specification


def test_every_figure_of_the_suite_loads_and_one_of_curves_finds_the_published_ones() -> None:
    for name in figure_names():
        spec = load_figure(name)
        assert spec.id == name
        if not isinstance(spec, CurvesSpec):
            continue
        claims = published_curves.load(spec.claims.file)
        for panel in spec.tasks:
            published_curves.find(claims, spec.claims.figure, panel.claim, spec.claims.variant, name)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("metric_label:", "metric_lable:", "metric_lable: unknown key 'metric_lable'; did you mean 'metric_label'"),
        ("  figure: Fig. 6", "  figur: Fig. 6", "claims.figur: unknown key 'figur'; did you mean 'figure'"),
        ("until: 50000}", "untill: 50000}", "tasks.0.untill: unknown key 'untill'; did you mean 'until'"),
        ("learned: 10.0", "learnt: 10.0", "judgement.learnt: unknown key 'learnt'; did you mean 'learned'"),
        ("until: 50000}", "until: 5e4}", "tasks.0.until: "),
        ("until: 50000}", "until: 0}", "tasks.0.until: "),
        ("tier: early\n", "", "tier: Field required"),
        ("task: halfcheetah-medium,", "task: halfcheetah-random,", "task 'halfcheetah-random' is listed twice"),
        ("tier: early\n", "tier: early\ntier: mini\n", "tier is given twice"),
        ("id: ilq-early", "id: [", "not YAML"),
    ],
)
def test_a_bad_specification_is_named_with_file_line_and_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (FOLDER / "ilq-early.yaml").read_text()
    assert old in text
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(RepriseError) as caught:
        load_figure(str(path))
    assert re.search(r"mine\.yaml:\d+: ", str(caught.value))
    assert message in str(caught.value)


def test_a_fault_is_placed_on_its_line(tmp_path: Path) -> None:
    text = (FOLDER / "ilq-early.yaml").read_text()
    line = text[: text.index("tasks:")].count("\n") + 1
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("claim: halfcheetah-random-v2", "clam: halfcheetah-random-v2"))
    with pytest.raises(RepriseError, match=rf"mine\.yaml:{line + 1}: tasks\.0\.clam: unknown key 'clam'; .* 'claim'"):
        load_figure(str(path))


def test_an_unknown_figure_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(RepriseError, match="unknown figure 'ilq-erly'; did you mean 'ilq-early'"):
        load_figure("ilq-erly")
    with pytest.raises(RepriseError, match=r"no figure specification at .*nowhere\.yaml"):
        load_figure(str(tmp_path / "nowhere.yaml"))
