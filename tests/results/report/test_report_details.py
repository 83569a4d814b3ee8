"""What a cell opens: its runs, the command that makes them again, and curves that fit a page."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.base import Point, RunResult
from results.report.claims_view import claim_rows
from results.report.curve_points import points_each, thinned
from results.report.details import Pool, details
from results.report.grid import grid, signed
from results.report.rerun import rerun
from results.report.table_view import TableView, views
from tests.results.report.sites import at_hand

Make = Callable[..., RunResult]


def of_table(results: list[RunResult], folder: Path, name: str = "ilq-table-1") -> tuple[TableView, dict]:
    found = at_hand(results, folder)
    view = next(view for view in views(found) if view.spec.id == name)
    return view, details(view, grid(view), found)


def cell(data: dict, row: str, column: str) -> dict:
    return next(each for each in data["cells"] if (each["row"], each["column"]) == (row, column))


def test_a_cell_has_the_runs_of_its_own_task_and_method(result: Make, tmp_path: Path) -> None:
    runs = [result(task, variant, seed, 10.0 * seed) for task in ("hopper-medium", "hopper-random")
            for variant in ("bc", "iql") for seed in (0, 1, 3)]  # fmt: skip
    _, data = of_table(runs, tmp_path)
    for task in ("hopper-medium", "hopper-random"):
        for variant, label in (("bc", "BC"), ("iql", "IQL")):
            group = data["groups"][cell(data, task, label)["runs"]]
            mine = [each.run.key for each in runs if (each.run.task, each.run.method) == (task, variant)]
            assert [key[:20] for key in mine] == group["keys"]
            assert group["seeds"] == [0, 1, 3]
            assert group["values"]["normalized_score"] == [0.0, 10.0, 30.0]


def test_a_published_cell_without_runs_tells_its_source(result: Make, tmp_path: Path) -> None:
    _, data = of_table([result()], tmp_path)
    found = cell(data, "walker2d-medium", "ILQ")
    assert "runs" not in found
    assert found["verdict"]["word"] == "not run"
    assert found["claims"][0]["source"]


def test_parameters_shared_by_runs_are_kept_once(result: Make, tmp_path: Path) -> None:
    _, data = of_table([result(seed=seed) for seed in range(4)], tmp_path)
    assert len(data["parameters"]) == 1
    assert data["groups"][0]["parameters"] == 0
    assert data["parameters"][0]["training"]["train_steps"] == 10_000


def test_a_curve_comes_with_its_steps_said_once(result: Make, tmp_path: Path) -> None:
    _, data = of_table([result(seed=0, score=40.0), result(seed=1, score=50.0)], tmp_path)
    assert data["groups"][0]["curves"] == {"normalized_score": [[[5000, 10000], [20, 40]], [None, [25, 50]]]}


def test_not_a_number_in_a_curve_is_left_out(result: Make, tmp_path: Path) -> None:
    run = result(status="diverged", score=0.0)
    run.curve.insert(1, Point("normalized_score", 7_500, float("nan")))
    _, data = of_table([run], tmp_path)
    assert data["groups"][0]["curves"]["normalized_score"] == [[[5000, 10000], [0.0, 0.0]]]
    json.dumps(data, allow_nan=False)


def test_the_command_asks_for_the_runs_of_the_cell(result: Make) -> None:
    runs = [result("hopper-medium", "iql", seed).run for seed in (3, 0, 4)]
    assert rerun(runs) == "reprise run demo --tier demo --tasks hopper-medium --methods iql --seeds 0,3,4"


def test_the_command_of_one_seed_has_a_comma(result: Make) -> None:
    assert rerun([result(seed=2).run]).endswith("--seeds 2,")


def test_the_command_survives_a_shell(result: Make) -> None:
    run = result(task="a->b", sweep="x; rm -rf $HOME", variant="iql").run
    assert rerun([run]).startswith("reprise run 'x; rm -rf $HOME' --tier demo --tasks 'a->b'")


def test_the_command_of_a_grid_names_the_variant_it_was_spread_from(result: Make) -> None:
    run = result(variant="ilq[delta=2]").run
    assert "--methods ilq --seeds" in rerun([run])


def test_runs_that_do_not_say_their_sweep_have_no_command(result: Make) -> None:
    assert rerun([result(sweep="").run]) == ""


def test_thinned_curves_keep_their_ends() -> None:
    steps, values = list(range(0, 1000, 10)), [step / 7 for step in range(100)]
    kept = thinned(steps, values, 12)
    assert len(kept[0]) == len(kept[1]) == 12
    assert (kept[0][0], kept[0][-1]) == (0, 990)
    assert kept[1][-1] == pytest.approx(values[-1], rel=1e-3)
    assert kept[0] == sorted(kept[0])


def test_short_curves_stay_as_they_are() -> None:
    assert thinned([1, 2], [0.5, 1.5], 12) == [[1, 2], [0.5, 1.5]]


def test_a_page_of_many_runs_has_fewer_points_a_curve() -> None:
    assert points_each(10) == 60
    assert 2 <= points_each(10_000) < 10


def test_a_pool_gives_equal_values_one_place() -> None:
    pool = Pool()
    assert [pool.place({"a": 1}), pool.place({"b": 1}), pool.place({"a": 1})] == [0, 1, 0]
    assert pool.values == [{"a": 1}, {"b": 1}]


@pytest.mark.parametrize(
    ("value", "text"), [(0.04, "0.0"), (-0.04, "0.0"), (1.25, "+1.2"), (-3.0, "\N{MINUS SIGN}3.0")]
)
def test_a_difference_has_a_sign_unless_it_is_zero(value: float, text: str) -> None:
    assert signed(value, 1) == text


def test_runs_of_a_table_that_do_not_belong_together_are_not_shown_and_it_says_why(
    result: Make, tmp_path: Path
) -> None:
    runs = [result(seed=0), result(seed=1, settings={"learning_rate": 0.1})]
    view, data = of_table(runs, tmp_path)
    assert "do not belong together" in view.problem
    assert not data["groups"]
    assert view.judgements.tier == ""


def test_tiers_have_views_of_their_own_the_nearest_to_the_paper_first(result: Make, tmp_path: Path) -> None:
    runs = [result(seed=0), result(seed=0, tier="mini", training={"train_steps": 20_000})]
    found = [view for view in views(at_hand(runs, tmp_path)) if view.spec.id == "ilq-table-1"]
    assert [(view.tier, view.statistic) for view in found] == [
        ("mini", "last"),
        ("mini", "final10"),
        ("demo", "last"),
        ("demo", "final10"),
    ]
    assert [view.page for view in found][:3] == ["ilq-table-1", "ilq-table-1-mini-final10", "ilq-table-1-demo-last"]


def test_a_paper_run_has_a_verdict_with_its_difference(result: Make, tmp_path: Path) -> None:
    labels = {"tier": "paper", "data_kind": "d4rl", "environment": "Hopper-v2, gym 0.9"}
    runs = [result("hopper-medium", "ilq", seed, 92.0 + 0.5 * seed, **labels) for seed in range(5)]
    _, data = of_table(runs, tmp_path)
    found = cell(data, "hopper-medium", "ILQ")["verdict"]
    assert found["word"] in ("reproduced", "not reproduced", "inconclusive")
    assert found["difference"] == pytest.approx(93.0 - 92.1, abs=0.06)
    rows = list(claim_rows([next(views(at_hand(runs, tmp_path)))]))
    assert rows


def test_what_was_measured_alone_keeps_the_numbers_of_its_places(result: Make, tmp_path: Path) -> None:
    runs = [result("hopper-medium", variant, seed, 10.0 + seed) for variant in ("bc", "ilq") for seed in range(3)]
    view, _ = of_table(runs, tmp_path)
    whole = grid(view)
    measured = whole.measured()
    assert [column.text for column in measured.columns] == ["BC", "ILQ"]
    assert [line.header.text for block in measured.blocks for line in block.lines] == ["hopper-medium"]
    assert measured.total is None
    places = {(line.header.text, square.column.text): square for line, square in whole.squares()}
    for line, square in measured.squares():
        assert square == places[line.header.text, square.column.text]
        assert square.number is not None


def test_without_runs_the_whole_grid_is_shown(result: Make, tmp_path: Path) -> None:
    view, _ = of_table([result()], tmp_path, "distillation-retinanet")
    assert grid(view).measured() == grid(view)
