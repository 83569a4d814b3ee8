"""The numbers, marks, totals and statements of a paper's table."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.base import RepriseError, RunResult
from benchmarks.d4rl.scores import NORMALIZED_SCORE
from benchmarks.record_files import Found
from results import published
from results.claim_names import refuse_unknown
from results.collect import tidy
from results.paper_table import paper_table
from results.selection import Choice, select
from results.table import Cell, Mark, Table, ranked
from results.table_files import FOLDER, load_spec

Maker = Callable[..., RunResult]
SPEC = load_spec("ilq-table-1")
CLAIMS = published.load()


def draw(results: list[RunResult], statistic: str = "last", all_tasks: bool = False) -> Table:
    frame = tidy(Found(f"place {index}", each) for index, each in enumerate(results))
    return paper_table(SPEC, select(SPEC.scope, frame, Choice(statistic)), CLAIMS, all_tasks=all_tasks)


def cells(table: Table, task: str, kind: str = "ours") -> dict[str, Cell]:
    row = next(row for row in table.rows() if row.header.key == task)
    pairs = zip(table.leaves, row.cells, strict=True)
    return {group.header.key: cell for (group, column), cell in pairs if column.key == kind}


def notes(table: Table) -> dict[str, str]:
    return {note.subject: note.text for note in table.notes}


def all_twelve(result: Maker, variants: tuple[str, ...] = ("bc", "ilq")) -> list[RunResult]:
    return [
        result(task, variant, seed, 10.0 * place + seed + (5 if variant == "ilq" else 0))
        for place, task in enumerate(SPEC.tasks)
        for variant in variants
        for seed in range(2)
    ]


# -- numbers


def test_a_cell_is_mean_sample_deviation_and_count_over_seeds(result: Maker) -> None:
    scores = [31.25, 44.5, 38.0, 52.125]
    table = draw([result(seed=seed, score=score) for seed, score in enumerate(scores)])
    cell = cells(table, "hopper-medium")["iql"]
    assert cell.value == pytest.approx(statistics.fmean(scores), abs=1e-12)
    assert cell.spread == pytest.approx(statistics.stdev(scores), abs=1e-12)
    assert cell.n == 4


def test_one_seed_has_no_spread(result: Maker) -> None:
    table = draw([result(score=40.0)])
    cell = cells(table, "hopper-medium")["iql"]
    assert (cell.value, cell.spread, cell.n) == (40.0, None, 1)
    assert "one seed (0)" in table.caption


def test_published_values_stand_beside_ours_with_their_spread(demo: list[RunResult]) -> None:
    theirs = cells(draw(demo), "hopper-medium", "published")
    assert {name: cell.value for name, cell in theirs.items()} == {
        "bc": 53.4,
        "td3_bc": 59.3,
        "cql": 58.5,
        "iql": 66.3,
        "mcq": 78.4,
        "ilq": 92.1,
    }
    assert (theirs["ilq"].spread, theirs["ilq"].n) == (5.8, 5)
    assert theirs["bc"].spread is None


def test_every_cell_of_the_specification_has_a_published_number() -> None:
    rows = [row for group in SPEC.groups for row in group.rows]
    for statistic, tables in SPEC.claims.tables.items():
        for row in rows:
            for column in SPEC.columns:
                if column.claim is not None and column.id is not None:
                    assert row.claim is not None
                    found = [published.lookup(CLAIMS, name, row.claim, column.claim, statistic) for name in tables]
                    assert any(found), (statistic, row.task, column.id)


def test_the_final_ten_evaluations_are_compared_with_those_of_the_papers_figure(demo: list[RunResult]) -> None:
    table = draw(demo, "final10")
    ours, theirs = cells(table, "hopper-medium"), cells(table, "hopper-medium", "published")
    assert ours["iql"].value == pytest.approx(36.5 + 2.0 - 1.0)
    figure = published.lookup(CLAIMS, "ILQ paper Fig. 6", "hopper-medium-v2", "ILQ", "final10")
    assert figure is not None
    assert theirs["ilq"].value == figure.value != 92.1
    assert "ILQ paper Fig. 6" in notes(table)["Published"]


def test_an_optional_column_is_shown_only_where_it_has_runs_and_has_nothing_published(demo: list[RunResult]) -> None:
    with_control = draw(demo)
    assert [group.header.key for group in with_control.columns][-1] == "warm-start"
    assert [column.key for column in with_control.columns[-1].columns] == ["ours"]
    without = draw([each for each in demo if each.run.labels["variant"] != "warm-start"])
    assert "warm-start" not in [group.header.key for group in without.columns]


def test_a_column_without_runs_shows_only_what_is_published(result: Maker) -> None:
    table = draw([result(variant="iql")])
    assert cells(table, "hopper-medium")["cql"] == Cell()
    assert cells(table, "hopper-medium", "published")["cql"].value == 58.5


def test_only_tasks_with_runs_are_rows_unless_all_are_asked_for(demo: list[RunResult]) -> None:
    assert [row.header.key for row in draw(demo).rows()] == ["hopper-medium", "hopper-medium-expert"]
    full = draw(demo, all_tasks=True)
    assert [row.header.key for row in full.rows()] == [*SPEC.tasks, "total"]
    assert "2 of 12 tasks" in full.caption


# -- marks


def test_best_and_second_are_marked_among_ours_and_among_published_separately(demo: list[RunResult]) -> None:
    table = draw(demo)
    for task in ("hopper-medium", "hopper-medium-expert"):
        ours, theirs = cells(table, task), cells(table, task, "published")
        assert {name: cell.mark for name, cell in ours.items() if cell.mark} == {
            "warm-start": Mark.BEST,
            "ilq": Mark.SECOND,
        }
        assert {name: cell.mark for name, cell in theirs.items() if cell.mark} == {"ilq": Mark.BEST, "mcq": Mark.SECOND}


@given(
    values=st.lists(st.one_of(st.none(), st.floats(-20, 120)), min_size=1, max_size=8),
    higher=st.booleans(),
    decimals=st.integers(0, 2),
)
def test_marks_follow_the_numbers_as_printed(values: list[float | None], higher: bool, decimals: int) -> None:
    printed = [None if value is None else float(f"{value:.{decimals}f}") for value in values]
    numbers = [value for value in printed if value is not None]
    expected: list[Mark | None] = []
    for value in printed:
        better = sum((other > value) if higher else (other < value) for other in numbers) if value is not None else 9
        expected.append({0: Mark.BEST, 1: Mark.SECOND}.get(better) if len(numbers) > 1 else None)
    assert ranked(values, higher, decimals) == expected


def test_ties_share_the_best_and_leave_no_second() -> None:
    assert ranked([41.04, 40.96, 39.0], True, 1) == [Mark.BEST, Mark.BEST, None]
    assert ranked([50.0, 41.0, 41.0], True, 1) == [Mark.BEST, Mark.SECOND, Mark.SECOND]
    assert ranked([None, 41.0], True, 1) == [None, None]
    assert ranked([-0.01, 0.01, -1.0], True, 1) == [Mark.BEST, Mark.BEST, None]


def test_the_specification_ranks_as_the_benchmark_does() -> None:
    assert SPEC.metric == NORMALIZED_SCORE.name
    assert SPEC.higher_is_better == NORMALIZED_SCORE.higher_is_better


# -- totals


def test_a_table_of_some_tasks_has_no_total_and_says_why(demo: list[RunResult]) -> None:
    table = draw(demo)
    assert table.total is None
    assert notes(table)["Total"] == "None: it needs all 12 tasks."


def test_totals_sum_ours_and_repeat_the_printed_ones(result: Maker) -> None:
    table = draw(all_twelve(result))
    ours, theirs = cells(table, "total"), cells(table, "total", "published")
    assert ours["bc"].value == pytest.approx(sum(10.0 * place + 0.5 for place in range(12)))
    assert ours["ilq"].value == pytest.approx(sum(10.0 * place + 5.5 for place in range(12)))
    assert (ours["ilq"].mark, ours["bc"].mark, ours["cql"]) == (Mark.BEST, Mark.SECOND, Cell())
    assert (theirs["bc"].value, theirs["ilq"].value) == (459.6, 920.4)


def test_a_column_that_lacks_a_seed_has_no_total(result: Maker) -> None:
    runs = all_twelve(result)
    del runs[next(index for index, each in enumerate(runs) if each.run.method == "ilq")]
    totals = cells(draw(runs), "total")
    assert totals["ilq"] == Cell()
    assert totals["bc"].value is not None


# -- seeds


def test_a_cell_with_fewer_seeds_than_others_says_so(result: Maker) -> None:
    runs = [result(variant=variant, seed=seed) for variant in ("bc", "iql") for seed in range(3)][:-1]
    ours = cells(draw(runs), "hopper-medium")
    assert (ours["bc"].remark, ours["bc"].n) == ("", 3)
    assert (ours["iql"].remark, ours["iql"].n) == ("2 of 3 seeds", 2)


def test_a_diverged_seed_counts_and_has_a_footnote(result: Maker) -> None:
    runs = [result(seed=0, score=40.0), result(seed=1, score=2.0, status="diverged"), result(seed=2, score=42.0)]
    other = [result(variant="cql", seed=seed, status="diverged" if seed == 1 else "finished") for seed in range(3)]
    table = draw(runs + other)
    ours = cells(table, "hopper-medium")
    assert ours["iql"].value == pytest.approx(28.0)
    assert ours["iql"].footnotes == ours["cql"].footnotes == ("b",), "a is the finding at the head of ILQ"
    assert [note.text for note in table.footnotes][1:] == ["Seed 1 diverged; the score counts in the mean."]


# -- what the table states


def test_the_table_states_tier_statistic_seeds_environment_data_and_presets(demo: list[RunResult]) -> None:
    table = draw(demo)
    said = notes(table)
    assert table.caption.startswith("Tier demo, 2 of 12 tasks. Normalised score ↑ at the last evaluation (last)")
    assert "sample standard deviation over 3 seeds (0\N{EN DASH}2)" in table.caption
    assert said["Environment"] == "Hopper-v5 (gymnasium 1.4.0, mujoco 3.17.0)."
    assert said["Data"].startswith("rebuilt, with the start of its sha256: local/hopper-medium-v5-n100000-s0-v0 (")
    assert "local/hopper-medium-expert-v5-n100000-s0-v0 (" in said["Data"]
    assert said["Presets"] == "small-demo."
    assert said["Protocol"] == "20 episodes every 1,000 of 10,000 steps."
    assert said["Reconstruction"].startswith("ILQ: no public code exists")
    assert "says nothing about published rankings" in said["Tier"]
    assert "ILQ paper Table 1 (D4RL v2)" in said["Published"]
    assert "It quotes BC, TD3+BC, CQL, IQL, MCQ from other papers" in said["Published"]


def test_rebuilt_data_is_never_called_comparable_with_the_claims(demo: list[RunResult]) -> None:
    said = notes(draw(demo))["Comparison"]
    assert "measured on rebuilt data, the published values on D4RL v2" in said
    assert "not comparable and are never judged" in said


def test_original_data_needs_no_such_statement(result: Maker) -> None:
    said = notes(draw([result(data_kind="d4rl", tier="paper")]))
    assert "Comparison" not in said
    assert "Tier" not in said


def test_precision_is_stated_where_it_is_not_the_default(result: Maker) -> None:
    assert "Precision" not in notes(draw([result()]))
    mixed = draw([result(variant="iql"), result(variant="cql", precision="bf16", training={"precision": "bf16"})])
    assert notes(mixed)["Precision"] == "fp32 (IQL); bf16 (CQL)."


def test_presets_that_differ_are_named_with_their_columns(result: Maker) -> None:
    table = draw([result(variant="bc"), result(variant="iql", preset="corl"), result(variant="cql", preset="corl")])
    assert notes(table)["Presets"] == "small-demo (BC); corl (CQL, IQL)."


def test_what_runs_do_not_say_is_called_not_recorded(result: Maker) -> None:
    run = result()
    del run.run.labels["environment"]  # type: ignore[attr-defined]
    assert notes(draw([run]))["Environment"] == "not recorded."


# -- specifications


def spec_with(tmp_path: Path, old: str, new: str) -> str:
    text = (Path(published.__file__).parent / "tables" / "ilq-table-1.yaml").read_text()
    assert old in text
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace(old, new, 1))
    return str(path)


def test_anybodys_specification_can_be_loaded_by_its_path(tmp_path: Path) -> None:
    assert load_spec(spec_with(tmp_path, "id: ilq-table-1", "id: mine")).id == "mine"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("metric_label:", "metric_lable:", "unknown key 'metric_lable'; did you mean 'metric_label'"),
        ("label: BC,", "lable: BC,", "columns.0.lable: unknown key 'lable'; did you mean 'label'"),
        ("  data_kind: d4rl\n", "", "claims.data_kind: Field required"),
        ("task: hopper-random,", "task: walker2d-random,", "task 'walker2d-random' is listed twice"),
        ("    final10:", "    final9:", "claims.tables has no statistic 'final9'"),
        ("higher_is_better: true", "higher_is_better: 1", "higher_is_better: "),
        ("id: ilq-table-1", "id: [", "not YAML"),
        ("decimals: 1", "decimals: 1\ndecimals: 2", "mine.yaml:9: decimals is given twice (first on line 8)"),
    ],
)
def test_a_bad_specification_is_named_with_file_and_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(RepriseError) as caught:
        load_spec(spec_with(tmp_path, old, new))
    assert re.search(r"mine\.yaml:\d+: ", str(caught.value))
    assert message in str(caught.value)


def test_an_unknown_table_names_the_nearest() -> None:
    with pytest.raises(RepriseError, match="unknown table 'ilq-table1'; did you mean 'ilq-table-1'"):
        load_spec("ilq-table1")
    with pytest.raises(RepriseError, match="unknown statistic 'lst'; did you mean 'last'"):
        SPEC.statistic("lst")


# -- a specification that names what does not exist


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "claim: hopper-medium-v2",
            "claim: hoper-medium-v2",
            "unknown published task 'hoper-medium-v2'; did you mean 'hopper-",
        ),
        ("claim: CQL}", "claim: CQLL}", "columns.2.claim: unknown published method 'CQLL'; did you mean 'CQL'?"),
        (
            "last: [ILQ paper Table 1]",
            "last: [ILQ paper Tabel 1]",
            "unknown claim table 'ILQ paper Tabel 1'; did you mean",
        ),
        (
            "claim: MuJoCo total",
            "claim: MuJoCo totl",
            "total.claim: unknown published task 'MuJoCo totl'; did you mean",
        ),
        ("metric: normalized_score_sum", "metric: sum", "total.metric: unknown published metric 'sum'"),
        (
            "under_test: [ilq]",
            "under_test: [illq]",
            "under_test names 'illq', which is no variant of this table; did you mean",
        ),
        ("task: hopper-random,", "task: halfcheetah-random,", "task 'halfcheetah-random' is listed twice"),
        ("{id: iql, label", "{id: cql, label", "column 'cql' is listed twice"),
        ("{id: iql, label: IQL, claim: IQL}", "{label: IQL}", "column 'IQL' needs an id or a claim"),
        ("    last:", "    lats:", "claims.tables has no statistic 'lats'; did you mean 'last'?"),
        ("decimals: 1", "decimals: 1\ntransposed: true", "a table with totals cannot be transposed"),
    ],
)
def test_a_fault_of_a_specification_is_named_with_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (FOLDER / "ilq-table-1.yaml").read_text()
    assert old in text
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(RepriseError) as caught:
        refuse_unknown(load_spec(str(path)), CLAIMS)  # type: ignore[arg-type]
    mark = new.splitlines()[-1]
    line = next(place for place, each in enumerate(path.read_text().splitlines(), 1) if mark in each)
    if "listed twice" in message:
        assert str(caught.value).startswith(f"{path}:")
    else:
        assert str(caught.value).startswith(f"{path}:{line}: ")
    assert message in str(caught.value)
